"""Bank accounts: IBANs (ISO 13616), by their country's length and their check digits (ISO 7064, mod 97-10).

Written as one word, in groups of any size with single blanks, or in groups of four with hyphens or dots: those in
other places belong to UUIDs and versions.
"""

import re
from typing import Final

from headrace.redaction.rule import DIGIT, Mark, Rule, WordsBefore

__all__ = ["RULES", "is_iban"]

_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG YE",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country, from SWIFT's registry."""

_COUNTRIES: Final = "|".join(sorted(_LENGTHS))
_BLANK: Final = r"[ \u00a0\u202f]"

_HEAD: Final = rf"{_BLANK}?[0-9]{{2}}[-.\u00a0\u202f\ ]?(?:[A-Z][-.\u00a0\u202f\ ]?){{0,4}}[0-9]"
"""Check digits, and what a bank's code begins with: at most four letters."""

_IBAN: Final = re.compile(
    rf"""(?<![A-Za-z0-9])(?=[A-Z]{{2}}{_HEAD}) (?:{_COUNTRIES}) (?:
        [0-9]{{2}}(?P<between>[-.])[A-Z0-9]{{4}}(?:(?P=between)[A-Z0-9]{{4}}){{1,6}}(?:(?P=between)[A-Z0-9]{{1,4}})?
      | {_BLANK}?[0-9]{{2}}(?:{_BLANK}?[A-Z0-9]){{11,29}}
    )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_NO_DIGIT_OR_LETTER: Final = re.compile(r"[^A-Za-z0-9]")
_LARGEST_REMAINDER_BASE: Final = 97


def is_iban(text: str) -> bool:
    """Tell whether letters and digits, without separators, are an IBAN."""
    if len(text) != _LENGTHS.get(text[:2].upper()) or not text.isascii() or not text.isalnum():
        return False
    number = "".join(str(int(character, 36)) for character in text[4:] + text[:4])
    return int(number) % _LARGEST_REMAINDER_BASE == 1


def _iban(match: re.Match[str], mark: Mark) -> str:
    # The pattern takes what follows, too ("DE89 ... 00 AND"): only the country's length counts, if a word ends there.
    text = match[0]
    end = _end_of(text, _LENGTHS[text[:2].upper()])
    if end is None:
        return text
    after = text[end : end + 1] or match.string[match.end() : match.end() + 1]
    found = _NO_DIGIT_OR_LETTER.sub("", text[:end])
    if after.isalnum() or not is_iban(found):
        return text
    return mark(found.upper()) + text[end:]


def _end_of(text: str, characters: int) -> int | None:
    """Return the index behind so many letters and digits."""
    for index, character in enumerate(text):
        characters -= character.isalnum()
        if not characters:
            return index + 1
    return None


_HEAD_BEHIND_COUNTRY: Final = re.compile(  # from a digit on, for most texts have few
    r"[0-9](?<=[A-Za-z \u00a0\u202f][0-9])"
    r"(?:(?<=[A-Za-z]{2}[0-9])|(?<=[A-Za-z]{2}[ \u00a0\u202f][0-9]))[0-9][-.\u00a0\u202f ]?"
    r"(?:[A-Za-z][-.\u00a0\u202f ]?){0,4}[0-9]"
)

RULES: Final = (
    Rule(
        *("iban", _IBAN, _iban),
        needs=DIGIT,
        head=_HEAD_BEHIND_COUNTRY,
        before=WordsBefore(rf"[A-Za-z]{{2}}{_BLANK}?", 3),
    ),
)
