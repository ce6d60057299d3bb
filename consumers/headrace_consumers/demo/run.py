"""Runs the demo: a broker, the service and the consumer as processes of their own, then the checks."""

import json
import os
import queue
import re
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final

from headrace.config import Config, load
from headrace.errors import HeadraceError, UsageError
from headrace_consumers import topics
from headrace_consumers.cli.client_options import check_client_options
from headrace_consumers.cli.present import print_lines
from headrace_consumers.demo.children import Child, Line
from headrace_consumers.demo.report import Progress, shown_progress, silent_progress, summary_lines
from headrace_consumers.demo.summary import Summary, judge
from headrace_consumers.demo.tickets import tickets
from headrace_consumers.demo.workspace import Workspace
from headrace_consumers.embedded import EmbeddedBroker

__all__ = ["SAMPLING_RATE_PCT", "DemoError", "run"]

SAMPLING_RATE_PCT: Final = 50
"""High for a service, so that thousands of rows result; below 100, so that sampling is seen to work."""

PARTITIONS: Final = 4
SILENCE_S: Final = 120.0
_ADDRESS: Final = re.compile(r"[^\s,:]+:\d{1,5}(,[^\s,:]+:\d{1,5})*|\[[0-9A-Fa-f:]+\]:\d{1,5}")


class DemoError(HeadraceError):
    """The demo could not be finished."""


def run(*, kafka: str | None, calls: int, folder: Path, config_path: Path | None, show: bool) -> Summary:
    """Run the demo and return what it found.

    Args:
        kafka: HOST:PORT of a real broker, on which the demo makes topics of its own and deletes them; None for an
            embedded one.
        calls: how many calls the sample program gets.
        folder: made anew.
        config_path: a configuration whose librdkafka options are used.
        show: print progress on stderr and the summary on stdout.

    Raises:
        UsageError: the folder or the address cannot be used.
        ConfigError: the configuration cannot be used.
        HeadraceError: the broker does not answer, or a process failed.
    """
    if find_spec("dspy") is None:
        raise DemoError(
            "the demo runs a DSPy program and dspy is not installed: pip install 'headrace[dspy,consumers]'"
        )
    if kafka is not None and not _ADDRESS.fullmatch(kafka):
        raise UsageError(f"--kafka {kafka}: expected HOST:PORT, e.g. localhost:9092")
    workspace = Workspace.at(folder)
    configured = load(config_path).kafka
    check_client_options(configured)
    options = configured.model_dump(include={"options", "producer_options", "consumer_options"})
    with ExitStack() as stack:
        stack.enter_context(_sigterm_as_exit())
        broker = stack.enter_context(_embedded(options) if kafka is None else _real(kafka, options))
        workspace.make_anew(_config(workspace, broker))
        progress = stack.enter_context(shown_progress(calls) if show else silent_progress())
        started = time.monotonic()
        service, tally, feedback_tally = _Conversation(workspace, calls, progress).hold()
        seconds = time.monotonic() - started
    summary = _summary(workspace, broker, service, (tally, feedback_tally), seconds)
    if show:
        print_lines(["", *summary_lines(summary)])
    return summary


@contextmanager
def _embedded(options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = Config().kafka.topics
    with EmbeddedBroker([names.interactions, names.dead_letters, names.feedback]) as broker:
        yield {**options, "bootstrap_servers": broker.bootstrap_servers, "embedded_id": broker.embedded_id}


@contextmanager
def _real(address: str, options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Make topics that no other run has, so that reruns start afresh; delete them at the end."""
    prefix = f"headrace-demo-{secrets.token_hex(4)}"
    purposes = ("interactions", "dead_letters", "statistics", "feedback", "control")
    names = {purpose: f"{prefix}.{purpose}.v1" for purpose in purposes}
    kafka = {**options, "bootstrap_servers": address, "topics": names}
    config = load(overrides={"kafka": kafka}, environ={})
    broker = topics.Broker(config)
    broker.create(topics.wanted(config), partitions=PARTITIONS)
    try:
        yield kafka
    finally:
        broker.delete(list(names.values()))


def _config(workspace: Workspace, kafka: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "telemetry": {
            "enabled": True,
            "sampling_rate_pct": SAMPLING_RATE_PCT,
            "service": "headrace-demo",
            "environment": "demo",
            "queue_max_records": 100_000,
            "exit_timeout_s": 30,  # all calls come at once: the queue holds what two fifths of it can finish
        },
        "kafka": dict(kafka),
        "filters": {"environments": ["demo"]},  # by default only production becomes examples
        "dataset": {
            "path": str(workspace.dataset_path),
            "state_path": str(workspace.state_path),
            "group_id": f"headrace-demo-{secrets.token_hex(4)}",
            "commit_interval_s": 1,
        },
    }


class _Conversation:
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
        return Child(name, argv, _environ(self._workspace), self._workspace.log_path(name), self._lines)

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


def _summary(
    workspace: Workspace,
    kafka: Mapping[str, Any],
    service: dict[str, Any],
    tallies: tuple[dict[str, Any], dict[str, Any]],
    seconds: float,
) -> Summary:
    # Imported late: it brings polars.
    from headrace_consumers.demo.inspection import feedback_facts, listing_line, query_line, table_facts

    path = str(workspace.dataset_path)
    table = table_facts(path)
    rated = {ticket.request_id for ticket in tickets(service["calls"]) if ticket.verdict is not None}
    feedback = feedback_facts(path, rated)
    summary = Summary(
        broker=kafka["bootstrap_servers"],
        embedded="embedded_id" in kafka,
        service=service,
        tally=tallies[0],
        feedback_tally=tallies[1],
        table=table,
        feedback=feedback,
        dataset_path=path,
        config_path=str(workspace.config_path),
        listing=listing_line(str(workspace.config_path)),
        query=query_line(path),
        seconds=seconds,
    )
    return replace(summary, checks=tuple(judge(service, *tallies, table, feedback)))


def _environ(workspace: Workspace) -> dict[str, str]:
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


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that the children are ended and the topics deleted."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
