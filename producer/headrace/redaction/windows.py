"""Rules on a text of megabytes, a window at a time.

    [....window 0....][....window 1....][..
    [..........horizon 0..........]         a head that begins in window 0 is decided within its horizon

One search of `re` holds the interpreter's lock for as long as it takes, a second on 10 MB: all of the host's threads
would wait for it. Between windows Python lets them run. What is found is the same as without windows: a match belongs
to the window in which its head begins, the horizon is wider than any head, and from its head on a match is followed
through the whole text.
"""

from collections.abc import Iterator
from typing import Final

from headrace.redaction.rule import Rule, traits_of

__all__ = ["BEHIND", "OVERLAP", "SIZE", "Windows"]

SIZE: Final = 65_536
"""Characters of a window: a few milliseconds of the slowest rule."""

OVERLAP: Final = 8_192
"""More characters than any head looks at."""

BEHIND: Final = 64
"""As many characters as words before a head may have: what a text must have is looked for in them, too."""


class Windows:
    """The windows of one text.

    Args:
        text: the text.
        size: of a window, in characters.
        overlap: how far the horizon is behind a window's end.
    """

    def __init__(self, text: str, size: int = SIZE, overlap: int = OVERLAP) -> None:
        self._text = text
        self._windows = [
            (start, min(start + size, len(text)), min(start + size + overlap, len(text)))
            for start in range(0, len(text), size)
        ]
        self._traits = [traits_of(self._part(window)) for window in self._windows]

    def worth(self, rule: Rule) -> Iterator[tuple[int, int, int]]:
        """Yield the windows in which a rule is worth trying."""
        for window, traits in zip(self._windows, self._traits, strict=True):
            if rule.needs & ~traits:
                continue
            part = self._part(window)
            if rule.may_match(part, part.lower() if rule.hints and not rule.is_cased else ""):
                yield window

    def _part(self, window: tuple[int, int, int]) -> str:
        return self._text[max(0, window[0] - BEHIND) : window[2]]
