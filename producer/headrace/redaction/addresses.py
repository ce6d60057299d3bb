"""IP addresses, version 4 and 6, as `ipaddress` understands them.

Four numbers with dots may be a version: they are one after a `v`, `==`, a browser's name or a word such as "version" or
"section", and an address otherwise, since a version left out of a dataset costs less than an address left in it. Times
(12:30:45), MAC addresses and scopes (std::vector) are no addresses; nor is `a::b` without any digit.
"""

import ipaddress
import re
from typing import Final

from headrace.redaction.rule import DIGIT, SIGN, Mark, Rule, WordsBefore

__all__ = ["RULES"]

_VERSION: Final = (
    r"\b(?:version|ver|release|build|firmware|revision|section|chapter|clause|article)[\s.:=]{1,3}|[=~<>]="
    r"|\b(?:Chrome|Safari|Edg|OPR|Firefox|Version|AppleWebKit)/"
)
_LONGEST_VERSION: Final = 16
_FOUR: Final = r"(?<![\w.])([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?!\w|\.\w)"
_V4: Final = re.compile(rf"({_VERSION})?{_FOUR}", re.IGNORECASE)
_V4_HEAD: Final = re.compile(r"[0-9](?<![\w.][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}")

_HOST: Final = re.compile(r"\b(ip-)(\d{1,3}(?:-\d{1,3}){3})(?![\w-])", re.IGNORECASE)

_V6: Final = re.compile(
    r"""(?<![\w:.])
    (?:[0-9A-Fa-f]{0,4}:){2,7}
    (?:[0-9]{1,3}(?:\.[0-9]{1,3}){3} | [0-9A-Fa-f]{0,4})
    (?!\w|:[\w:])""",
    re.VERBOSE,
)


_SHORTEST_LONG_GROUP: Final = 3


def _v4(match: re.Match[str], mark: Mark) -> str:
    if match[1] or not _is_address(match[2]):
        return match[0]
    return mark(match[2])


def _v6(match: re.Match[str], mark: Mark) -> str:
    text = match[0]
    tail = ""
    if text.endswith(":") and not text.endswith("::"):
        text, tail = text[:-1], ":"  # "fe80::1: unreachable"
    if not any(character.isdigit() for character in text) or _is_slice(text) or not _is_address(text):
        return match[0]
    return mark(text) + tail


def _host(match: re.Match[str], mark: Mark) -> str:
    address = match[2].replace("-", ".")
    return match[1] + mark(address) if _is_address(address) else match[0]


def _is_slice(text: str) -> bool:
    """Tell whether it is more likely a slice or a ratio (1::2, 3::10) than an address, which has longer groups."""
    return not text.startswith("::") and all(len(group) < _SHORTEST_LONG_GROUP for group in text.split(":"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_COLONS: Final = re.compile(r":[0-9A-Fa-f]{0,4}:")

RULES: Final = (
    Rule("ip", _V6, _v6, needs=DIGIT | SIGN, gate=_COLONS),
    Rule(
        *("ip", _V4, _v4),
        needs=DIGIT,
        head=_V4_HEAD,
        before=WordsBefore(_VERSION, _LONGEST_VERSION, flags=re.IGNORECASE, is_optional=True),
    ),
    Rule("ip", _HOST, _host, needs=DIGIT, hints=("ip-",)),
)
