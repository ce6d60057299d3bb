"""What the chaos tests share: an unruly broker, producers on one spool, the dataset job, and the final account."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace_schemas import interaction_codec
from tests.support.dataset_job import DatasetJob, expected_of
from tests.support.kafka import Kafka
from tests.support.kafka_unruly import UnrulyBroker
from tests.support.waiting import wait_until

__all__ = ["Ground", "Producer"]

ROUNDS_ENV = "HEADRACE_TEST_CHAOS_ROUNDS"
_ROOT = Path(__file__).parents[2]


def rounds(all_of_them: int, few: int) -> int:
    """Return how many rounds are to be played: all by `make chaos`, a few by `make test`."""
    return all_of_them if os.environ.get(ROUNDS_ENV) == "all" else few


@dataclass
class Producer:
    """A load process and its journal."""

    name: str
    journal: Path
    process: subprocess.Popen[str]
    words: dict[str, list[str]] = field(default_factory=lambda: {"a": [], "s": [], "u": []})
    _read: int = 0

    def look(self) -> "Producer":
        """Read what the journal has now."""
        if self.journal.exists():
            with self.journal.open("rb") as file:
                file.seek(self._read)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.decode().splitlines():
                self.words[line[0]].append(line[2:])
        return self

    @property
    def acknowledged(self) -> int:
        return len(self.words["a"])

    @property
    def spooled(self) -> int:
        return len(self.words["s"])

    @property
    def submitted(self) -> int:
        return int(self.words["u"][-1]) if self.words["u"] else 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.look()

    def stop(self) -> None:
        """Let it submit no more."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def finish(self) -> dict[str, Any]:
        """Let it drain and exit; return its ledger."""
        if self.process.stdin is not None:
            self.stop()
        output, _ = self.process.communicate(timeout=240)
        assert self.process.returncode == 0
        self.look()
        stats: dict[str, Any] = json.loads(output)
        return stats


class Ground:
    """One chaos test's world.

    Args:
        folder: for spool, journals, table.
        seed: of all that is drawn.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.draw = random.Random(seed)
        self.broker = UnrulyBroker(os.environ)
        self.broker.start()
        self.kafka = Kafka(self.broker.broker())
        self.job = DatasetJob(self.kafka, folder)
        self.folder = folder
        self.spool = folder / "spool"
        self.producers: list[Producer] = []

    def start(self) -> Producer:
        name = f"p{len(self.producers)}"
        config = {
            "telemetry": {"exit_timeout_s": 20},
            "kafka": {
                "bootstrap_servers": self.broker.bootstrap_servers,
                "topics": {"interactions": self.job.topic},
            },
            "spool": {"path": str(self.spool), "rotation": {"max_size_mb": 0.5}},
        }
        journal = self.folder / f"{name}.journal"
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.load", json.dumps(config), name, str(journal)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=_ROOT,
            )
        self.producers.append(Producer(name, journal, process))
        return self.producers[-1]

    def drain(self) -> dict[str, Any]:
        """Start a last producer, which takes over what dead ones left; return its ledger when all is sent."""
        self.broker.start()
        heir = self.start()
        wait_until(lambda: heir.look().acknowledged, "the heir's first record to arrive", 240)
        own = f"-{heir.process.pid}-"
        wait_until(
            lambda: all(own in lock.parent.name for lock in self.spool.glob("*/lock")),
            "the dead's spools to be sent",
            240,
        )
        return heir.finish()

    def account(self) -> str:
        """Compare journals, topic and dataset; return the figures in a line."""
        codec = interaction_codec()
        arrived = Counter(
            codec.decode(m.value())["event_id"] for m in self.kafka.records(self.job.topic, timeout_s=120)
        )
        safe = {id_ for producer in self.producers for word in "as" for id_ in producer.words[word]}
        lost = safe - arrived.keys()
        assert not lost, f"{len(lost)} records that were acknowledged or spooled are lost, e.g. {sorted(lost)[:5]}"
        left = [str(path.relative_to(self.spool)) for path in self.spool.rglob("*")]
        assert left == [], f"{left}\n{self.logs()}"
        counts = self.job.finish(self.job.start(idle_exit_s=3), timeout_s=240)
        self.job.insist_on(expected_of(self.kafka, self.job.topic))
        events = self.job.table()["event_id"].to_list()
        assert len(events) == len(set(events))
        assert set(events) == set(arrived)
        submitted = sum(producer.submitted for producer in self.producers)
        return (
            f"{submitted} submitted; {len(safe)} acknowledged or spooled, 0 of them lost; "
            f"{sum(producer.spooled for producer in self.producers)} times spooled; {arrived.total()} messages, "
            f"{arrived.total() - len(arrived)} of them repeated; {len(events)} rows, 0 twice "
            f"({counts['duplicates']} duplicates passed over); {submitted - len(arrived)} only in memory at a kill"
        )

    def close(self) -> None:
        for producer in self.producers:
            if producer.process.poll() is None:
                producer.kill()
        self.broker.remove()

    def logs(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("p*.log")) if path.stat().st_size)
