"""What a record's texts go through before they leave, the same for calls and feedback.

    fields withheld -> own redactors -> rules -> (deduplication key, size cap) -> encryption

Whatever fails in it raises, and the record is dropped: nothing leaves that has not been through all of it.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from headrace.config import Config
from headrace.key_material import ProducerKeys
from headrace.redaction import FieldLists, OwnRedactor, OwnRedactors, Pseudonyms, Redactor, subject_pseudonym
from headrace_schemas import envelope

__all__ = ["Protection"]


class Protection:
    """Hides and encrypts; used by one thread.

    Args:
        config: the configuration.
        keys: what it names.
        redactors: the service's own.
        random_bytes: gives so many random bytes.

    Attributes:
        fields: the allow and deny lists.
        version: names the active rules, lists and redactors.
        dedup_key: makes deduplication keys; None where nothing is encrypted.
    """

    def __init__(
        self,
        config: Config,
        keys: ProducerKeys,
        redactors: Iterable[OwnRedactor] = (),
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._keys = keys
        self._random_bytes = random_bytes
        self._own = OwnRedactors(redactors, config.redaction.redactor_timeout_s)
        self._redactor = Redactor(
            config.redaction.kinds, None if keys.pseudonyms is None else Pseudonyms(keys.pseudonyms)
        )
        self.fields = FieldLists(config.redaction)
        self.version = self._redactor.version
        if described := "\n".join(filter(None, (self.fields.description, self._own.description))):
            self.version += f"+{hashlib.sha256(described.encode()).hexdigest()[:8]}"
        self.dedup_key = keys.dedup

    def hidden(self, values: list[Any], counts: Counter[str]) -> list[Any]:
        """Return JSON values and texts without what the redactors and the rules find; `counts` is increased by kind.

        Raises:
            RedactorError: one of the service's own redactors failed or took too long.
        """
        return [self._redactor.value(value, counts) for value in self._own.apply(values)]

    def subject(self, subject_id: str | None) -> str | None:
        """Return what stands for a subject id; the id itself never leaves."""
        return None if subject_id is None else subject_pseudonym(subject_id, self._keys.pseudonyms)

    def sealed_object(self, text: str, record_id: str, field: str) -> str:
        """Return a field that is a JSON object, encrypted where that is configured."""
        if self._keys.write is None:
            return text
        return envelope.seal_object(text, **self._sealing(self._keys.write, record_id, field))

    def sealed_text(self, text: str | None, record_id: str, field: str) -> str | None:
        """Return a field that is text, encrypted where that is configured."""
        if self._keys.write is None or text is None:
            return text
        return envelope.seal(text, **self._sealing(self._keys.write, record_id, field))

    def _sealing(self, key: bytes, record_id: str, field: str) -> Any:
        return {
            "key": key,
            "key_id": self._keys.write_id,
            "record_id": record_id,
            "field": field,
            "random_bytes": self._random_bytes,
        }
