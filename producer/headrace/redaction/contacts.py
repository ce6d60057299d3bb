"""E-mail addresses and phone numbers.

Phone numbers are found by their form: `+` and a country code, `00` and a country code, North American 3-3-4, national
numbers with a trunk 0 and at least one separator, an area code in parentheses, and digits after a word such as "phone".
Bare digits without such a word are left alone: most are identifiers. So are dates, times, UUIDs and dotted versions.
"""

import re
from typing import Final

from headrace.redaction.rule import NUMBER, Mark, Rule, RunBefore, WordsBefore

__all__ = ["RULES"]

_AT_DOMAIN: Final = r"""
    (?:@|%40|\ ?[(\[]at[)\]]\ ?)
    (?!\dx\.(?:png|jpe?g|gif|webp|svg))    # icon@2x.png
    (?:[\w\-]{1,63}\.){1,8}(?:xn--[\w\-]{2,59}|[^\W\d_]{2,24})"""
_LOCAL: Final = r"[\w.+\-]"
_EMAIL: Final = re.compile(  # possessive, and only from where a run begins: linear
    rf"(?<!{_LOCAL}){_LOCAL}++{_AT_DOMAIN}", re.VERBOSE | re.IGNORECASE
)

_NOT_PHONE: Final = r"""
    (?P<other>
        [0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}                                    # UUID
      | \d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?    # 2025-11-04 12:00:00
      | \d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?!\d)(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?                    # 04.11.2025 12:00
    )"""

_EXTENSION: Final = r"(?:\ ?(?:x|ext\.?)\ ?\d{1,6}(?!\w))?"

_PHONE: Final = re.compile(
    rf"""(?<![\w.+/\-]) (?:{_NOT_PHONE}
      | (?P<international>\+\d(?:[\ .\-/()\u00a0]{{0,2}}\d){{7,14}}(?!\d){_EXTENSION})
      | (?P<american>(?:1[ .-])?(?:\([2-9]\d\d\)\ ?|[2-9]\d\d[\ .\-])[2-9]\d\d[\ .\-]\d{{4}}
          (?!(?!x\d)[\w\-]){_EXTENSION})
      | (?P<area>(?:8\ ?)?\(\d{{2,4}}\)[\ \-]?\d{{3,5}}(?:[\ \-]?\d{{4}}|-\d\d-\d\d)(?![\w\-]))
      | (?P<pairs>0[1-9](?P<between>[\ .\-])\d\d(?:(?P=between)\d\d){{3}}(?![\w\-])(?!(?P=between)\d))
      | (?P<trunk>\(?00?[1-9]\d{{0,4}}\)?(?:[\ /\-]\d{{2,10}}){{1,5}}(?![\-:.,]\d)(?!(?!x\d)\w){_EXTENSION})
    )""",
    re.VERBOSE,
)
_LEAST_DIGITS: Final = 9
_MOST_DIGITS: Final = 15
_SHORTEST_LONG_GROUP: Final = 3

_PHONE_HEAD: Final = re.compile(r"[\d+(](?<![\w.+/\-][\d+(])(?:[ .\-/()\u00a0]{0,3}\d){6}")

_NAME: Final = r"""(?<![A-Za-z])(?:
          (?:tele)?(?:phone|fon|fono|foon)|teléfono|tel|fax|mobile?|m[óo]vil|celular|cell|whatsapp|handy
          |(?:my|his|her|your|our)\ number|numéro
          |(?:call|text|ring|reach|phone)\ (?:me|us|him|her))
        (?:\s?(?:nummer|number|no|nr|is|was|ist|me)){0,2}(?:\s(?:at|on))?[\s.:=#"']{1,4}"""
_LONGEST_NAME: Final = 50
_NAMED: Final = re.compile(
    rf"""({_NAME})
    (\+?\(?\d(?:[\ .\-/()]{{0,2}}\d){{6,14}}{_EXTENSION})(?![\w\-]|[.:]\d)""",
    re.VERBOSE | re.IGNORECASE,
)
_NAMED_HEAD: Final = re.compile(r"""[\d+(](?<=[\s.:=#"'][\d+(])(?:[ .\-/()]{0,2}\d){6}""")


def _email(match: re.Match[str], mark: Mark) -> str:
    if match[0].lower().startswith("git@") and match.string[match.end() : match.end() + 1] == ":":
        return match[0]  # the address of a repository
    return mark(match[0])


def _phone(match: re.Match[str], mark: Mark) -> str:
    if match["other"]:
        return match[0]
    if match["trunk"]:
        return _national(match["trunk"], mark)
    return mark(match[0])


def _national(text: str, mark: Mark) -> str:
    """Replace the longest beginning of whole groups that has a phone number's count of digits."""
    groups = list(re.finditer(r"\d+", text))
    while groups and sum(len(group[0]) for group in groups) > _MOST_DIGITS:
        groups.pop()
    if sum(len(group[0]) for group in groups) < _LEAST_DIGITS:
        return text
    if all(len(group[0]) < _SHORTEST_LONG_GROUP for group in groups):  # a list of small numbers
        return text
    end = groups[-1].end()
    return mark(text[:end]) + text[end:]


def _named(match: re.Match[str], mark: Mark) -> str:
    return match[1] + mark(match[2])


_NAMES: Final = (
    *("phone", "fon", "foon", "tel", "fax", "mobil", "móvil", "movil", "celular", "cell", "whatsapp", "handy"),
    *("my number", "his number", "her number", "your number", "our number", "numéro"),
    *(f"{verb} {whom}" for verb in ("call", "text", "ring", "reach") for whom in ("me", "us", "him", "her")),
)

EMAIL_RULES: Final = (
    Rule(
        *("email", _EMAIL, _email),
        hints=("@", "%40", "(at", "[at"),
        head=re.compile(_AT_DOMAIN, re.VERBOSE | re.IGNORECASE),  # far fewer than words
        before=RunBefore(_LOCAL),
    ),
)
PHONE_RULES: Final = (
    Rule("phone", _PHONE, _phone, needs=NUMBER, head=_PHONE_HEAD),
    Rule(
        *("phone", _NAMED, _named),
        needs=NUMBER,
        hints=_NAMES,
        head=_NAMED_HEAD,
        before=WordsBefore(_NAME, _LONGEST_NAME, flags=re.VERBOSE | re.IGNORECASE),
    ),
)
RULES: Final = EMAIL_RULES + PHONE_RULES
