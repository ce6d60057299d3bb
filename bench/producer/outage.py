"""Minutes without Kafka under full load: `python -m bench.producer.outage [--outage-s 300] [--calls-per-s 500]`.

A service whose every call is sampled, before, while and after a real broker is killed: its memory, what its calls take,
and what became of every record, by its own ledger and by what is in the topic at the end. Needs Java 17 and Maven.
"""

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

from bench.producer.fleet import quantile
from bench.producer.programs import Trivial, inputs

_PHASES = ("before", "outage", "after", "drain")


class Service:
    """The process under load: a line of figures each second, calls until its standard input ends, then it drains.

    Args:
        calls_per_s: how many calls; 0: as many as it can.
        size_bytes: of each input.
    """

    def __init__(self, kafka: dict[str, Any] | None, *, calls_per_s: float, size_bytes: int) -> None:
        import headrace

        self._stats = headrace.stats
        self._program: Any = Trivial()
        if kafka is not None:
            headrace.configure(telemetry={"enabled": True, "sampling_rate_pct": 100}, kafka=kafka)
            self._program = headrace.instrument(self._program, "bench")
        self._calls_per_s = calls_per_s
        self._text = inputs(size_bytes)["question"]
        self._numbers = count()

    def run(self) -> None:
        while not _has_ended():
            self._report(self._second())
        while True:
            stats = self._stats()
            if not stats.in_flight and not stats.spooled:
                break
            time.sleep(1)
            self._report([])
        self._report([])

    def _second(self) -> list[float]:
        took_us, clock = [], time.perf_counter
        started_s = now_s = clock()
        while now_s - started_s < 1:
            question = f"{next(self._numbers)} {self._text}"
            begun_s = clock()
            self._program(question=question)
            now_s = clock()
            took_us.append((now_s - begun_s) * 1e6)
            if self._calls_per_s:
                ahead_s = started_s + len(took_us) / self._calls_per_s - now_s
                if ahead_s > 0:
                    time.sleep(ahead_s)
                    now_s = clock()
        return took_us

    def _report(self, took_us: list[float]) -> None:
        stats = self._stats()
        with Path("/proc/self/statm").open() as file:
            rss_mb = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        figures = {
            "rss_mb": rss_mb,
            "disk_mb": sum(path.stat().st_size for path in Path().rglob("*") if path.is_file()) / 1e6,
            "calls": len(took_us),
            "p50_us": quantile(took_us, 0.5) if took_us else None,
            "p99_us": quantile(took_us, 0.99) if took_us else None,
            "sampled": stats.sampled,
            "delivered": stats.delivered,
            "spooled": stats.spooled,
            "in_flight": stats.in_flight,
            "dropped": stats.dropped,
            "balanced": stats.balanced,
        }
        print(json.dumps(figures), flush=True)


def _has_ended() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _row(phase: str, lines: list[dict[str, Any]]) -> str:
    last = lines[-1]
    timed = [line for line in lines if line["calls"]]
    p50, p99 = (
        f"{quantile([line[name] for line in timed], 0.5):.0f}" if timed else "" for name in ("p50_us", "p99_us")
    )
    return (
        f"{phase:8}{len(lines):5}{sum(line['calls'] for line in lines):9}{p50:>8}{p99:>8}"
        f"{max(line['rss_mb'] for line in lines):9.1f}{max(line['disk_mb'] for line in lines):9.1f}"
        f"{last['sampled']:10}{last['delivered']:11}{last['spooled']:9}{last['in_flight']:10}  {last['dropped']}"
    )


def _conduct(arguments: argparse.Namespace) -> None:
    from tests.support.kafka import Kafka
    from tests.support.kafka_unruly import UnrulyBroker

    from headrace_schemas import interaction_codec

    broker = UnrulyBroker(os.environ)
    broker.start()
    kafka = Kafka(broker.broker())
    try:
        topic = kafka.create_topic(partitions=4)
        settings = {"bootstrap_servers": broker.bootstrap_servers, "topics": {"interactions": topic}}
        ends = (arguments.before_s, arguments.before_s + arguments.outage_s)
        by_phase: dict[str, list[dict[str, Any]]] = {phase: [] for phase in _PHASES}
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "bench.producer.outage", "--service", json.dumps(settings)]
            command += [f"--calls-per-s={arguments.calls_per_s}", f"--size-bytes={arguments.size_bytes}"]
            python_path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])  # noqa: PTH109
            service = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": python_path},
            )
            assert service.stdin is not None
            assert service.stdout is not None
            phase = "before"
            for line in service.stdout:
                by_phase[phase].append(json.loads(line))
                seconds = sum(map(len, by_phase.values()))
                if phase == "before" and seconds >= ends[0]:
                    broker.kill()
                    phase = "outage"
                elif phase == "outage" and seconds >= ends[1]:
                    broker.start()
                    phase = "after"
                elif phase == "after" and seconds >= ends[1] + arguments.after_s:
                    service.stdin.close()
                    phase = "drain"
            service.wait()
        print(
            f"{'':8}{'s':>5}{'calls':>9}{'p50 us':>8}{'p99 us':>8}{'RSS MB':>9}{'disk MB':>9}"
            f"{'sampled':>10}{'delivered':>11}{'spooled':>9}{'in flight':>10}  dropped"
        )
        lines = [line for phase in _PHASES for line in by_phase[phase]]
        print("\n".join(_row(phase, by_phase[phase]) for phase in _PHASES if by_phase[phase]))
        decode = interaction_codec().decode
        arrived = Counter(decode(message.value())["event_id"] for message in kafka.records(topic, timeout_s=300))
        twice = sum(number - 1 for number in arrived.values())
        print(
            f"in the topic: {len(arrived)} records, {twice} of them more than once; "
            f"sampled but not there: {lines[-1]['sampled'] - len(arrived)}; "
            f"the ledger balanced in {sum(line['balanced'] for line in lines)} of {len(lines)} readings"
        )
    finally:
        kafka.close()
        broker.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outage-s", type=int, default=300, help="seconds without a broker (default: %(default)s)")
    parser.add_argument("--before-s", type=int, default=20)
    parser.add_argument("--after-s", type=int, default=30)
    parser.add_argument("--calls-per-s", type=float, default=500, help="0: as many as it can (default: %(default)s)")
    parser.add_argument("--size-bytes", type=int, default=1000, help="of a call's input (default: %(default)s)")
    parser.add_argument("--service", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.service is not None:
        Service(json.loads(arguments.service), calls_per_s=arguments.calls_per_s, size_bytes=arguments.size_bytes).run()
        return
    print(
        f"{arguments.calls_per_s or 'as many as it can'} calls a second of {arguments.size_bytes} bytes, all sampled; "
        f"{os.cpu_count()} cores shared with the broker",
        flush=True,
    )
    _conduct(arguments)


if __name__ == "__main__":
    main()
