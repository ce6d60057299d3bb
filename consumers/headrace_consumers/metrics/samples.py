"""Sampled records to estimates for all calls: each stands for 1 / inclusion probability of them.

Distributions of cost and tokens go into the totals; the newest hour of outcomes is kept for the estimates with an
interval, and of each latency bucket the newest call, which an exemplar names.
"""

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from headrace_consumers.metrics.labels import OTHER, Labels
from headrace_consumers.metrics.topic_counting import TopicCounting
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.monitoring.catalogue import samples as names
from headrace_consumers.monitoring.catalogue.calls import CALL, CALL_DURATION
from headrace_consumers.monitoring.page import Seen
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Place, Reading
from headrace_consumers.statistics.producers import LATE_MS, Result
from headrace_consumers.statistics.series import Key, Series, Vector, is_figure
from headrace_schemas import Interaction, Registry, interaction_codec
from headrace_schemas.latency import bucket_of

__all__ = ["MAX_CALLS", "MAX_OBSERVATIONS", "WINDOW_MS", "Observation", "SampleCounting", "cost_bounds"]

WINDOW_MS: Final = 3_600_000
MAX_OBSERVATIONS: Final = 1_000
"""Of one module, version, signature and environment: where more come, the newest are estimated from."""
MAX_CALLS: Final = 200
"""Modules, versions, signatures and environments that are estimated for."""
_REMEMBERED: Final = 20_000
"""Record ids of a partition: a record that was sent twice comes within an outage of its producer."""

_LEAST: Final = 1e-9
"""Of the probabilities; a record that stands for more calls than this allows is none of ours."""

_Whose: TypeAlias = tuple[str, ...]


def cost_bounds(max_cost_p99_usd: float) -> tuple[float, ...]:
    """Return the bounds of the cost histogram, in USD, with the alert's threshold among them."""
    return tuple(sorted({*names.COST_BOUNDS_USD, max_cost_p99_usd}))


@dataclass(frozen=True, slots=True)
class Observation:
    """How one call ended; None: not known.

    Attributes:
        at_ms: when its record was written to Kafka, Unix time.
        request_id: its request.
        weight: calls that it stands for.
        success: 1 or 0.
        latency_s: how long it took.
        cost_usd: what it cost.
        tokens: what it used.
    """

    at_ms: int
    request_id: str
    weight: float
    success: float
    latency_s: float | None
    cost_usd: float | None
    tokens: int | None


