"""E-mail addresses and phone numbers.

Phone numbers are found by their form: `+` and a country code, `00` and a country code, North American 3-3-4, national
numbers with a trunk 0 and at least one separator, and bare digits after a word such as "phone". Bare digits without
such a word are left alone: most are identifiers. So are dates, times, UUIDs and dotted versions.
"""

import re
from typing import Final

from headrace.redaction.rule import MARKERS, Rule

__all__ = ["RULES"]

_EMAIL: Final = re.compile(
    r"""(?<![\w.+\-])[\w.+\-]++            # possessive, and only from where a run begins: linear
    (?:@|%40)
    (?!\dx\.(?:png|jpe?g|gif|webp|svg))    # icon@2x.png
    (?:[\w\-]{1,63}\.){1,8}(?:xn--[\w\-]{2,59}|[^\W\d_]{2,24})""",
    re.VERBOSE | re.IGNORECASE,
)

_NOT_PHONE: Final = r"""
    (?P<other>
        [0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}                                    # UUID
      | \d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?    # 2025-11-04 12:00:00
      | \d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?!\d)(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?                    # 04.11.2025 12:00
    )"""

_PHONE: Final = re.compile(
    rf"""(?<![\w.+/\-]) (?:{_NOT_PHONE}
      | (?P<international>\+\d(?:[\ .\-/()\u00a0]{{0,2}}\d){{7,14}}(?!\d))
      | (?P<american>(?:1[ .-])?(?:\([2-9]\d\d\)\ ?|[2-9]\d\d[\ .\-])[2-9]\d\d[\ .\-]\d{{4}}(?![\w\-]))
      | (?P<pairs>0[1-9](?P<between>[\ .\-])\d\d(?:(?P=between)\d\d){{3}}(?![\w\-])(?!(?P=between)\d))
      | (?P<trunk>\(?00?[1-9]\d{{0,4}}\)?(?:[\ /\-]\d{{2,10}}){{1,5}}(?![\-:.,]\d)(?!\w))
    )""",
    re.VERBOSE,
)
_LEAST_DIGITS: Final = 9
_MOST_DIGITS: Final = 15
_SHORTEST_LONG_GROUP: Final = 3

_NAMED: Final = re.compile(
    r"\b((?:tele)?(?:phone|tel|fax|mobile|cell|whatsapp)(?:\s?(?:number|no|nr|is|was)){0,2}[\s.:=#\"']{1,4})\d{7,15}(?!\w)",
    re.IGNORECASE,
)

_MARKER: Final = MARKERS["phone"]


def _email(match: re.Match[str]) -> str:  # noqa: ARG001  # the signature of all replacements
    return MARKERS["email"]


def _phone(match: re.Match[str]) -> str:
    if match["other"]:
        return match[0]
    if match["trunk"]:
        return _national(match["trunk"])
    return _MARKER


def _national(text: str) -> str:
    """Replace the longest beginning of whole groups that has a phone number's count of digits."""
    groups = list(re.finditer(r"\d+", text))
    while groups and sum(len(group[0]) for group in groups) > _MOST_DIGITS:
        groups.pop()
    if sum(len(group[0]) for group in groups) < _LEAST_DIGITS:
        return text
    if all(len(group[0]) < _SHORTEST_LONG_GROUP for group in groups):  # a list of small numbers
        return text
    return _MARKER + text[groups[-1].end() :]


def _named(match: re.Match[str]) -> str:
    return match[1] + _MARKER


_SEVEN_DIGITS: Final = re.compile(r"\d(?:[^\w\n]{0,3}\d){6}")
_NAMES: Final = ("phone", "tel", "fax", "mobile", "cell", "whatsapp")

EMAIL_RULES: Final = (Rule("email", _EMAIL, _email, hints=("@", "%40")),)
PHONE_RULES: Final = (
    Rule("phone", _PHONE, _phone, gate=_SEVEN_DIGITS),
    Rule("phone", _NAMED, _named, hints=_NAMES, gate=_SEVEN_DIGITS),
)
RULES: Final = EMAIL_RULES + PHONE_RULES
