"""Statistics records for tests: of one producer, what it would have written."""

from typing import Any, cast

from headrace_schemas import Count, Statistics
from headrace_schemas.latency import BOUNDS_S, bucket_of

__all__ = ["NOW_MS", "Program", "call_statistics", "record"]

NOW_MS = 1_795_000_000_000


def call_statistics(
    latencies_s: list[float], errors: dict[str, int] | None = None, cancelled: int = 0, stage: int = 0, **names: str
) -> dict[str, Any]:
    counts = [0] * (len(BOUNDS_S) + 1)
    for latency_s in latencies_s:
        counts[bucket_of(latency_s)] += 1
    return {
        "module_name": names.get("module_name", "support"),
        "module_version": names.get("module_version", "v1"),
        "signature": names.get("signature", "Triage"),
        "arm": names.get("arm", ""),
        "rollout_id": names.get("rollout_id", ""),
        "stage": stage,
        "calls": len(latencies_s),
        "cancelled": cancelled,
        "errors": [Count(name=name, count=count) for name, count in (errors or {}).items()],
        "latency_s_sum": float(sum(latencies_s)),
        "latency_counts": counts,
        "usage": [],
    }


def record(calls: list[dict[str, Any]] | None = None, **changes: Any) -> Statistics:
    return cast(
        "Statistics",
        {
            "instance": "host-1-1",
            "started_at_ms": NOW_MS - 10_000,
            "sequence": 1,
            "timestamp_ms": NOW_MS,
            "is_last": False,
            "service": "shop",
            "environment": "production",
            "release": "0.1.0",
            "sampled": 0,
            "adopted": 0,
            "delivered": 0,
            "spooled": 0,
            "in_flight": 0,
            "dropped": [],
            "spool_bytes": 0,
            "program_failures": [],
            "calls": calls or [],
            **changes,
        },
    )


class Program:
    """A producer process: counts calls, and writes a cumulative record every ten seconds."""

    def __init__(self, instance: str, started_at_ms: int = NOW_MS, **names: str) -> None:
        self.instance = instance
        self.started_at_ms = self.at_ms = started_at_ms
        self.names = names
        self.sequence = 0
        self.calls = 0
        self.errors = 0

    def report(self, calls: int = 0, errors: int = 0, after_ms: int = 10_000) -> Statistics:
        self.calls += calls
        self.errors += errors
        self.at_ms += after_ms
        self.sequence += 1
        failed = {"ValueError": self.errors} if self.errors else {}
        return record(
            [call_statistics([0.5] * self.calls, failed, **self.names)],
            instance=self.instance,
            started_at_ms=self.started_at_ms,
            sequence=self.sequence,
            timestamp_ms=self.at_ms,
        )
