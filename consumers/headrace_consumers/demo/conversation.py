"""What the demo's two processes do and say: the service is called, the consumer follows until it has all."""

import json
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from headrace.errors import HeadraceError
from headrace_consumers.demo.children import Child, Line
from headrace_consumers.demo.report import Progress
from headrace_consumers.demo.workspace import Workspace

__all__ = ["Conversation", "DemoError", "environ_of"]

SILENCE_S: Final = 120.0


class DemoError(HeadraceError):
    """The demo could not be finished."""


class Conversation:
    """The processes, from their start to their end.

    The consumers are asked to stop when they have committed as many records as the service delivered.
    """

    def __init__(self, workspace: Workspace, calls: int, progress: Progress) -> None:
        self._workspace = workspace
        self._calls = calls
        self._progress = progress
        self._lines: queue.Queue[Line] = queue.Queue()
        self._service_report: dict[str, Any] | None = None
        self._consumed = Counter({"consumer": 0, "feedback-consumer": 0})
        self._output: dict[str, list[str]] = {name: [] for name in self._consumed}  # the tally, when it ends

    def hold(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return the service's last report and the tallies of the consumers of calls and feedback."""
        config = str(self._workspace.config_path)
        serve = ["headrace_consumers.demo.service", "--config", config, "--calls", str(self._calls)]
        with (
            self._consume("dataset", "consumer", config) as consumer,
            self._consume("feedback", "feedback-consumer", config) as listener,
            self._start("service", serve) as service,
        ):
            consumers = (consumer, listener)
            self._listen(service, until=lambda: self._service_report is not None, watching=(service, *consumers))
            report = self._service_report or {}
            delivered = report["stats"]["delivered"]
            self._progress.served(delivered - report["feedback"])
            self._listen(consumer, until=lambda: self._consumed.total() >= delivered, watching=consumers)
            for child in consumers:
                child.ask_to_stop()
            tallies = [self._tally(child) for child in consumers]
        return report, tallies[0], tallies[1]

    def _consume(self, what: str, name: str, config: str) -> Child:
        consume = ["headrace_consumers.cli", "consume", what, "--config", config, "--json"]
        # Should this process be killed, the consumer ends by itself when nothing comes any more.
        return self._start(name, [*consume, "--log-format", "json", "--idle-exit-s", str(SILENCE_S)])

    def _tally(self, consumer: Child) -> dict[str, Any]:
        """Return what a consumer that was asked to stop says at its end."""
        self._listen(consumer, until=lambda: self._ended(consumer.name, "stdout"), watching=())
        consumer.stop()
        if consumer.exit_code:
            raise self._failure(consumer)
        tally: dict[str, Any] = json.loads("\n".join(self._output[consumer.name]))
        return tally

    def _start(self, name: str, module_and_arguments: list[str]) -> Child:
        argv = [sys.executable, "-m", *module_and_arguments]
        return Child(name, argv, environ_of(self._workspace), self._workspace.log_path(name), self._lines)

    def _listen(self, to: Child, *, until: Callable[[], bool], watching: tuple[Child, ...]) -> None:
        """Take in lines until a condition holds; a watched child that ends before that is a failure."""
        deadline = time.monotonic() + SILENCE_S
        self._gone: set[tuple[str, str]] = getattr(self, "_gone", set())
        while not until():
            if time.monotonic() > deadline:
                raise DemoError(f"the {to.name} said nothing for {SILENCE_S:.0f} s; its log: {to.log_path}")
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            deadline = time.monotonic() + SILENCE_S
            if line.text is None:
                self._gone.add((line.child, line.stream))
                for child in watching:
                    # Both streams have ended, so everything it said has been heard.
                    if self._ended(child.name, "stdout") and self._ended(child.name, "stderr") and not until():
                        raise self._failure(child)
            else:
                self._hear(line, line.text)

    def _ended(self, child: str, stream: str) -> bool:
        return (child, stream) in self._gone

    def _hear(self, line: Line, text: str) -> None:
        if line.child in self._output and line.stream == "stdout":
            self._output[line.child].append(text)
        elif (line.child, line.stream) == ("service", "stdout") and (said := _parsed(text)):
            if said.get("event") == "progress":
                self._progress.calls(said["calls"])
            elif said.get("event") == "done":
                self._service_report = said
        elif line.child in self._consumed and (said := _parsed(text)) and said.get("event") == "progress":
            self._consumed[line.child] = said["consumed"]
            if line.child == "consumer":
                self._progress.consumed(said)

    def _failure(self, child: Child) -> DemoError:
        return DemoError(f"the {child.name} failed: {child.why()}; its log: {child.log_path}")


def environ_of(workspace: Workspace) -> dict[str, str]:
    """Return the environment of the processes: the user's own HEADRACE_ settings must not lead the demo elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    cache = workspace.state_path / "dspy-cache"
    return {**kept, "DSPY_CACHEDIR": str(cache), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONUNBUFFERED": "1"}


def _parsed(text: str) -> dict[str, Any] | None:
    """Return a line's JSON object; None for other lines, which are in the log."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
