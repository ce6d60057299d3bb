"""What a redaction rule is: a pattern that finds candidates, and a callable that decides on each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["MARKERS", "Rule"]

MARKERS: Final = {
    "secret": "[SECRET]",
    "email": "[EMAIL]",
    "card": "[CARD]",
    "ip": "[IP]",
    "phone": "[PHONE]",
}
"""Kind -> what stands in the place of a match, in the order in which the kinds are applied.

The order matters: a password in a URL looks like the local part of an e-mail address, a card like a phone number.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for.

    Attributes:
        kind: a key of MARKERS.
        pattern: finds candidates.
        replace: returns what to write for a candidate: itself, or text with the kind's marker in it.
        hint: a text without this substring cannot match, so the pattern is not tried; None: always try.
    """

    kind: str
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str]
    hint: str | None = None

    def apply(self, text: str) -> str:
        """Return the text with every match replaced."""
        if self.hint is not None and self.hint not in text:
            return text
        return self.pattern.sub(self.replace, text)
