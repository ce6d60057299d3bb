"""Rules as the text of a Prometheus rule file: YAML, the same bytes for the same configuration."""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from headrace_consumers.metrics.alerts.rule import Alert, Group, Recording, duration

__all__ = ["anchor", "render"]

_HEADER: Final = "# Written by `headrace alerts render`. Change the configuration and render again.\n"
_WIDTH: Final = 1_000_000  # a folded expression is hard to read


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def render(groups: Sequence[Group], runbook_url: str) -> str:
    """Return the rule file.

    Args:
        groups: in the order in which they are written.
        runbook_url: where docs/operations.md is, without an anchor.
    """
    content = {"groups": [_group(group, runbook_url) for group in groups]}
    return _HEADER + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def anchor(name: str) -> str:
    """Return the anchor of the section `Alert <name>`, as GitHub and most others make it of the heading."""
    return f"alert-{name.lower()}"


def _group(group: Group, runbook_url: str) -> dict[str, Any]:
    interval = {} if group.interval_s is None else {"interval": duration(group.interval_s)}
    return {"name": group.name, **interval, "rules": [_rule(rule, runbook_url) for rule in group.rules]}


def _rule(rule: Recording | Alert, runbook_url: str) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.name, "expr": rule.expression}
    held = {"for": duration(rule.for_s)} if rule.for_s else {}
    return {
        "alert": rule.name,
        "expr": rule.expression,
        **held,
        "labels": {"severity": rule.severity, **dict(rule.labels)},
        "annotations": {
            "summary": _summary(rule),
            "description": _description(rule),
            "runbook_url": f"{runbook_url}#{anchor(rule.name)}",
        },
    }


def _summary(rule: Alert) -> str:
    """Return one line that says enough on a phone's screen."""
    subject = " ".join(template for _, template in rule.subject)
    return f"{rule.headline}: {subject}, now {rule.current}" if subject else f"{rule.headline}: {rule.current}"


def _description(rule: Alert) -> str:
    lines = [
        ("Alert", rule.headline),
        *rule.subject,
        ("Current", rule.current),
        ("Threshold", rule.threshold),
        ("Action", rule.action),
        *rule.context,
    ]
    return "\n".join(f"{title}: {text}" for title, text in lines)