class SampleCounting(TopicCounting[Interaction]):
    """Counts what sampled records add.

    Args:
        topic: the topic of interactions.
        totals: see `TopicCounting`; so are the next two.
        labels: under which names.
        now_ms: Unix time.
        bounds_usd: of the cost histogram.
        registry: the schemas that it may meet.
    """

    def __init__(
        self,
        topic: str,
        totals: Totals,
        labels: Labels,
        now_ms: Callable[[], int],
        *,
        bounds_usd: Sequence[float] = names.COST_BOUNDS_USD,
        registry: Registry | None = None,
    ) -> None:
        super().__init__(topic, totals, labels, now_ms, codec=interaction_codec(registry))
        self._bounds_usd = bounds_usd
        self._known: dict[Place, OrderedDict[str, None]] = {}
        self._observed: dict[_Whose, deque[Observation]] = {}
        self._seen: dict[_Whose, dict[int, Seen]] = {}

    def assign(self, place: Place, begins: Beginning) -> None:
        """See `TopicCounting.assign`."""
        if begins.passed_over:
            self.results[Result.late] += begins.passed_over
        self._known[place] = OrderedDict()

    def unassign(self, place: Place) -> None:
        """See `TopicCounting.unassign`."""
        self._known.pop(place, None)

    def take(self, reading: Reading) -> None:
        """See `TopicCounting.take`."""
        record = self._decoded(reading)
        grown: Series = {}
        if record is not None:
            result = self._result(record, reading)
            self.results[result] += 1
            if result is Result.counted:
                grown = self._grown(record)
                self._observe(record, reading)
        self._totals.add(reading.place, grown, reading.after)

    def observations(self) -> dict[_Whose, list[Observation]]:
        """Return the newest hour's outcomes, by the labels of the call."""
        since_ms = self._now_ms() - WINDOW_MS
        newest = {whose: [each for each in seen if each.at_ms >= since_ms] for whose, seen in self._observed.items()}
        for whose, found in newest.items():
            if not found:
                del self._observed[whose]  # and its place is free
        return {whose: found for whose, found in newest.items() if found}

    def forget(self, key: Key) -> None:
        """Forget the exemplars of a series that made room."""
        if key[0] == CALL_DURATION.name:
            self._seen.pop(key[1], None)

    def exemplars(self) -> dict[_Whose, Mapping[int, Seen]]:
        """Return the newest call of each latency bucket, by the labels of the call."""
        return {whose: dict(seen) for whose, seen in self._seen.items()}

    def _why_unusable(self, record: Interaction) -> str | None:
        return _why_unusable(record)

    def _result(self, record: Interaction, reading: Reading) -> Result:
        known, event_id = self._known[reading.place], record["event_id"]
        if event_id in known:
            return Result.repeated
        known[event_id] = None
        if len(known) > _REMEMBERED:
            known.popitem(last=False)
        ended_ms = record["timestamp_ms"] + (record["latency_ms"] or 0)
        is_late = self._now_ms() - reading.appended_ms > LATE_MS or reading.appended_ms - ended_ms > LATE_MS
        return Result.late if is_late else Result.counted

    def _grown(self, record: Interaction) -> Series:
        weight, call = 1 / record["inclusion_probability"], _call_of(record)
        grown: Series = {}

        def add(name: str, vector: Vector, *more: str) -> None:
            if any(vector):
                grown[self._labels.place((name, (*call, *more)))] = vector

        if record["cost_usd"] is not None:
            add(names.CALL_COST.name, _one(self._bounds_usd, record["cost_usd"], weight))
        for kind, tokens in (("input", record["tokens_input"]), ("output", record["tokens_output"])):
            if tokens is not None:
                add(names.TOKEN_USAGE.name, _one(names.TOKEN_USAGE.bounds, tokens, weight), kind)
        add(names.LM_CALLS.name, [weight * (record["lm_calls"] or 0)])
        add(names.CACHE_HITS.name, [weight * (record["cache_hits"] or 0)])
        add(names.REDACTIONS.name, [record["redactions"]])
        return grown

    def _observe(self, record: Interaction, reading: Reading) -> None:
        latency_ms = record["latency_ms"]
        latency_s = None if latency_ms is None else latency_ms / 1000
        whose: _Whose = self._labels.place((CALL_DURATION.name, _call_of(record)))[1]
        if latency_s is not None:
            seen = Seen(record["request_id"], latency_s, record["timestamp_ms"] / 1000)
            self._seen.setdefault(whose, {})[bucket_of(latency_s)] = seen
        if whose not in self._observed and len(self._observed) >= MAX_CALLS:
            self._labels.overflow[names.QUALITY_REQUESTS.name] += 1
            whose = (OTHER,) * len(CALL)
        self._observed.setdefault(whose, deque(maxlen=MAX_OBSERVATIONS)).append(
            Observation(
                reading.appended_ms,
                record["request_id"],
                1 / record["inclusion_probability"],
                float(record["success"]),
                latency_s,
                record["cost_usd"],
                record["tokens"],
            )
        )


def _call_of(record: Interaction) -> tuple[str, str, str, str]:
    return record["module_name"], record["module_version"], record["signature"], record["environment"]


def _one(bounds: Sequence[float], value: float, weight: float) -> Vector:
    """Return a histogram of one value."""
    vector = [0.0] * (len(bounds) + 2)
    vector[bisect_left(bounds, value)] = weight
    vector[-1] = weight * value
    return vector


def _why_unusable(record: Interaction) -> str | None:
    if not _LEAST <= record["inclusion_probability"] <= 1:
        return f"the inclusion probability is not from {_LEAST:g} to 1"
    figures = (
        record["latency_ms"],
        record["cost_usd"],
        record["tokens"],
        record["tokens_input"],
        record["tokens_output"],
        record["lm_calls"],
        record["cache_hits"],
        record["redactions"],
    )
    is_good = all(figure is None or is_figure(figure) for figure in figures)
    return None if is_good else "a figure is negative, not finite or beyond all reason"
