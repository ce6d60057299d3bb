"""Lines to records as a producer would have sent them: redacted, keyed, cut to size, perhaps encrypted.

A record that the dataset consumer would not read is refused here, by the consumer's own decoder. Sent, it would be a
dead letter, and a log of them would open the circuit breaker of a consumer that serves live traffic.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from headrace.config import Config
from headrace.delivery.finishing import Finisher
from headrace.delivery.protection import Protection
from headrace.key_material import keys_at_hand, producer_keys
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.decode import FastavroDecoder, Unreadable
from headrace_consumers.history.lines import MAX_LINE_BYTES, LogLine
from headrace_consumers.history.shapes import BadLineError, is_finished, parse, to_call
from headrace_schemas import CanonicalizationError, EncodeError, Interaction, Registry, canonical, interaction_codec

__all__ = ["HistoricRecords"]

_NESTED: Final = ("input", "output", "attributes")
_INSTANCE: Final = "log"


class HistoricRecords:
    """Makes records of log lines.

    Args:
        config: how records are redacted, deduplicated, cut and encrypted; the keys of lines that were
            encrypted before, as far as they are here.
        now_ms: Unix time in milliseconds; it stands for the time at which Kafka would append the record.
        fields_hashes: signature -> the identity of its fields, where an old log should join a live dataset.
        inclusion_probability: the share of calls that was logged, in (0, 1].
        encrypts: False: no record is encrypted here, and a key is asked for by the first line that needs it.

    Attributes:
        redactions: what redaction replaced, by kind.

    Raises:
        ConfigError: a key that records are written with cannot be read.
    """

    def __init__(
        self,
        config: Config,
        *,
        now_ms: Callable[[], int],
        fields_hashes: Mapping[str, str] | None = None,
        inclusion_probability: float = 1.0,
        encrypts: bool = True,
    ) -> None:
        self._now_ms = now_ms
        keys = keys_at_hand(config)
        self._has_keys = bool(keys)
        self._not_here = sorted(config.encryption.keys.keys() - keys)
        self._decoder = FastavroDecoder(keys=keys)
        self._config = config
        self._encrypts = encrypts
        if encrypts:
            _ = self._finisher  # before anything is sent
        self._fields_hashes = dict(fields_hashes or {})
        self._inclusion_probability = inclusion_probability
        self._codec = interaction_codec()
        self._schema = Registry().current("headrace.v1.Interaction")["fields"]
        self.redactions: Counter[str] = Counter()

    def record(self, line: LogLine) -> Interaction:
        """Return a line's record, which the dataset consumer can read.

        Raises:
            BadLineError: the line holds none.
            ConfigError: see the class.
        """
        if line.content is None:
            raise BadLineError("too_long", f"the line is longer than {MAX_LINE_BYTES:,} bytes")
        values = parse(line.content)
        try:
            record = self._as_it_was(values) if is_finished(values) else self._finished(values)
        except (CanonicalizationError, RecursionError):
            raise BadLineError("too_deep", "the line holds a value that has no canonical JSON") from None
        try:
            value = self._codec.encode(record)
        except EncodeError as error:
            raise BadLineError("wrong_type", str(error)) from None
        (read,) = self._decoder.decode([Message(0, 0, record["dedup_key"].encode(), value, self._now_ms())])
        if isinstance(read, Unreadable):
            raise BadLineError(read.reason, self._detail(read))
        return record

    @functools.cached_property
    def _finisher(self) -> Finisher:
        keys = producer_keys(self._config, encrypts=self._encrypts)
        return Finisher(self._config, _INSTANCE, Protection(self._config, keys))

    def _detail(self, read: Unreadable) -> str:
        if read.reason != "undecryptable" or not self._not_here:
            return read.detail
        said = read.detail if self._has_keys else "the record is encrypted"  # and encryption.keys is not empty
        return f"{said}; of encryption.keys this host lacks {', '.join(self._not_here)}"

    def _finished(self, values: dict[str, Any]) -> Interaction:
        signature = values.get("signature")
        historic = to_call(
            values,
            fields_hash=self._fields_hashes.get(signature, "") if isinstance(signature, str) else "",
            inclusion_probability=self._inclusion_probability,
        )
        record, redactions = self._finisher.finish(historic.call)
        self.redactions += redactions
        if record["tokens"] is None:
            record["tokens"] = historic.tokens
        return record

    def _as_it_was(self, values: dict[str, Any]) -> Interaction:
        """Return a record that Headrace finished before; a log holds its JSON fields as objects."""
        record: dict[str, Any] = {}
        for field in self._schema:
            name = field["name"]
            if name in values:
                record[name] = values[name]
            elif "default" in field:
                record[name] = field["default"]
            else:
                raise BadLineError("missing_field", f"{name} is missing")
            if name in _NESTED and not isinstance(record[name], str):
                record[name] = canonical.dumps(canonical.loads(json.dumps(record[name]))).decode()
        return cast("Interaction", record)
