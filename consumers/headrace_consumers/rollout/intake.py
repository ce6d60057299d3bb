"""Statistics and feedback become evidence, partition by partition, each record once.

before a partition's start     remembered: the state that was read has it counted
from there on                  what a producer's counters grew by, by arm and stage, and the scores of feedback

Producers count calls under the rollout and the stage that routed them, so nothing has to be told apart by time.
"""

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import replace
from typing import Final, Generic, TypeAlias, TypeVar

import structlog

from headrace_consumers.rollout.counted import vector_of
from headrace_consumers.rollout.state import State
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.decoding import Decoding
from headrace_consumers.statistics.place import Place, Position, Reading
from headrace_consumers.statistics.producers import MAX_PRODUCERS, Producers
from headrace_consumers.statistics.series import Series, why_unusable
from headrace_schemas import Codec, Feedback, Registry, Statistics, feedback_codec, statistics_codec

__all__ = ["FeedbackIntake", "Intake", "StatisticsIntake", "position_of", "with_position"]

_ARM: Final = "arm"
_REMEMBERED: Final = 20_000
"""Ids of feedback and of requests that have a score, a partition: what was sent twice comes within an outage of its
producer, and a request's second score mostly soon after its first."""

Record = TypeVar("Record")
log = structlog.get_logger("headrace.rollout")


def _name_of(place: Place) -> str:
    """Return a partition as the state names it."""
    return f"{place[0]}/{place[1]}"


class Intake(Decoding[Record]):
    """Takes in one topic.

    Args:
        topic: its name.
        codec: of its records.

    Attributes:
        read: records of which the evidence was taken.
    """

    def __init__(self, topic: str, codec: Codec[Record]) -> None:
        super().__init__(topic, codec, log)
        self.read = 0
        self._starts: dict[int, int] = {}

    def assign(self, partition: int, begins: Beginning) -> None:
        """Begin with a partition."""
        self._starts[partition] = begins.start

    def take(self, reading: Reading, state: State) -> State:
        """Return the state with what a message says; never raises for what is in it."""
        is_new = reading.offset >= self._starts[reading.place[1]]
        record = self._decoded(reading, is_told=is_new)
        if record is not None:
            state = self._taken(record, reading, state, is_new=is_new)
        return self._moved(reading, state) if is_new else state

    @abstractmethod
    def _taken(self, record: Record, reading: Reading, state: State, *, is_new: bool) -> State:
        """Return the state with a record's evidence, or, where that was counted before, remember the record."""

    def _moved(self, reading: Reading, state: State) -> State:
        self.read += 1
        return with_position(state, reading.place, reading.after)


class StatisticsIntake(Intake[Statistics]):
    """Takes in what producers count.

    Args:
        topic: of statistics.
        registry: the schemas that it may meet.
        max_producers: how many are remembered for each partition.
    """

    def __init__(self, topic: str, registry: Registry | None = None, max_producers: int = MAX_PRODUCERS) -> None:
        super().__init__(topic, statistics_codec(registry))
        self._max_producers = max_producers
        self._producers: dict[int, Producers] = {}

    def assign(self, partition: int, begins: Beginning) -> None:
        """See `Intake.assign`."""
        super().assign(partition, begins)
        self._producers[partition] = Producers(begins.complete_since_ms, self._max_producers)

    def _why_unusable(self, record: Statistics) -> str | None:
        return why_unusable(record)

    def _taken(self, record: Statistics, reading: Reading, state: State, *, is_new: bool) -> State:
        producers, series = self._producers[reading.place[1]], _series_of(record)
        if not is_new:
            producers.remember(record, series, reading.appended_ms)
            return state
        # Lateness is no matter here: a call that is told late was made all the same.
        grown = producers.take(record, series, reading.appended_ms, reading.appended_ms).series
        for (_, (environment, module, rollout_id, stage, arm)), vector in grown.items():
            experiment = state.experiments.get(f"{environment}/{module}")
            if experiment is not None and experiment.rollout_id == rollout_id and experiment.is_comparing:
                state = state.with_experiment(experiment.counted(int(stage), arm, vector))
        return state


class FeedbackIntake(Intake[Feedback]):
    """Takes in the scores of feedback; the arm of a request is told by its id.

    The first score of a request counts, as several of one request are not independent of each other; and the first, not
    the last, as then nothing that was counted has to be taken back.

    Args:
        topic: of feedback.
        registry: the schemas that it may meet.
    """

    def __init__(self, topic: str, registry: Registry | None = None) -> None:
        super().__init__(topic, feedback_codec(registry))
        self._known: dict[int, _Remembered[str]] = {}
        self._scored: dict[int, _Remembered[_Scored]] = {}

    def assign(self, partition: int, begins: Beginning) -> None:
        """See `Intake.assign`."""
        super().assign(partition, begins)
        self._known[partition] = _Remembered()
        self._scored[partition] = _Remembered()

    def _why_unusable(self, record: Feedback) -> str | None:
        score = record["score"]
        return None if score is None or abs(score) <= _MOST_SCORE else "the score is not finite or beyond all reason"

    def _taken(self, record: Feedback, reading: Reading, state: State, *, is_new: bool) -> State:
        partition, score, module = reading.place[1], record["score"], record["module_name"]
        if not self._known[partition].add(record["feedback_id"]) or score is None:
            return state
        scored, about = self._scored[partition], (record["environment"], record["request_id"])
        has_first = is_new and (*about, None) not in scored
        for experiment in state.experiments.values() if has_first else ():
            if (
                experiment.is_comparing
                and experiment.environment == record["environment"]
                and module in {None, experiment.module}
                and (*about, experiment.module) not in scored
            ):
                state = state.with_experiment(experiment.scored(record["request_id"], score))
        scored.add((*about, module))
        return state


_MOST_SCORE: Final = 1e9
_Scored: TypeAlias = tuple[str, str, str | None]
"""Environment, request and module; None: feedback on the whole request."""
Key = TypeVar("Key")


class _Remembered(Generic[Key]):
    """The last keys that were met."""

    def __init__(self) -> None:
        self._keys: OrderedDict[Key, None] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def add(self, key: Key) -> bool:
        """Remember it; return whether it is new."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > _REMEMBERED:
            self._keys.popitem(last=False)
        return True


def _series_of(record: Statistics) -> Series:
    series: Series = {}
    for row in record["calls"]:
        if not row["arm"]:
            continue
        whose = (record["environment"], row["module_name"], row["rollout_id"], str(row["stage"]), row["arm"])
        vector, before = vector_of(row), series.get((_ARM, whose))
        series[_ARM, whose] = vector if before is None else [a + b for a, b in zip(before, vector, strict=True)]
    return series


def position_of(state: State, place: Place) -> Position | None:
    """Return up to where a partition was counted; None: nothing was yet."""
    return state.positions.get(_name_of(place))


def with_position(state: State, place: Place, position: Position) -> State:
    """Return a state in which a partition was counted up to there."""
    return replace(state, positions={**state.positions, _name_of(place): position})
