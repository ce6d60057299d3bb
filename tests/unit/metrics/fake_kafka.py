"""A consumer client and its messages, as confluent-kafka's look to the loop."""

from collections import deque
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.support.statistics import NOW_MS

__all__ = ["FakeConsumer", "FakeMessage", "end_of"]


class FakeMessage:
    def __init__(self, topic: str, partition: int, offset: int, value: bytes | None, error: Any = None) -> None:
        self._place = (topic, partition, offset, value, error)

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def value(self) -> bytes | None:
        return self._place[3]

    def error(self) -> Any:
        return self._place[4]

    def timestamp(self) -> tuple[int, int]:
        return 2, NOW_MS


def end_of(topic: str, partition: int) -> FakeMessage:
    return FakeMessage(topic, partition, 0, None, KafkaError(KafkaError._PARTITION_EOF))


class FakeConsumer:
    """Gives out what is put into `polls`: a list of messages, or a function that plays a callback."""

    def __init__(self, committed: dict[int, tuple[int, str | None]] | None = None, end: int = 100) -> None:
        self.polls: deque[Any] = deque()
        self.offsets = dict(committed or {})
        self.end = end
        self.assigned: dict[int, int] = {}
        self.commits: list[tuple[int, int, bool]] = []
        self.fails_to_commit = False
        self.fails_to_answer = 0
        self.callbacks: dict[str, Any] = {}
        self.topics: list[str] = []

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.topics, self.callbacks = topics, callbacks

    def consume(self, _count: int, _wait_s: float) -> list[FakeMessage]:
        if not self.polls:
            return []
        poll = self.polls.popleft()
        if callable(poll):
            poll()
            return []
        return poll

    def give(self, topic: str, *partitions: int) -> None:
        self.callbacks["on_assign"](self, [TopicPartition(topic, each) for each in partitions])

    def take_away(self, topic: str, *partitions: int, how: str = "on_revoke") -> None:
        self.callbacks[how](self, [TopicPartition(topic, each) for each in partitions])

    def committed(self, places: list[TopicPartition], **_: float) -> list[TopicPartition]:
        if self.fails_to_answer:
            self.fails_to_answer -= 1
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return [TopicPartition(p.topic, p.partition, *self.offsets.get(p.partition, (-1001,))) for p in places]

    def get_watermark_offsets(self, _place: TopicPartition, **_: float) -> tuple[int, int]:
        return 0, self.end

    def offsets_for_times(self, places: list[TopicPartition], **_: float) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, 0 if p.offset < NOW_MS else -1) for p in places]

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.assigned.update({p.partition: p.offset for p in places})

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        for place in places:
            self.assigned.pop(place.partition, None)

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        if self.fails_to_commit:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        self.commits += [(p.partition, p.offset, asynchronous) for p in offsets]
        self.offsets.update({p.partition: (p.offset, p.metadata) for p in offsets})
