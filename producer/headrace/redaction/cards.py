"""Payment cards: 13 to 19 digits, in groups of at least two, with an issuer's prefix and Luhn's check digit.

Behind a word such as "card", 12 to 19 digits with a check digit are one, too. A run of digits may hold more than the
card ("order 123 4111 1111 1111 1111"), so every window of whole groups counts.
"""

import re
from typing import Final

from headrace.redaction.rule import NUMBER, Mark, Rule, WordsBefore
from headrace.redaction.wide import wide_rule

__all__ = ["RULES", "is_card"]

_LENGTHS: Final = range(13, 20)
_SEPARATOR: Final = r"[ \u00a0\-\u2010-\u2014._]"

_UUID: Final = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_RUN: Final = re.compile(
    rf"""(?<![0-9A-Za-z]) (?:
        (?P<other>{_UUID})          # it may be all digits
      | (?<!\d\.)[0-9]{{3,}}+(?:{_SEPARATOR}{{1,2}}[0-9]{{2,}}+)*+(?![0-9A-Za-z])
    )""",
    re.VERBOSE,
)

_ISSUED: Final = re.compile(
    r"""4(?:\d{12}|\d{15}|\d{18})                                                     # Visa
      | 5[1-5]\d{14} | 2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}             # Mastercard
      | 3[47]\d{13}                                                                  # American Express
      | 3(?:0[0-5]\d|[689]\d\d)\d{10,15}                                            # Diners Club
      | 35(?:2[89]|[3-8]\d)\d{12,15}                                                # JCB
      | 6(?:011|4[4-9]\d|5\d\d)\d{12,15} | 62\d{14,17}                              # Discover, UnionPay
      | (?:2131|1800)\d{11} | (?:50(?:18|19|20|38)|6304|6759|676[1-3])\d{9,15}        # JCB, Maestro, Dankort
      | 220[0-4]\d{12,15}                                                            # Mir""",
    re.VERBOSE | re.ASCII,
)
_FIRST_DIGITS: Final = frozenset("123456")
"""Of any issuer."""

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_card(digits: str) -> bool:
    """Tell whether a string of digits is a card number: an issuer's prefix and length, and Luhn's check digit."""
    return _ISSUED.fullmatch(digits) is not None and _has_check_digit(digits)


def _has_check_digit(digits: str) -> bool:
    """Tell whether the last digit is Luhn's."""
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def _cards(match: re.Match[str], mark: Mark) -> str:
    run = match[0]
    if match["other"] or len(run) < _LENGTHS.start:
        return run
    groups = [(group.start(), group.end()) for group in re.finditer(r"[0-9]+", run)]
    written: list[str] = []
    kept = first = 0
    while first < len(groups):
        last = _last_group_of_card(run, groups, first)
        if last is None:
            first += 1
            continue
        start, end = groups[first][0], groups[last][1]
        written += (run[kept:start], mark(run[start:end]))
        kept = end
        first = last + 1
    return "".join(written) + run[kept:]


def _last_group_of_card(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    if run[groups[first][0]] not in _FIRST_DIGITS:
        return None
    digits = ""
    for last in range(first, min(first + 6, len(groups))):
        start, end = groups[last]
        if len(digits) + end - start >= _LENGTHS.stop:
            return None
        digits += run[start:end]
        if is_card(digits):
            return last
    return None


_THIRTEEN_DIGITS: Final = rf"[0-9](?<![0-9A-Za-z][0-9])(?:{_SEPARATOR}{{0,2}}[0-9]){{12}}"
_HEAD: Final = re.compile(rf"(?<![0-9A-Za-z])(?:{_UUID}|(?<!\d\.){_THIRTEEN_DIGITS})")

_RUNS: Final = Rule("card", _RUN, _cards, needs=NUMBER, gate=re.compile(_THIRTEEN_DIGITS), head=_HEAD)

_NAME: Final = (
    r"(?<![A-Za-z])(?:card|visa|mastercard|maestro|amex|kreditkarte|carte|tarjeta)"
    r"(?:\s(?:number|nummer|no|nr))?\.?[\s:#]{1,3}"
)
_LONGEST_NAME: Final = 24
_NAMED: Final = re.compile(rf"({_NAME})([0-9](?:{_SEPARATOR}{{0,2}}[0-9]){{11,18}})(?![0-9A-Za-z])", re.IGNORECASE)
_TWELVE_DIGITS: Final = re.compile(rf"[0-9](?<=[\s:#.][0-9])(?:{_SEPARATOR}{{0,2}}[0-9]){{11}}")


def _named(match: re.Match[str], mark: Mark) -> str:
    # Behind its name a card needs no issuer's prefix: there are more than anybody lists.
    if not _has_check_digit(re.sub("[^0-9]", "", match[2])):
        return match[0]
    return match[1] + mark(match[2])


RULES: Final = (
    wide_rule("card", [_RUNS]),
    _RUNS,
    Rule(
        *("card", _NAMED, _named),
        needs=NUMBER,
        hints=("card", "visa", "maestro", "amex", "kreditkarte", "carte", "tarjeta"),
        head=_TWELVE_DIGITS,
        before=WordsBefore(_NAME, _LONGEST_NAME, flags=re.IGNORECASE),
    ),
)
