"""`headrace consume rollout` as a process, topics of its own, and the rollouts on them."""

import contextlib
import json
import os
import re
import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.config import Config, load
from headrace.programs import open_registry
from headrace_consumers.rollout.desk import Desk, Superseded, look
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.moves import Entry, begun
from headrace_consumers.rollout.plan import plan_of
from headrace_schemas.programs import PredictorState, Program
from headrace_schemas.rollouts import ProgramVersion, Rollout, read_rollout
from tests.support import warm
from tests.support.kafka import Kafka
from tests.support.metrics_consumer import Reports, ask, samples
from tests.support.rollouts import Service
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

__all__ = ["Ground", "RolloutConsumer", "begin"]

_ACTING = ("headrace_rollout_acting", ())
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
            "registry": {"path": str(folder / "registry")},
            "rollout": {
                "transactional_id": self.topics["rollout"],
                "look_s": 0.1,
                "stand_in_after_s": 3,
                "stages": _STAGES,
                "alpha_split": 1e-6,
                **rollout,
            },
        }
        self.config: Config = load(overrides=self.values, environ={})
        self.reports = Reports(kafka.bootstrap_servers, self.topics["statistics"])

    def put(self, module: str, version: str) -> str:
        """Put a program into the registry, and return its digest."""
        told = PredictorState(signature="Answer", signature_hash="0" * 16, instructions=f"Be {version}.")
        return open_registry(self.config).put(Program(module=module, version=version, predictors={"self": told}))

    def begin(self, module: str) -> Experiment:
        """Begin a rollout of a module."""
        return begin(self.config, module)

    def orders(self, module: str) -> list[Rollout]:
        """Return all orders about a module that stand in the control topic."""
        found = [read_rollout(each.key(), each.value()) for each in self.kafka.records(self.topics["control"])]
        return [
            order for each in found if each is not None and (order := each[1]) is not None and order.module == module
        ]

    def experiment(self, module: str) -> Experiment:
        # What was committed a moment ago may not be readable yet.
        return wait_until(lambda: look(self.config).state.experiments.get(f"production/{module}"), module)

    def entries(self, module: str) -> list[Entry]:
        return [entry for entry in look(self.config).entries if entry.module == module]


def begin(config: Config, module: str) -> Experiment:
    """Begin a rollout of a module, of programs that no registry has; as often as a controller comes in between."""
    now_ms = time.time_ns() // 1_000_000
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
    desk = Desk(config, is_command=True)
    while True:
        with contextlib.suppress(Superseded):
            desk.write(desk.take_over().with_changes([change]), now_ms, [change.entry], [change.order])
            desk.close()
            return change.experiment


class RolloutConsumer:
    """A controller; the port stays the same over restarts."""

    def __init__(self, ground: Ground, name: str = "controller") -> None:
        self._ground = ground
        self.beside: list[RolloutConsumer] = []
        self.path = ground.folder / f"{name}.json"
        self.path.write_text(json.dumps(ground.values))
        self.log = ground.folder / f"{name}.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> None:
        command = ["consume", "rollout", "-c", str(self.path), "--port", str(self.port), "--log-format", "json"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        with self.log.open("ab") as log:
            begins = log.tell()
            self._process = warm.headrace(*command, env={**kept, **environ}, stdout=log, stderr=log)
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
        """Return what the one says that acts: this one, or one beside it."""
        pages = [each.own_figures() for each in (self, *self.beside)]
        return next((page for page in pages if page.get(_ACTING) == 1), {})

    def own_figures(self) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
        try:
            return samples(ask(self.port, "/metrics")[1])
        except (OSError, HTTPException):  # it has just been killed, perhaps in the middle of its answer
            return {}

    def is_acting(self) -> bool:
        return self.own_figures().get(_ACTING, 0) == 1

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
        order, shown = self._ground.experiment(module).order(), self._share(module)
        for number in range(rounds):
            if (share := self._share(module)) != shown:
                order, shown = self._ground.experiment(module).order(), share
            if not order.is_comparing:
                return number
            self._ground.reports.write(service.serve(order, calls, latency_s=0.05))

            def is_counted(shown: float | None = shown) -> bool:
                if self.returned() is not None or self._share(module) != shown:
                    return True
                counted = self.calls(module, "candidate") + self.calls(module, "baseline")
                return counted == sum(service.calls.values())

            wait_until(is_counted, f"{module}: all calls are counted")
            if self.returned() is not None:
                return number
        return rounds

    def _share(self, module: str) -> float | None:
        shares = [
            value
            for (name, labels), value in self.figures().items()
            if name == "headrace_rollout_share" and ("module", module) in labels
        ]
        return shares[0] if shares else None

    def _listening(self, begins: int) -> int | None:
        assert self._process is not None
        ended = self._process.poll()
        found = re.search(rb"http://127\.0\.0\.1:(\d+)/metrics", self.log.read_bytes()[begins:])
        assert found or ended is None, self.log.read_text()
        return int(found[1]) if found else None
