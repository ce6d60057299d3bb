"""Numbers in full width, as they are typed in Japanese: what the rules find in their plain form is found in them."""

import re
from collections.abc import Sequence
from typing import Final

from headrace.redaction.rule import NUMBER, Mark, Rule

__all__ = ["wide_rule"]

_DIGITS: Final = r"\uff10-\uff19"
_JOINS: Final = r" \u00a0\u3000\-()\u2010-\u2014\uff0d\uff08\uff09\uff0e\u30fb"  # hyphens, parentheses, dots
_WIDE: Final = re.compile(
    rf"(?<![A-Za-z0-9{_DIGITS}])[\uff0b\uff08]{{0,2}}[{_DIGITS}](?:[{_JOINS}]{{0,2}}[{_DIGITS}]){{6,40}}"
    rf"(?![A-Za-z0-9{_DIGITS}])"
)
_PLAIN: Final[dict[int, int]] = {0x3000: 0x20, **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}}
"""Code in full width -> its plain form."""


def wide_rule(kind: str, rules: Sequence[Rule]) -> Rule:
    """Return the rule that applies others to numbers in full width."""

    def replace(match: re.Match[str], mark: Mark) -> str:
        plain = found = match[0].translate(_PLAIN)
        for rule in rules:
            found = rule.apply(found, mark)
        return match[0] if found == plain else found

    return Rule(kind, _WIDE, replace, needs=NUMBER, gate=re.compile(f"[{_DIGITS}]"))
