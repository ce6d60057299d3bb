"""IP addresses, version 4 and 6, as `ipaddress` understands them.

Four numbers with dots may be a version: they are one after a `v` or a word such as "version", and an address
otherwise, since a version left out of a dataset costs less than an address left in it. Times (12:30:45), MAC addresses
and scopes (std::vector) are no addresses; nor is `a::b` without any digit.
"""

import ipaddress
import re
from typing import Final

from headrace.redaction.rule import MARKERS, Rule

__all__ = ["RULES"]

_MARKER: Final = MARKERS["ip"]

_V4: Final = re.compile(
    r"(\b(?:version|ver|release|build)[\s.:=]{1,3})?(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?!\w|\.\w)", re.IGNORECASE
)

_V6: Final = re.compile(
    r"""(?<![\w:.])
    (?:[0-9A-Fa-f]{0,4}:){2,7}
    (?:[0-9]{1,3}(?:\.[0-9]{1,3}){3} | [0-9A-Fa-f]{0,4})
    (?![\w:])""",
    re.VERBOSE,
)


def _v4(match: re.Match[str]) -> str:
    if match[1] or not _is_address(match[2]):
        return match[0]
    return _MARKER


def _v6(match: re.Match[str]) -> str:
    text = match[0]
    tail = ""
    if text.endswith(":") and not text.endswith("::"):
        text, tail = text[:-1], ":"  # "fe80::1: unreachable"
    if not any(character.isdigit() for character in text) or not _is_address(text):
        return match[0]
    return _MARKER + tail


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_DOTTED: Final = re.compile(r"\d\.\d{1,3}\.\d")
_COLONS: Final = re.compile(r":[0-9A-Fa-f]{0,4}:")

RULES: Final = (Rule("ip", _V6, _v6, hints=(":",), gate=_COLONS), Rule("ip", _V4, _v4, gate=_DOTTED))
