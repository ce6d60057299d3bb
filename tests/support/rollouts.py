"""Rollouts for tests: one that has begun, and the statistics of a service that follows it."""

from typing import Any

from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.moves import Change, begun
from headrace_consumers.rollout.plan import Plan, Stage
from headrace_schemas import Statistics
from headrace_schemas.rollouts import ProgramVersion, Rollout
from tests.support.statistics import NOW_MS, call_statistics, record

__all__ = ["BASELINE", "CANDIDATE", "PLAN", "Service", "experiment", "started"]

PLAN = Plan(stages=(Stage(0.10, 200, 0, 0.05), Stage(0.50, 300, 0, 0.05)), max_s=86_400)
CANDIDATE = ProgramVersion("v2", "c" * 64)
BASELINE = ProgramVersion("v1", "b" * 64)


def started(plan: Plan = PLAN, now_ms: int = NOW_MS, module: str = "support", **changes: Any) -> Change:
    """Return the beginning of a rollout, by which nothing else is under way."""
    given: dict[str, Any] = {
        "environment": "production",
        "rollout_id": f"{module}-v2-1",
        "candidate": CANDIDATE,
        "baseline": BASELINE,
        "before": None,
        "by": "ann@host",
        **changes,
    }
    return begun(plan=plan, now_ms=now_ms, module=module, **given)


def experiment(plan: Plan = PLAN, now_ms: int = NOW_MS, **changes: Any) -> Experiment:
    """Return a rollout that has begun; see `started`."""
    return started(plan, now_ms, **changes).experiment


class Service:
    """A process whose calls are split as the rollout says, and which reports them as producers do, cumulatively."""

    def __init__(
        self, instance: str = "host-1-1", started_at_ms: int = NOW_MS - 10_000, module: str = "support", **fails: float
    ) -> None:
        self.instance = instance
        self.module = module
        self.started_at_ms = self.at_ms = started_at_ms
        self.fails = {"candidate": 0.05, "baseline": 0.05, **fails}
        self.sequence = 0
        self.calls = {"candidate": 0, "baseline": 0}
        self._rows: dict[tuple[str, int, str], list[int]] = {}

    def serve(self, order: Rollout, calls: int, latency_s: float = 0.5, told: float = 1.0) -> Statistics:
        """Serve so many calls, and return the next record; of the candidate's calls only the share `told` is told."""
        split = {"candidate": round(calls * order.candidate_share * told)}
        split["baseline"] = calls - split["candidate"]
        for arm, count in split.items():
            is_routed = order.is_comparing
            key = (order.rollout_id, order.stage, arm) if is_routed else ("", 0, arm)
            row = self._rows.setdefault(key, [0, 0])
            row[0] += count
            row[1] = round(row[0] * self.fails[arm])
            self.calls[arm] += count
        self.sequence += 1
        self.at_ms += 10_000
        rows = [
            call_statistics(
                [latency_s] * count,
                {"ValueError": failed} if failed else {},
                module_name=self.module,
                module_version={"candidate": "v2", "baseline": "v1"}[arm],
                arm=arm if rollout_id else "",
                rollout_id=rollout_id,
                stage=stage,
            )
            for (rollout_id, stage, arm), (count, failed) in self._rows.items()
        ]
        return record(
            rows,
            instance=self.instance,
            started_at_ms=self.started_at_ms,
            sequence=self.sequence,
            timestamp_ms=self.at_ms,
        )
