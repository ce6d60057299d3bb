"""What a redaction rule is: a pattern that finds candidates, and a callable that decides on each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["MARKERS", "Mark", "Rule"]

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

Mark: TypeAlias = Callable[[str], str]
"""Given what was found, counts it and returns what is written in its place."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for.

    Attributes:
        kind: a key of MARKERS.
        pattern: finds candidates.
        replace: returns what to write for a candidate: itself, or text in which `mark` has replaced what was found.
        hints: a text without any of these, in lower case, cannot match; none: any text may.
        gate: a text in which this cheap pattern finds nothing cannot match.

    Hints and gates only save time: most texts hold nothing, and the rules run beside the host's own threads.
    """

    kind: str
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str], Mark], str]
    hints: tuple[str, ...] = ()
    gate: re.Pattern[str] | None = None

    def may_match(self, text: str, lowered: str) -> bool:
        """Tell whether the pattern is worth trying; `lowered` is the text in lower case."""
        if self.hints and not any(hint in lowered for hint in self.hints):
            return False
        return self.gate is None or self.gate.search(text) is not None

    def apply(self, text: str, mark: Mark) -> str:
        """Return the text with every match replaced."""
        return self.pattern.sub(lambda match: self.replace(match, mark), text)
