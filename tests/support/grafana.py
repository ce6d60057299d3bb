"""Grafana's part between a dashboard and Prometheus: it fills in what was chosen, and asks as its panels do."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.prometheus import Prometheus

__all__ = ["Grafana", "Question", "questions"]

_SPECIAL: Final = re.compile(r"[\\^$*+?.()|{}\[\]/]")
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")
_SCRAPES_A_RATE: Final = 4


@dataclass(frozen=True)
class Question:
    """What one target of a panel asks.

    Attributes:
        where: dashboard, panel and target, for people.
        board: the dashboard's uid.
        title: the panel's.
        expression: PromQL with Grafana's variables.
        is_instant: asked at the end of the chosen time; else for all of it.
        labels: that its legend, or its columns, show.
    """

    where: str
    board: str
    title: str
    expression: str
    is_instant: bool
    labels: frozenset[str]


def questions(board: Mapping[str, Any]) -> Iterator[Question]:
    """Yield what the panels of a dashboard ask."""
    for panel in board["panels"]:
        columns: dict[str, str] = {}
        for each in panel.get("transformations", ()):
            columns |= each["options"].get("renameByName", {})
        for target in panel.get("targets", ()):
            shown = re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))
            yield Question(
                where=f"{board['uid']}: {panel['id']} {panel['title']}: {target['refId']}",
                board=board["uid"],
                title=panel["title"],
                expression=target["expr"],
                is_instant=target["instant"],
                labels=frozenset(shown) | {name for name in columns if not name.startswith("Value")},
            )


@dataclass(frozen=True)
class Grafana:
    """A reader's look at a time.

    Attributes:
        prometheus: the datasource.
        start: of what is looked at, Unix time in seconds.
        end: likewise.
        interval_s: between scrapes, as the datasource is told.
    """

    prometheus: Prometheus
    start: float
    end: float
    interval_s: int = 1

    def values(self, variable: Mapping[str, Any], chosen: Mapping[str, Sequence[str]]) -> list[str]:
        """Return what a variable offers, after what was chosen before it."""
        query = self._filled(variable["query"]["query"], chosen)
        found = _LABEL_VALUES.fullmatch(query)
        assert found is not None, query
        asked = {"match[]": found["series"], "start": str(self.start), "end": str(self.end)}
        return list(self.prometheus.ask(f"label/{found['label']}/values", asked))

    def answer(self, question: Question, chosen: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """Return the series of an answer: `metric` (labels) and `values` (those that are numbers) each.

        Args:
            question: of a panel.
            chosen: variable -> its values; all of them where it is missing.

        Raises:
            AssertionError: Prometheus finds fault with it.
        """
        query = self._filled(question.expression, chosen)
        if question.is_instant:
            data = self.prometheus.ask("query", {"query": query, "time": str(self.end)})
            read = [(each["metric"], [each["value"]]) for each in data["result"]]
        else:
            times = {"start": str(self.start), "end": str(self.end), "step": str(self.interval_s)}
            data = self.prometheus.ask("query_range", {"query": query, **times})
            read = [(each["metric"], each["values"]) for each in data["result"]]
        numbers = [(labels, [float(value) for _, value in points]) for labels, points in read]
        return [
            {"metric": labels, "values": [value for value in values if math.isfinite(value)]}
            for labels, values in numbers
            if any(map(math.isfinite, values))
        ]

    def _filled(self, text: str, chosen: Mapping[str, Sequence[str]]) -> str:
        own = {
            "__rate_interval": f"{_SCRAPES_A_RATE * self.interval_s}s",
            "__range": f"{round(self.end - self.start)}s",
        }

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name in own:
                return own[name]
            values = [_SPECIAL.sub(r"\\\\\g<0>", each) for each in chosen.get(name, ())]
            return ".*" if not values else values[0] if len(values) == 1 else f"({'|'.join(values)})"

        return re.sub(r"\$(\w+)", value, text)
