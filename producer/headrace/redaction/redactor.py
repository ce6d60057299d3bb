"""Applies the rules to JSON values and counts what they replaced."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from headrace.redaction import accounts, addresses, cards, credentials, emails, phones, private_keys
from headrace.redaction.pseudonyms import PSEUDONYMOUS, Pseudonyms
from headrace.redaction.rule import MARKERS, SIGN, Rule, traits_of
from headrace.redaction.tree import told_apart
from headrace.redaction.windows import SIZE, Windows

__all__ = ["MARKERS", "Redactor"]

_RULES: Final[tuple[Rule, ...]] = (
    *private_keys.RULES,
    *credentials.RULES,
    *emails.RULES,
    *accounts.RULES,
    *cards.RULES,
    *addresses.RULES,
    *phones.RULES,
)
_GENERATION: Final = 3
"""Counts changes in what rules decide that their patterns do not show; part of the version."""

_MAX_PASSES: Final = 8
_SHORT: Final = 40
_REMEMBERED: Final = 4096
"""So many short texts without a find are remembered: names of fields, roles, labels come in every record."""

_HIDDEN: Final = (MARKERS["secret"], MARKERS["private_key"])


class Redactor:
    """Replaces personal data and secrets in JSON values.

    Args:
        kinds: which of MARKERS' keys to look for; none switches redaction off.
        pseudonyms: makes `[EMAIL:...]` of what it can, in place of `[EMAIL]`.
        window: in a longer text, so many characters are looked through at a time.

    Attributes:
        version: names the active rule set: the same rules have the same version in every process and release.
    """

    def __init__(
        self, kinds: Iterable[str] = tuple(MARKERS), pseudonyms: Pseudonyms | None = None, *, window: int = SIZE
    ) -> None:
        self._window = window
        self._kinds = frozenset(kinds)
        self._pseudonyms = pseudonyms
        self._rules = tuple(rule for rule in _RULES if rule.kind in self._kinds)
        described = "\n".join(f"{rule.kind} {rule.pattern.flags} {rule.pattern.pattern}" for rule in self._rules)
        # By what a text has; a replacement that adds something is looked at in the next pass.
        self._rules_for = tuple(
            tuple(rule for rule in self._rules if not rule.needs & ~traits) for traits in range(2 * SIGN)
        )
        self._clean: set[str] = set()
        digest = hashlib.sha256(f"{_GENERATION}\n{described}".encode()).hexdigest()
        self.version = f"{_GENERATION}-{digest[:8]}" if self._rules else "off"

    def text(self, text: str, counts: Counter[str] | None = None) -> str:
        """Return the text with every match replaced; `counts` is increased by kind.

        A replacement changes what its neighbours stand beside, so the rules run until nothing changes.
        """
        if type(text) is str and text in self._clean:  # a subclass may be equal to whatever it likes
            return text
        redact = self._once if len(text) <= self._window else self._once_in_windows
        for passed in range(_MAX_PASSES):
            before = text
            text = redact(text, counts)
            if text == before:
                if not passed and len(text) <= _SHORT and type(text) is str:
                    self._remember(text)
                break
        return text

    def _once(self, text: str, counts: Counter[str] | None) -> str:
        lowered = text.lower()
        for rule in self._rules_for[traits_of(text)]:
            if rule.may_match(text, lowered):
                replaced = rule.apply(text, partial(self._mark, rule.kind, counts))
                if replaced != text:
                    text, lowered = replaced, replaced.lower()
        return text

    def _once_in_windows(self, text: str, counts: Counter[str] | None) -> str:
        windows = Windows(text, self._window)
        for rule in self._rules:
            replaced = rule.apply_in(text, windows.worth(rule), partial(self._mark, rule.kind, counts))
            if replaced is not text:
                text, windows = replaced, Windows(replaced, self._window)
        return text

    def _remember(self, text: str) -> None:
        if len(self._clean) >= _REMEMBERED:
            self._clean.clear()
        self._clean.add(text)

    def value(self, value: Any, counts: Counter[str]) -> Any:
        """Return a copy of a JSON value, redacted: strings, keys of mappings, and numbers that are card numbers.

        Keys that become equal are told apart by `#2`, `#3`, ... in the order of the originals, so the result does not
        depend on the mapping's order.
        """
        if isinstance(value, str):
            return self.text(value, counts)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return self._number(value, counts)
        if isinstance(value, list | tuple):
            return [self.value(item, counts) for item in value]
        if isinstance(value, Mapping):
            return self._mapping(value, counts)
        return value

    def _number(self, value: float, counts: Counter[str]) -> Any:
        # Canonical JSON writes 4111111111111111.0 without a fraction: a float may be a card number too.
        if "card" not in self._kinds or (isinstance(value, float) and not value.is_integer()):
            return value
        if 10**12 <= value < 10**19 and cards.is_card(str(int(value))):
            return self._mark("card", counts, str(int(value)))
        return value

    def _mapping(self, mapping: Mapping[Any, Any], counts: Counter[str]) -> dict[Any, Any]:
        keys = told_apart({key: self._key(key, counts) for key in mapping})
        return {keys[key]: self._member(key, item, mapping, counts) for key, item in mapping.items()}

    def _key(self, key: Any, counts: Counter[str]) -> Any:
        if isinstance(key, tuple):
            return tuple(self._key(part, counts) for part in key)
        return self.value(key, counts)

    def _member(self, key: Any, item: Any, mapping: Mapping[Any, Any], counts: Counter[str]) -> Any:
        if "secret" in self._kinds and isinstance(key, str) and credentials.is_secret_name(key):
            return self._hidden(item, "secret", counts)
        if "private_key" in self._kinds and "kty" in mapping and private_keys.is_private_jwk_member(key, mapping):
            return self._hidden(item, "private_key", counts)
        return self.value(item, counts)

    def _hidden(self, value: Any, kind: str, counts: Counter[str]) -> Any:
        """Return the value with every text and number in it replaced."""
        if value is None or isinstance(value, bool) or value in ("", *_HIDDEN):
            return value
        if isinstance(value, list | tuple):
            return [self._hidden(item, kind, counts) for item in value]
        if isinstance(value, Mapping):
            return {key: self._hidden(item, kind, counts) for key, item in self._mapping(value, counts).items()}
        return self._mark(kind, counts, "")

    def _mark(self, kind: str, counts: Counter[str] | None, found: str) -> str:
        if counts is not None:
            counts[kind] += 1
        if self._pseudonyms is None or kind not in PSEUDONYMOUS:
            return MARKERS[kind]
        return f"{MARKERS[kind][:-1]}:{self._pseudonyms.of(kind, found)}]"
