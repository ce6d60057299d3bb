"""Interactions, messages and an in-memory dead-letter writer for tests of the consumers."""

import time
from collections.abc import Sequence
from typing import Any

import polars as pl

from headrace_consumers.dataset.judging.select import kept_of
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.frame import frame_of
from headrace_schemas import DeadLetter, Interaction, canonical, interaction_codec, keys
from headrace_schemas.vectors import EXAMPLE

__all__ = ["NOW_MS", "MemoryDeadLetters", "interaction", "kept", "message_of"]

NOW_MS = time.time_ns() // 1_000_000
_CODEC = interaction_codec()


def interaction(question: object = "why?", **changes: Any) -> Interaction:
    """A valid record whose input is {"question": question}."""
    record: dict[str, Any] = {
        **EXAMPLE,
        "input": canonical.dumps({"question": question}).decode(),
        "output": '{"answer":"because"}',
        "timestamp_ms": NOW_MS,
        **changes,
    }
    if "dedup_key" not in changes:
        record["dedup_key"] = keys.dedup_key(record["signature"], record["fields_hash"], record["input"].encode())
    return record  # type: ignore[return-value]


def message_of(
    record: Interaction | bytes, offset: int = 0, partition: int = 0, *, key: bytes | None = None
) -> Message:
    """The Kafka message of a record, or of raw bytes."""
    if isinstance(record, bytes):
        return Message(partition, offset, key, record, NOW_MS)
    return Message(partition, offset, key or record["dedup_key"].encode(), _CODEC.encode(record), NOW_MS)


def kept(records: Sequence[Interaction], messages: Sequence[Message], quality: float = 1.0) -> pl.DataFrame:
    """What a selection keeps when it keeps these records."""
    frame, culprits = frame_of(records)
    assert culprits == []
    return kept_of(frame, pl.Series([quality] * len(records), dtype=pl.Float64), messages)


class MemoryDeadLetters:
    """Keeps dead letters; raises `error` instead while it is set."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.error: Exception | None = None

    def write(self, letters: Sequence[DeadLetter]) -> None:
        if self.error is not None:
            raise self.error
        self.letters.extend(letters)

    def close(self) -> None:
        pass
