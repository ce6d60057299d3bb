"""Rules tried by promtool on series that are written down: a value a minute, and which alerts fire when."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from headrace.config import Config
from headrace_consumers.metrics.alerts import rule_file
from tests.support.prometheus import run_tool
from tests.support.prometheus_programs import Programs

__all__ = ["TARGET", "Labels", "Scene", "counter", "series"]

Labels: TypeAlias = Mapping[str, str]
TARGET: Final = {"job": "headrace-metrics", "instance": "one:9464"}
"""The scraped process that the series are of, unless a test says otherwise."""


def counter(*phases: tuple[int, float], start: float = 0) -> list[float]:
    """Return a counter's values, one a minute: for so many minutes it grows by so much, and so on."""
    growth = itertools.chain.from_iterable([per_minute] * minutes for minutes, per_minute in phases)
    return list(itertools.accumulate(growth, initial=start))


def series(name: str, values: Iterable[float | None], **labels: str) -> tuple[str, str]:
    """Return a series of a target as promtool reads it; None: it is not there."""
    all_labels = {**TARGET, **labels}
    shown = ",".join(f"{label}={_quoted(value)}" for label, value in all_labels.items())
    return f"{name}{{{shown}}}", " ".join("_" if value is None else f"{value:g}" for value in values)


@dataclass
class Scene:
    """What Prometheus scrapes, and what is expected of the rules.

    Attributes:
        programs: where promtool is.
        folder: an empty one.
        config: what the rules are rendered from.
        every_s: between two values of a series, and between evaluations, seconds.
    """

    programs: Programs
    folder: Path
    config: Config = field(default_factory=Config)
    every_s: int = 60
    _series: dict[str, str] = field(default_factory=dict)
    _alerts: set[str] = field(default_factory=set)
    _firing: list[dict[str, Any]] = field(default_factory=list)
    _texts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, values: Iterable[float | None], **labels: str) -> None:
        """Add a series."""
        key, text = series(name, values, **labels)
        assert key not in self._series, key
        self._series[key] = text

    def fires(self, alert: str, at: int, *expected: Labels) -> None:
        """Expect that at a minute exactly these alerts of a name fire; their labels without the name."""
        samples = [{"labels": _alerts(alert, labels), "value": 1} for labels in expected]
        asked = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        self._alerts.add(alert)
        self._firing.append({"expr": asked, "eval_time": f"{at}m", "exp_samples": samples})

    def quiet(self, alert: str, *minutes: int) -> None:
        """Expect that no alert of a name fires at these minutes."""
        for at in minutes:
            self.fires(alert, at)

    def says(self, alert: str, at: int, labels: Labels, annotations: Labels) -> None:
        """Expect that one alert of a name fires, with this text."""
        expected = [{"exp_labels": dict(labels), "exp_annotations": dict(annotations)}]
        self._alerts.add(alert)
        self._texts.append({"alertname": alert, "eval_time": f"{at}m", "exp_alerts": expected})

    def comes_and_goes(self, alert: str) -> bool:
        """Tell whether it expects alerts of a name at a minute, and none at one before and at one after."""
        expected = [(each["eval_time"], bool(each["exp_samples"])) for each in self._firing if _is_of(each, alert)]
        expected += [(each["eval_time"], True) for each in self._texts if each["alertname"] == alert]
        firing, quiet = ({int(at[:-1]) for at, fires in expected if fires is what} for what in (True, False))
        return any(min(quiet, default=at) < at < max(quiet, default=at) for at in firing)

    def check(self) -> None:
        """Let promtool see to it.

        Raises:
            AssertionError: with what it says.
        """
        groups = yaml.safe_load(rule_file(self.config).text)["groups"]
        chosen = _deciding(groups, self._alerts)
        test = {
            "interval": f"{self.every_s}s",
            "input_series": [{"series": name, "values": values} for name, values in self._series.items()],
            "promql_expr_test": self._firing,
            "alert_rule_test": self._texts,
        }
        file = {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": f"{self.every_s}s",
            "group_eval_order": [group["name"] for group in chosen],
            "tests": [test],
        }
        (self.folder / "rules.yaml").write_text(yaml.safe_dump({"groups": chosen}), encoding="utf-8")
        (self.folder / "test.yaml").write_text(yaml.safe_dump(file), encoding="utf-8")
        done = run_tool(self.programs.promtool, "test", "rules", "test.yaml", folder=self.folder)
        assert done.returncode == 0, done.stdout


def _deciding(groups: Sequence[dict[str, Any]], alerts: AbstractSet[str]) -> list[dict[str, Any]]:
    """Return the groups with these alerts, and those whose recordings they read; all others would only take time."""
    found = [group for group in groups if any(rule.get("alert") in alerts for rule in group["rules"])]
    for group in found:  # grows meanwhile
        read = " ".join(rule["expr"] for rule in group["rules"])
        found += [
            other
            for other in groups
            if other not in found and any(rule["record"] in read for rule in other["rules"] if "record" in rule)
        ]
    return [group for group in groups if group in found]


def _is_of(expected: Mapping[str, Any], alert: str) -> bool:
    return f'alertname="{alert}"' in expected["expr"]


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _alerts(alert: str, labels: Labels) -> str:
    shown = ",".join(f"{label}={_quoted(value)}" for label, value in sorted(labels.items()))
    return f'ALERTS{{alertname="{alert}",alertstate="firing",{shown}}}'
