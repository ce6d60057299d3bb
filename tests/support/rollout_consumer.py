"""`headrace consume rollout` as a process, topics of its own, and the rollouts on them."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.config import Config, load
from headrace_consumers.rollout.desk import Desk, look
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.moves import Entry, begun
from headrace_consumers.rollout.plan import plan_of
from headrace_schemas.rollouts import ProgramVersion, Rollout, read_rollout
from tests.support.kafka import Kafka
from tests.support.metrics_consumer import Reports, ask, samples
from tests.support.rollouts import Service
from tests.support.waiting import wait_until

__all__ = ["Ground", "RolloutConsumer", "begin"]

HEADRACE = str(Path(sys.executable).with_name("headrace"))
_STAGES = [
    {"share": 0.1, "min_calls": 100, "min_s": 0, "margin": 0.05},
    {"share": 0.5, "min_calls": 100, "min_s": 0, "margin": 0.05},
]


class Ground:
    """Topics and a configuration, and what stands in them."""

    def __init__(self, kafka: Kafka, folder: Path, **rollout: Any) -> None:
        compacted = {"cleanup.policy": "compact"}
        self.kafka = kafka
        self.folder = folder
        self.topics = {
            "statistics": kafka.create_topic(partitions=2, prefix="stats"),
            "feedback": kafka.create_topic(partitions=1, prefix="feedback"),
            "control": kafka.create_topic(config=compacted, prefix="control"),
            "rollout": kafka.create_topic(config=compacted, prefix="rollout"),
        }
        self.values: dict[str, Any] = {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": self.topics},
            "rollout": {
                "transactional_id": self.topics["rollout"],
                "look_s": 0.1,
                "stand_in_after_s": 1,
                "stages": _STAGES,
                "alpha_split": 1e-6,
                **rollout,
            },
        }
        self.config: Config = load(overrides=self.values, environ={})
        self.reports = Reports(kafka.bootstrap_servers, self.topics["statistics"])

    def begin(self, module: str) -> Experiment:
        """Begin a rollout of a module."""
        return begin(self.config, module)

    def orders(self, module: str) -> list[Rollout]:
        """Return all orders about a module that stand in the control topic."""
        found = [read_rollout(each.key(), each.value(), 2**52) for each in self.kafka.records(self.topics["control"])]
        return [
            order for each in found if each is not None and (order := each[1]) is not None and order.module == module
        ]

    def experiment(self, module: str) -> Experiment:
        return look(self.config).state.experiments[f"production/{module}"]

    def entries(self, module: str) -> list[Entry]:
        return [entry for entry in look(self.config).entries if entry.module == module]


def begin(config: Config, module: str) -> Experiment:
    """Begin a rollout of a module, of programs that no registry has."""
    now_ms = time.time_ns() // 1_000_000
    desk = Desk(config, is_command=True)
    state = desk.take_over()
    change = begun(
        environment="production",
        module=module,
        rollout_id=f"{module}-v2-1",
        candidate=ProgramVersion("v2", "c" * 64),
        baseline=ProgramVersion("v1", None),
        plan=plan_of(config),
        before=None,
        now_ms=now_ms,
        by="ann@host",
    )
    desk.write(state.with_changes([change]), now_ms, [change.entry], [change.order])
    desk.close()
    return change.experiment


class RolloutConsumer:
    """A controller; the port stays the same over restarts."""

    def __init__(self, ground: Ground, name: str = "controller") -> None:
        self._ground = ground
        self.path = ground.folder / f"{name}.json"
        self.path.write_text(json.dumps(ground.values))
        self.log = ground.folder / f"{name}.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> None:
        command = [HEADRACE, "consume", "rollout", "-c", str(self.path), "--port", str(self.port)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        with self.log.open("ab") as log:
            begins = log.tell()
            self._process = subprocess.Popen(
                [*command, "--log-format", "json"], env={**kept, **environ}, stdout=log, stderr=log
            )
        self.port = wait_until(lambda: self._listening(begins), "the controller's port")

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def returned(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def figures(self) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
        try:
            return samples(ask(self.port, "/metrics")[1])
        except OSError:  # it has just been killed
            return {}

    def is_acting(self) -> bool:
        return self.figures().get(("headrace_rollout_acting", ()), 0) == 1

    def calls(self, module: str, arm: str) -> float:
        """Return how many calls of an arm it has counted."""
        return sum(
            value
            for (name, labels), value in self.figures().items()
            if name == "headrace_rollout_arm_calls" and {("module", module), ("arm", arm)} <= set(labels)
        )

    def serve(self, service: Service, module: str, rounds: int, calls: int = 200) -> int:
        """Let a service serve, report by report, each once the one before was counted, until the rollout has ended.

        Returns:
            How many reports there were; the process may have ended meanwhile.
        """
        for number in range(rounds):
            order = self._ground.experiment(module).order()
            if not order.is_comparing:
                return number
            self._ground.reports.write(service.serve(order, calls))

            def is_counted() -> bool:
                if self.returned() is not None or self._has_ended(module):
                    return True
                counted = self.calls(module, "candidate") + self.calls(module, "baseline")
                return counted == sum(service.calls.values())

            wait_until(is_counted, f"{module}: all calls are counted")
            if self.returned() is not None:
                return number
        return rounds

    def _has_ended(self, module: str) -> bool:
        return any(
            value == 0
            for (name, labels), value in self.figures().items()
            if name == "headrace_rollout_state" and {("module", module), ("state", "running")} <= set(labels)
        )

    def _listening(self, begins: int) -> int | None:
        assert self._process is not None
        ended = self._process.poll()
        found = re.search(rb"http://127\.0\.0\.1:(\d+)/metrics", self.log.read_bytes()[begins:])
        assert found or ended is None, self.log.read_text()
        return int(found[1]) if found else None
