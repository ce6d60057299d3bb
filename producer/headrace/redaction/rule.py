"""What a redaction rule is: a pattern that finds candidates, and a callable that decides on each.

Most texts hold nothing, and the rules run beside the host's own threads. So a rule says what a text must have before
its pattern is worth trying, in the order of what it costs to see: traits (seen once for all rules), hints, a gate, a
head.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

__all__ = ["DIGIT", "MARKERS", "NUMBER", "SIGN", "Before", "Mark", "Rule", "WordsBefore", "traits_of"]

MARKERS: Final = {
    "private_key": "[PRIVATE_KEY]",
    "secret": "[SECRET]",
    "email": "[EMAIL]",
    "iban": "[IBAN]",
    "card": "[CARD]",
    "ip": "[IP]",
    "phone": "[PHONE]",
}
"""Kind -> what stands in the place of a match, in the order in which the kinds are applied.

The order matters: a password in a URL looks like the local part of an e-mail address, a card like a phone number, the
digits of an IBAN like either.
"""

DIGIT: Final = 1
NUMBER: Final = 2
"""Seven digits, with at most three separators between any two."""

SIGN: Final = 4
"""A colon or an equals sign."""

_SEVEN: Final = r"{0}(?<!{0}{0})(?:(?:[^\w\n]|_){{0,3}}{0}){{6}}"
_DIGIT: Final = re.compile(r"\d")
_NUMBER: Final = re.compile(_SEVEN.format(r"\d"))
_ASCII_DIGIT: Final = re.compile("[0-9]")
_ASCII_NUMBER: Final = re.compile(_SEVEN.format("[0-9]"))
"""The same in a text of ASCII, where they are found five times as fast."""

Mark: TypeAlias = Callable[[str], str]
"""Given what was found, counts it and returns what is written in its place."""


def traits_of(text: str) -> int:
    """Return which of DIGIT, NUMBER and SIGN a text has."""
    traits = SIGN if ":" in text or "=" in text else 0
    digit, number = (_ASCII_DIGIT, _ASCII_NUMBER) if text.isascii() else (_DIGIT, _NUMBER)
    first = digit.search(text)
    if first is not None:
        traits |= DIGIT
        if number.search(text, first.start()) is not None:
            traits |= NUMBER
    return traits


class Before(Protocol):
    """What a match has before its head."""

    def start(self, text: str, kept: int, head: int) -> int | None:
        """Return where a match with this head begins, `kept` at the earliest; None: nowhere."""


class WordsBefore:
    """Certain words, and what joins them to the head.

    Args:
        pattern: both; it ends where the head begins.
        width: how many characters it has at most.
        endings: in lower case, one of these is the words' end, but for blanks, quotes and backslashes behind it; none:
            their end may be any.
        flags: of the pattern.
        is_optional: whether a match may do without.

    Attributes:
        pattern: finds them.
        width: see above.
    """

    def __init__(
        self, pattern: str, width: int, *, endings: tuple[str, ...] = (), flags: int = 0, is_optional: bool = False
    ) -> None:
        self.pattern = re.compile(rf"(?:{pattern})\Z", flags)
        self.width = width
        self._endings = endings
        self._is_optional = is_optional

    def start(self, text: str, kept: int, head: int) -> int | None:
        """Return where the words begin."""
        at = max(kept, head - self.width)
        if not self._endings or text[at:head].rstrip().rstrip("\"'\\").lower().endswith(self._endings):
            found = self.pattern.search(text, at, head)
            if found is not None:
                return found.start()
        return head if self._is_optional else None


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for.

    Attributes:
        kind: a key of MARKERS.
        pattern: finds candidates.
        replace: returns what to write for a candidate: itself, or text in which `mark` has replaced what was found.
        needs: the traits without which no text can match.
        hints: a text without any of these cannot match; none: any text may.
        is_cased: whether the hints stand in the text itself, rather than in its lower case.
        gate: a text in which this cheap pattern finds nothing cannot match.
        head: finds a part that every match has, quickly, and looks at no more than `windows.OVERLAP` characters for it;
            None: the pattern itself is as short-sighted.
        before: what a match has before its head; None: it begins with the head.
    """

    kind: str
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str], Mark], str]
    needs: int = 0
    hints: tuple[str, ...] = ()
    is_cased: bool = False
    gate: re.Pattern[str] | None = None
    head: re.Pattern[str] | None = None
    before: Before | None = None

    def may_match(self, text: str, lowered: str) -> bool:
        """Tell whether the pattern is worth trying on a text that has the traits; `lowered` is its lower case."""
        if self.hints:
            where = text if self.is_cased else lowered
            for hint in self.hints:  # a loop: `any` over a generator takes three times as long
                if hint in where:
                    break
            else:
                return False
        return self.gate is None or self.gate.search(text) is not None

    def apply(self, text: str, mark: Mark) -> str:
        """Return the text with every match replaced."""
        if self.head is None:
            return self.pattern.sub(lambda match: self.replace(match, mark), text)
        return self.apply_in(text, [(0, len(text), len(text))], mark)

    def apply_in(self, text: str, windows: Iterable[tuple[int, int, int]], mark: Mark) -> str:
        """Return the text with every match replaced whose head begins in one of the windows.

        Args:
            text: all of it.
            windows: in order: of each the start, the end, and how far a head that begins in it may look.
            mark: see above.
        """
        written: list[str] = []
        kept = 0
        for start, end, horizon in windows:
            at = max(start, kept)
            while at < end and (match := self._next(text, at, end, horizon, kept)) is not None:
                written += (text[kept : match.start()], self.replace(match, mark))
                kept = at = match.end()
        return "".join(written) + text[kept:] if written else text

    def _next(self, text: str, at: int, end: int, horizon: int, kept: int) -> re.Match[str] | None:
        if self.head is None:
            found = self.pattern.search(text, at, horizon)
            return found if found is not None and found.start() < end else None
        while at < end and (found := self.head.search(text, at, horizon)) is not None and found.start() < end:
            start = found.start() if self.before is None else self.before.start(text, kept, found.start())
            if start is not None:
                match = self.pattern.match(text, start)  # on the whole text: however long it is
                if match is not None:
                    return match
            at = found.start() + 1
        return None
