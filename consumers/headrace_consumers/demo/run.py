"""Runs the demo: a broker, the service and the consumer as processes of their own, then the checks."""

import re
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final

from headrace.config import Config, load
from headrace.errors import UsageError
from headrace_consumers import topics
from headrace_consumers.cli.client_options import check_client_options
from headrace_consumers.cli.present import print_lines
from headrace_consumers.demo.conversation import Conversation, DemoError
from headrace_consumers.demo.report import shown_progress, silent_progress, summary_lines
from headrace_consumers.demo.summary import Summary, judge
from headrace_consumers.demo.tickets import tickets
from headrace_consumers.demo.workspace import Workspace
from headrace_consumers.embedded import EmbeddedBroker

__all__ = ["SAMPLING_RATE_PCT", "DemoError", "run", "sigterm_as_exit"]

SAMPLING_RATE_PCT: Final = 50
"""High for a service, so that thousands of rows result; below 100, so that sampling is seen to work."""

PARTITIONS: Final = 4
_ADDRESS: Final = re.compile(r"[^\s,:]+:\d{1,5}(,[^\s,:]+:\d{1,5})*|\[[0-9A-Fa-f:]+\]:\d{1,5}")


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
    options = configured.model_dump(include={"options", "secret_options", "producer_options", "consumer_options"})
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_exit())
        broker = stack.enter_context(_embedded(options) if kafka is None else _real(kafka, options))
        workspace.make_anew(_config(workspace, broker))
        progress = stack.enter_context(shown_progress(calls) if show else silent_progress())
        started = time.monotonic()
        service, tally, feedback_tally = Conversation(workspace, calls, progress).hold()
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
        page=listing_line(str(workspace.config_path), "ui"),
        seconds=seconds,
    )
    return replace(summary, checks=tuple(judge(service, *tallies, table, feedback)))


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that the children are ended and the topics deleted."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
