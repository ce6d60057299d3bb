"""`headrace demo --alerts`: an incident in a service, the alert at a webhook, and its resolve.

service --Kafka (embedded)--> headrace consume metrics --scraped--> Prometheus --> Alertmanager --> inbox
"""

import json
import queue
import re
import secrets
import sys
import time
import urllib.parse
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from headrace.config import Config, load
from headrace.config.alerts import Alerts
from headrace_consumers.demo.children import Child, Line
from headrace_consumers.demo.conversation import DemoError, environ_of
from headrace_consumers.demo.inbox import Inbox, Told, inbox
from headrace_consumers.demo.run import sigterm_as_exit
from headrace_consumers.demo.story import Story
from headrace_consumers.demo.watchers import (
    LEASH,
    OPENER,
    alertmanager_config,
    find_programs,
    prometheus_config,
    start_alertmanager,
    start_prometheus,
)
from headrace_consumers.demo.workspace import Workspace
from headrace_consumers.embedded import EmbeddedBroker
from headrace_consumers.metrics.alerts import rule_file
from headrace_consumers.metrics.alerts.runbook import runbook_page

__all__ = ["ALERT", "Incident", "alert_lines", "incident"]

ALERT: Final = "HeadraceSuccessRateLow"
WINDOW_S: Final = 10
_ADDRESS: Final = re.compile(r"http://(127\.0\.0\.1:\d+)/metrics")


@dataclass(frozen=True, slots=True)
class Incident:
    """How it went.

    Attributes:
        description: the alert's text.
        fired_after_s: from the incident's beginning to the alert's arrival, seconds.
        resolved_after_s: from its end to the resolve's arrival, seconds.
        rules: the rule file, which stays.
    """

    description: str
    fired_after_s: float
    resolved_after_s: float
    rules: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def incident(*, folder: Path, show: bool) -> Incident:
    """Play an incident and return how it went.

    Args:
        folder: made anew.
        show: print what happens on stdout, as it happens.

    Raises:
        UsageError: the folder cannot be used.
        DemoError: Prometheus or Alertmanager is not installed, or a process failed.
    """
    if find_spec("dspy") is None:
        raise DemoError(
            "the demo runs a DSPy program and dspy is not installed: pip install 'headrace[dspy,consumers]'"
        )
    programs = find_programs()
    workspace = Workspace.at(folder)
    lines: queue.Queue[Line] = queue.Queue()
    children: list[Child] = []
    story = Story(show=show, children=children)
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_exit())
        topics = Config().kafka.topics
        broker = stack.enter_context(EmbeddedBroker([topics.statistics, topics.interactions]))
        workspace.make_anew(_config(broker))
        story.tell("starting the metrics consumer, a service, Alertmanager and Prometheus ...")
        rules, runbook = workspace.folder / "rules.yaml", workspace.folder / "runbook.html"
        runbook.write_text(runbook_page(), encoding="utf-8")
        link = runbook.absolute().as_uri()  # opens when the demo has ended, too
        rules.write_text(rule_file(load(workspace.config_path, environ={}), link).text, encoding="utf-8")
        received = stack.enter_context(inbox())

        def start(name: str, *argv: str) -> Child:
            argv = (*argv, "--config", str(workspace.config_path))
            children.append(Child(name, argv, environ_of(workspace), workspace.log_path(name), lines))
            return stack.enter_context(children[-1])

        consume = ("headrace_consumers.cli", "consume", "metrics", "--port", "0", "--log-format", "json")
        start("metrics-consumer", *LEASH, sys.executable, "-m", *consume)
        scraped = _address(story, lines)
        service = start("service", sys.executable, "-m", "headrace_consumers.demo.incident_service")
        alerting, alertmanager = start_alertmanager(
            programs.alertmanager, alertmanager_config(received.url), workspace, lines
        )
        stack.enter_context(alerting)
        watching, prometheus = start_prometheus(
            programs.prometheus, prometheus_config(scraped, alertmanager, rules), workspace, lines
        )
        stack.enter_context(watching)
        children += [alerting, watching]
        story.tell(f"Prometheus http://{prometheus}, Alertmanager http://{alertmanager}; both end with the demo")
        return _play(story, service, received, prometheus, rules)


def _play(story: Story, service: Child, received: Inbox, prometheus: str, rules: Path) -> Incident:
    story.tell("a support desk answers tickets, and all is well")
    story.wait(lambda: _calls(prometheus) >= Alerts().min_calls, "calls of the service in Prometheus")
    service.tell("incident")
    began = story.tell("incident: the language model fails one call in five")
    fired = story.wait(lambda: _arrived(received, resolved=False), "the alert")
    arrived = story.tell(f"ALERT at the webhook, {time.monotonic() - began:.0f} s after the incident began:")
    story.show(alert_lines(fired))
    service.tell("well")
    ended = story.tell("the language model is well again")
    story.wait(lambda: _arrived(received, resolved=True), "the resolve")
    resolved = story.tell(f"RESOLVED at the webhook, {time.monotonic() - ended:.0f} s later")
    story.show(
        ["", "ok: the alert came, and went when all was well", f"the rules: {rules}; yours: headrace alerts render"]
    )
    return Incident(fired.description, round(arrived - began, 1), round(resolved - ended, 1), str(rules))


def alert_lines(alert: Told) -> list[str]:
    """Return an alert as a person gets it, indented."""
    lines = [*alert.description.splitlines(), f"Runbook: {alert.runbook}"]
    return ["", *(f"          {line}" for line in lines), ""]


def _config(broker: EmbeddedBroker) -> dict[str, Any]:
    kafka = {"bootstrap_servers": broker.bootstrap_servers, "embedded_id": broker.embedded_id}
    return {
        # Statistics are of all calls, sampled or not, and alerts need nothing else.
        "telemetry": {
            "enabled": True,
            "sampling_rate_pct": 0,
            "service": "headrace-demo",
            "statistics_interval_s": 0.5,
        },
        "kafka": kafka,
        "metrics": {"group_id": f"headrace-demo-{secrets.token_hex(4)}"},
        "alerts": {"window_s": WINDOW_S, "for_s": 1, "burn_rates": []},  # in life 15 minutes
    }


def _address(story: Story, lines: "queue.Queue[Line]") -> str:
    """Return the address that the metrics consumer tells in its log."""

    def found() -> str | None:
        with suppress(queue.Empty):
            while True:
                match = _ADDRESS.search(lines.get_nowait().text or "")
                if match:
                    return match[1]
        return None

    return story.wait(found, "the metrics consumer")


def _calls(prometheus: str) -> float:
    """Return how many calls Prometheus knows of in the window."""
    asked = urllib.parse.urlencode({"query": f"sum(increase(headrace_calls_total[{WINDOW_S}s]))"})
    with OPENER.open(f"http://{prometheus}/api/v1/query?{asked}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _arrived(received: Inbox, *, resolved: bool) -> Told | None:
    """Return what has come of the alert of the support desk; others are not of this story."""
    with suppress(queue.Empty):
        while True:
            each = received.messages.get_nowait()
            if each.name == ALERT and each.resolved == resolved:
                return each
    return None
