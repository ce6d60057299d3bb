"""What the alert rules take of Prometheus: `python -m bench.rule_evaluation [--combinations 2000] [--minutes 20]`.

The statistics and a sampled record each of so many combinations of module, version and signature come every 15 s into
the metrics consumer's own counting and page, which a real Prometheus scrapes every 15 s; it evaluates the rules of the
default configuration as often. Told is how long each group took, over the last 5 minutes: by then the window of a
quarter of an hour, which is the dearest that reads counters, is full. The calls come without Kafka, and the page is
written beforehand, so that neither has a part in it.
"""

import argparse
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from tests.support import prometheus_programs
from tests.support.prometheus import Prometheus, start_prometheus

from headrace.config import Config
from headrace_consumers.metrics.alerts import rule_file
from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.samples import SampleCounting
from headrace_consumers.metrics.standing import Standing
from headrace_consumers.metrics.state import State
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.metrics.web import Web
from headrace_consumers.monitoring.server import serve
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Reading
from headrace_schemas import interaction_codec, statistics_codec
from headrace_schemas.latency import BOUNDS_S
from headrace_schemas.vectors import EXAMPLE

INTERVAL_S = 15.0
A_PRODUCER = 100
"""Combinations that run in one producer."""
TOLD_S = 300
CALLS, QUICK = 20, 10
"""Of each combination in an interval, over so many of the histogram's first buckets, so all within 3 s."""
STATISTICS, SAMPLES = ("statistics", 0), ("interactions", 0)
ERRORS = ("ValueError", "TimeoutError")


def calls_of(number: int, reports: int) -> dict[str, Any]:
    """Return what a combination has counted after so many reports: nothing fires, one call in a hundred fails."""
    counts = [reports * CALLS // QUICK if bucket < QUICK else 0 for bucket in range(len(BOUNDS_S) + 1)]
    usage = {"sampled": reports, "weight": 20.0 * reports, "tokens_input": 1.0, "tokens_output": 1.0}
    return {
        **names_of(number),
        "arm": "",
        "rollout_id": "",
        "stage": 0,
        "calls": sum(counts),
        "cancelled": 0,
        "errors": [{"name": name, "count": reports // 10} for name in ERRORS],
        "latency_s_sum": float(reports),
        "latency_counts": counts,
        "usage": [{**usage, "model": "model", "cost_usd": 0.01 * reports, "unknown_cost": 0}],
    }


def names_of(number: int) -> dict[str, str]:
    """Return whose calls these are: 5 signatures to a module, 2 versions of each."""
    signature, version = divmod(number, 2)
    return {
        "module_name": f"module{signature // 5}",
        "module_version": f"v{version}",
        "signature": f"Signature{signature % 5}",
    }


class Traffic:
    """Gives out a report of each producer and a sample of each combination, again and again."""

    def __init__(self, state: State, combinations: int) -> None:
        self._state = state
        self._combinations = combinations
        self._reports = 0
        self._began_ms = time.time_ns() // 1_000_000
        self._offsets = {STATISTICS: 0, SAMPLES: 0}
        for place in self._offsets:
            state.assign(place, Beginning(read_from=0, start=0, complete_since_ms=0))

    def come(self) -> None:
        """Let an interval's records come."""
        self._reports += 1
        now_ms = time.time_ns() // 1_000_000
        encode: Any = statistics_codec().encode
        for first in range(0, self._combinations, A_PRODUCER):
            own = range(first, min(first + A_PRODUCER, self._combinations))
            record = {
                **dict.fromkeys(("sampled", "adopted", "delivered", "spooled", "in_flight", "spool_bytes"), 0),
                "instance": f"host-{first}",
                "started_at_ms": self._began_ms,
                "sequence": self._reports,
                "timestamp_ms": now_ms,
                "is_last": False,
                "service": "bench",
                "environment": "production",
                "release": "0",
                "dropped": [],
                "program_failures": [],
                "calls": [calls_of(number, self._reports) for number in own],
            }
            self._take(STATISTICS, encode(record), now_ms)
        encode = interaction_codec().encode
        for number in range(self._combinations):
            names = {"event_id": f"{self._reports}-{number}", "request_id": f"{self._reports}-{number}"}
            about = {"timestamp_ms": now_ms, "cost_usd": 0.01, "tokens_input": 9, "inclusion_probability": 0.05}
            self._take(SAMPLES, encode({**EXAMPLE, **names_of(number), **names, **about}), now_ms)

    def _take(self, place: tuple[str, int], value: bytes, now_ms: int) -> None:
        self._state.take([Reading(place, self._offsets[place], value, now_ms)])
        self._offsets[place] += 1


def measure(prometheus: Prometheus, minutes: float) -> Mapping[str, list[float]]:
    """Return group -> how long it took each time that was seen at the end, seconds."""
    took: dict[str, dict[str, float]] = defaultdict(dict)
    pause, began = threading.Event(), time.monotonic()
    while (left_s := minutes * 60 - (time.monotonic() - began)) > 0:
        if left_s < TOLD_S:
            for group in prometheus.ask("rules")["groups"]:
                took[group["name"]][group["lastEvaluation"]] = group["evaluationTime"]
        pause.wait(5)
    return {name: list(each.values()) for name, each in took.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description="What the alert rules take of Prometheus.")
    arguments.add_argument("--combinations", type=int, default=2_000)
    arguments.add_argument("--minutes", type=float, default=20.0)
    given = arguments.parse_args()

    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    totals, labels = Totals(), Labels(time.monotonic, max_series=given.combinations)
    counting = StatisticsCounting(STATISTICS[0], totals, labels, now_ms)
    state = State(totals, counting, SampleCounting(SAMPLES[0], totals, labels, now_ms), labels.overflow)
    web = Web(state, SimpleNamespace(ask=lambda *_: True), time.monotonic, now_ms)  # type: ignore[arg-type]
    traffic, stop = Traffic(state, given.combinations), threading.Event()
    pages = [web.answer("/metrics", "")]

    def run() -> None:
        while not stop.is_set():
            began = time.monotonic()
            traffic.come()
            web.tell(Standing(turned_at=time.monotonic(), has_joined=True))
            pages[0] = web.answer("/metrics", "")
            stop.wait(max(0.0, INTERVAL_S - (time.monotonic() - began)))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with serve(lambda *_: pages[0], "127.0.0.1", 0, setting="port", host_setting="host") as port:
        prometheus = start_prometheus(
            prometheus_programs.find(),
            targets={"headrace-metrics": [f"127.0.0.1:{port}"]},
            rules=[rule_file(Config()).text],
            interval=f"{INTERVAL_S:.0f}s",
        )
        try:
            took = measure(prometheus, given.minutes)
            series = prometheus.ask("status/tsdb")["headStats"]["numSeries"]
            version = prometheus.ask("status/buildinfo")["version"]
            scrapes = prometheus.query('count_over_time((up{job="headrace-metrics"} == 1)[15m:15s])')
        finally:
            prometheus.lifeline.cut()
            stop.set()
    print(f"Prometheus {version}, {given.combinations:,} combinations, {series:,} series")
    print(f"{scrapes[0]['value'][1] if scrapes else 0} of the last 60 scrapes came in time")
    for name, each in sorted(took.items(), key=lambda item: -statistics.fmean(item[1])):
        print(f"{name:28} mean {statistics.fmean(each):7.3f} s  most {max(each):7.3f} s  of {len(each)}")
    print(f"all together                 mean {sum(map(statistics.fmean, took.values())):7.3f} s")


if __name__ == "__main__":
    main()
