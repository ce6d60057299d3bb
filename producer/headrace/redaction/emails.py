"""E-mail addresses, also spelt out ("jane dot doe at example dot com") and with an apostrophe (o'brien@example.ie).

In a text that quotes an address with apostrophes they are none of it: 'jane@example.com', b'jane@example.com'.
"""

import re
from typing import Final

from headrace.redaction.rule import Mark, Rule

__all__ = ["RULES"]

_AT_DOMAIN: Final = r"""
    (?:@|%40|\ ?[(\[]at[)\]]\ ?)
    (?!\dx\.(?:png|jpe?g|gif|webp|svg))    # icon@2x.png
    (?:(?:[\w\-]{1,63}\.){1,8}(?:xn--[\w\-]{2,59}|[^\W\d_]{2,24}) | (?<=@)\[(?:[0-9]{1,3}\.){3}[0-9]{1,3}\])"""
_LOCAL: Final = r"[\w.+\-]"
_LOCAL_RUN: Final = rf"(?:{_LOCAL}|(?<=[^\W\d_])['\u2019](?=[^\W\d_]))++"  # possessive, from where a run begins: linear
_PREFIX: Final = r"[bfru]'"  # of a string in Python
_EMAIL: Final = re.compile(rf"(?<!{_LOCAL})(?!{_PREFIX}){_LOCAL_RUN}{_AT_DOMAIN}", re.VERBOSE | re.IGNORECASE)

_DOT: Final = r"(?:\ dot\ |\ ?[(\[{]\ ?dot\ ?[)\]}]\ ?)"
_AT: Final = r"(?:@|\ at\ |\ ?[(\[{]\ ?at\ ?[)\]}]\ ?)"
_SPELT: Final = re.compile(
    rf"""(?<![\w.+\-])
    (?!(?:look(?:s|ing|ed)?|us|it|is|are|was|be|found|available|live|hosted|online|more|here|there|page|site)\ at\ )
    [\w.+\-]{{1,64}}(?:{_DOT}[\w+\-]{{1,64}}){{0,4}}{_AT}
    [\w\-]{{1,63}}(?:{_DOT}[\w\-]{{1,63}}){{0,4}}{_DOT}
    (?:com|org|net|edu|gov|info|biz|io|co|ai|app|dev|me|eu|uk|us|ca|au|in|ie|de|at|ch|fr|be|nl|es|it|pt|pl|se|no|dk|fi|cz
      |br|mx|jp|cn|kr|ru|za)(?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)


class _LocalPart:
    """What stands before the @: as many characters as there are."""

    def __init__(self) -> None:
        self._run = re.compile(_LOCAL_RUN)  # reads the same backwards
        self._prefix = re.compile(_PREFIX, re.IGNORECASE)

    def start(self, text: str, kept: int, head: int) -> int | None:
        """Return where it begins; see `rule.Before`."""
        step = 64
        while True:
            at = max(kept, head - step)
            found = self._run.match(text[at:head][::-1])
            if found is None:
                return None
            start = head - found.end()
            if start > at + 1 or at == kept:
                break
            step *= 2
        return start if self._prefix.match(text, start, head) is None else start + 2


def _email(match: re.Match[str], mark: Mark) -> str:
    if match[0].lower().startswith("git@") and match.string[match.end() : match.end() + 1] == ":":
        return match[0]  # the address of a repository
    return mark(match[0])


def _spelt(match: re.Match[str], mark: Mark) -> str:
    return mark(match[0])


RULES: Final = (
    Rule(
        *("email", _EMAIL, _email),
        hints=("@", "%40", "(at", "[at"),
        head=re.compile(_AT_DOMAIN, re.VERBOSE | re.IGNORECASE),  # far fewer than words
        before=_LocalPart(),
    ),
    Rule("email", _SPELT, _spelt, hints=(" dot ", "(dot", "[dot", "{dot", "( dot", "[ dot", "{ dot")),
)
