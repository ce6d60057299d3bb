"""Phone numbers.

They are found by their form: `+` and a country code, `00` and a country code, North American 3-3-4, national numbers
with a trunk 0 and at least one separator, an area code in parentheses; and digits after a word such as "phone" or
"call".
Bare digits without such a word are left alone: most are identifiers. So are dates, times, UUIDs and dotted versions.
"""

import re
from typing import Final

from headrace.redaction.rule import NUMBER, Mark, Rule, WordsBefore
from headrace.redaction.wide import wide_rule

__all__ = ["RULES"]

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
      | (?P<trunk>\(?00?[1-9]\d{{0,4}}\)?(?:[\ /\-]\d{{2,10}}){{1,5}}(?![\-:.,]\d)(?!(?!x\d)\w))
        (?P<extension>{_EXTENSION})
    )""",
    re.VERBOSE,
)
_LEAST_DIGITS: Final = 9
_MOST_DIGITS: Final = 15
_SHORTEST_LONG_GROUP: Final = 3
_LEAST_LOOSE_DIGITS: Final = 8

_PHONE_HEAD: Final = re.compile(r"[\d+(](?<![\w.+/\-][\d+(])(?:[ .\-/()\u00a0]{0,3}\d){6}")

_NAME: Final = r"""(?<![A-Za-z])(?:
          (?:tele)?(?:phone|fon|fono|foon)|teléfono|tel|fax|mobile?|m[óo]vil|celular|cell|whatsapp|handy
          |(?:my|his|her|your|our)\ number|numéro
          |(?:call|text|ring|reach|phone)\ (?:me|us|him|her)|call|dial|ring|sms|(?P<loose>text|reach))
        (?:\s?(?:nummer|number|no|nr|is|was|ist|me)){0,2}(?:\s(?:at|on))?[\s.:=#"']{1,4}"""
_LONGEST_NAME: Final = 50
_NAMED: Final = re.compile(
    rf"""({_NAME})
    (?P<number>\+?\(?\d(?:[\ .\-/()]{{0,2}}\d){{6,14}}{_EXTENSION})(?![\w\-]|[.:]\d)""",
    re.VERBOSE | re.IGNORECASE,
)
_NAMED_HEAD: Final = re.compile(r"""[\d+(](?<=[\s.:=#"'][\d+(])(?:[ .\-/()]{0,2}\d){6}""")


def _phone(match: re.Match[str], mark: Mark) -> str:
    if match["other"]:
        return match[0]
    if match["trunk"]:
        return _national(match["trunk"], match["extension"] or "", mark)
    return mark(match[0])


def _national(text: str, extension: str, mark: Mark) -> str:
    """Replace the longest beginning of whole groups that has a phone number's count of digits, and its extension."""
    groups = list(re.finditer(r"\d+", text))
    while groups and sum(len(group[0]) for group in groups) > _MOST_DIGITS:
        groups.pop()
    if sum(len(group[0]) for group in groups) < _LEAST_DIGITS:
        return text + extension
    if all(len(group[0]) < _SHORTEST_LONG_GROUP for group in groups):  # a list of small numbers
        return text + extension
    end = groups[-1].end()
    if end == len(text):
        return mark(text + extension)
    return mark(text[:end]) + text[end:] + extension


def _named(match: re.Match[str], mark: Mark) -> str:
    digits = sum(character.isdigit() for character in match["number"])
    # "reach 2500000 people", "reach 120 000 000": also amounts come after these words
    if match["loose"] and (digits < _LEAST_LOOSE_DIGITS or match["number"].endswith("000")):
        return match[0]
    return match[1] + mark(match["number"])


_NAMES: Final = (
    *("phone", "fon", "foon", "tel", "fax", "mobil", "móvil", "movil", "celular", "cell", "whatsapp", "handy"),
    *("my number", "his number", "her number", "your number", "our number", "numéro"),
    *("call", "dial", "ring", "sms", "text", "reach"),
)

_FORM: Final = Rule("phone", _PHONE, _phone, needs=NUMBER, head=_PHONE_HEAD)

RULES: Final = (
    wide_rule("phone", [_FORM]),
    _FORM,
    Rule(
        *("phone", _NAMED, _named),
        needs=NUMBER,
        hints=_NAMES,
        head=_NAMED_HEAD,
        before=WordsBefore(_NAME, _LONGEST_NAME, flags=re.VERBOSE | re.IGNORECASE),
    ),
)
