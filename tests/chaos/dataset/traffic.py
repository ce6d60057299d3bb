"""The load of a round: 30% repeats, 10% bad records, some that the filter rejects, transactions of which some abort."""

import random
import threading
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaException, Producer

from headrace_schemas import interaction_codec
from tests.support.interactions import interaction

__all__ = ["Traffic"]

_CODEC = interaction_codec()
_BUNDLE: Final = 25
_REJECTED: Final[tuple[dict[str, object], ...]] = (
    {"success": False},
    {"latency_ms": 9000.0},
    {"cost_usd": 3.0},
    {"truncated": True},
    {"output": '{"answer":""}'},
    {"environment": "staging"},
    {"capture_level": "outcome"},
)

Wire = tuple[bytes | None, bytes | None, int | None]
"""Key, value, and the partition; None: where murmur2 puts the key."""


def _cut(value: bytes) -> bytes:
    return value[:-5]


def _longer(value: bytes) -> bytes:
    return value + b"\0"


def _other_schema(value: bytes) -> bytes:
    return value[:2] + b"\x13" * 8 + value[10:]


def _noise(value: bytes) -> bytes:
    return b"\xff" + value


_SPOILT: Final[tuple[Callable[[bytes], bytes], ...]] = (_cut, _longer, _other_schema, _noise)
_ODD: Final[tuple[dict[str, object], ...]] = (
    {"signature": "Answer/.."},
    {"output": "[1]"},
    {"attributes": "no JSON"},
    {"timestamp_ms": 253_370_764_800_000},
    {"inclusion_probability": 0.0},
    {"capture_level": "partial"},
    {"dedup_key": "not 64 hex digits"},
)


class Traffic:
    """Writes the records of a plan to a topic, spread over some seconds, in a thread of its own.

    Args:
        bootstrap_servers: the broker's; it may be away for a while.
        topic: where to.
        partitions: it has so many.
        records: how many.
        duration_s: over how long.
        aborted_share: of the transactions; 0 writes without transactions.
        seed: of all that is drawn.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        partitions: int,
        records: int,
        duration_s: float,
        aborted_share: float,
        seed: int,
    ) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._partitions = partitions
        self._records = records
        self._pause_s = duration_s / max(1, records // _BUNDLE)
        self._aborted_share = aborted_share
        self._rng = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Wait until all is written.

        Raises:
            TimeoutError: it is not.
        """
        self._thread.join(timeout_s)
        if self._error is not None:
            raise self._error
        if self._thread.is_alive():
            raise TimeoutError(f"the load was not written in {timeout_s:g} s")

    def _run(self) -> None:
        try:
            producer = self._producer()
            for first in range(0, self._records, _BUNDLE):
                bundle = [self._message(number) for number in range(first, min(first + _BUNDLE, self._records))]
                if not self._write(producer, bundle):
                    producer = self._producer()  # what it was about to write is in doubt, and need not come
                self._ended.wait(self._pause_s)
            if not self._aborted_share:
                producer.flush(30)
        except BaseException as error:
            self._error = error

    def _producer(self) -> Producer:
        options = {"bootstrap.servers": self._servers, "partitioner": "murmur2_random", "log_level": 0}
        if not self._aborted_share:
            return Producer(options)
        while True:
            producer = Producer({**options, "transactional.id": self._topic, "transaction.timeout.ms": 20_000})
            try:
                producer.init_transactions(20)
            except KafkaException:
                continue
            return producer

    def _write(self, producer: Producer, bundle: list[Wire]) -> bool:
        transactional = bool(self._aborted_share)
        aborts = transactional and self._rng.random() < self._aborted_share
        try:
            if transactional:
                producer.begin_transaction()
            for key, value, partition in bundle:
                place = {} if partition is None else {"partition": partition}
                producer.produce(self._topic, value, key, **place)
            producer.poll(0)
            if aborts:
                producer.flush(10)  # aborted records must be in the log, to be passed over
                producer.abort_transaction(20)
            elif transactional:
                producer.commit_transaction(20)
        except KafkaException:
            return False
        return True

    def _message(self, number: int) -> Wire:
        rng = self._rng
        question = rng.randrange(max(1, int(self._records * 0.7)))
        changes: dict[str, object] = {"event_id": f"{number:032x}", "latency_ms": 100.0, "cost_usd": 0.001}
        kind = rng.random()
        if kind < 0.1:
            return self._bad(question, changes)
        if kind < 0.25:
            changes.update(rng.choice(_REJECTED))
        record = interaction(question, **changes)
        return record["dedup_key"].encode(), _CODEC.encode(record), None

    def _bad(self, question: int, changes: dict[str, object]) -> Wire:
        rng = self._rng
        which = rng.randrange(len(_SPOILT) + len(_ODD) + 4)
        if which < len(_SPOILT):
            record = interaction(question, **changes)
            return record["dedup_key"].encode(), _SPOILT[which](_CODEC.encode(record)), None
        which -= len(_SPOILT)
        if which < len(_ODD):
            record = interaction(question, **{**changes, **_ODD[which]})
            return record["dedup_key"].encode(), _CODEC.encode(record), None
        record = interaction(question, **changes)
        key, value = record["dedup_key"].encode(), _CODEC.encode(record)
        anywhere = rng.randrange(self._partitions)  # mostly not where its copies are
        kinds = ((key, None, None), (None, value, None), (b"0" * 64, value, None), (key, value, anywhere))
        return kinds[which - len(_ODD)]
