"""What the rollout consumer tells of the rollouts that it knows."""

from typing import Final

from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source

__all__ = [
    "ACTING",
    "ARM_CALLS",
    "ARM_FAILURES",
    "ARM_LATENCY",
    "CHANGED",
    "DECISIONS",
    "ROLLOUTS",
    "SAMPLING_RATES",
    "SHARE",
    "STAGE",
    "STATE",
    "STATES",
]

STATES: Final = ("running", "paused", "promoted", "rolled_back", "halted")
_WHOSE: Final = ("environment", "module", "rollout")


def _metric(
    name: str, kind: Kind, text: str, unit: str, *labels: str, comment: str = "", source: Source = Source.own
) -> Metric:
    return Metric(
        name=name,
        kind=kind,
        help=text,
        comment=comment,
        unit=unit,
        labels=labels,
        source=source,
        served_by=(Server.rollout,),
    )


STATE: Final = _metric(
    "headrace_rollout_state",
    Kind.gauge,
    "Whether the module's last rollout is in this state: 1 or 0.",
    "1",
    *_WHOSE,
    "state",
    comment=f"States: {', '.join(STATES)}.",
)
SHARE: Final = _metric(
    "headrace_rollout_share", Kind.gauge, "The share of requests that get the candidate.", "1", *_WHOSE
)
STAGE: Final = _metric(
    "headrace_rollout_stage", Kind.gauge, "The stage that it is in, from 1, or was in last.", "1", *_WHOSE
)
CHANGED: Final = _metric(
    "headrace_rollout_changed_timestamp_seconds",
    Kind.gauge,
    "When its state or share changed last, Unix time.",
    "seconds",
    *_WHOSE,
)
ARM_CALLS: Final = _metric(
    "headrace_rollout_arm_calls",
    Kind.gauge,
    "Calls of an arm that ended and were not cancelled, in all stages that count.",
    "calls",
    *_WHOSE,
    "arm",
    "version",
    source=Source.statistics,
    comment="The evidence of decisions. A gauge: a stage that begins anew after a halt counts from nothing.",
)
ARM_FAILURES: Final = _metric(
    "headrace_rollout_arm_failures",
    Kind.gauge,
    "Of these, calls that failed.",
    "calls",
    *_WHOSE,
    "arm",
    "version",
    source=Source.statistics,
)
ARM_LATENCY: Final = _metric(
    "headrace_rollout_arm_latency_seconds",
    Kind.gauge,
    "The mean latency of an arm in the stage at hand.",
    "seconds",
    *_WHOSE,
    "arm",
    "version",
    source=Source.statistics,
)
DECISIONS: Final = _metric(
    "headrace_rollout_decisions_total",
    Kind.counter,
    "What this process decided, and by which guard.",
    "decisions",
    "what",
    "guard",
    comment="what: promote, rollback, halt. guard: failures, cancelled, slow, latency, cost, score, split, time. "
    "People's own decisions are in `headrace rollout history`.",
)
ACTING: Final = _metric(
    "headrace_rollout_acting",
    Kind.gauge,
    "Whether this process decides: 1, or stands by for another that does: 0.",
    "1",
)
SAMPLING_RATES: Final = _metric(
    "headrace_rollout_sampling_rates_total",
    Kind.counter,
    "Sampling rates of modules that this process looked at, and what became of them.",
    "rates",
    "what",
    comment="what: ordered, withdrawn, kept, configured, left; failed: a round that could not be done. "
    "Of use where rollout.sampling.budget_per_s is set.",
)

ROLLOUTS: Final = (
    STATE,
    SHARE,
    STAGE,
    CHANGED,
    ARM_CALLS,
    ARM_FAILURES,
    ARM_LATENCY,
    DECISIONS,
    ACTING,
    SAMPLING_RATES,
)
