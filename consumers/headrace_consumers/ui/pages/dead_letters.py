"""Dead letters: how many, why, since when, and the newest."""

import datetime as dt
from collections import Counter
from typing import Final

from headrace_consumers.deadletters.reasons import REASONS
from headrace_consumers.ui.charts import growth_plot
from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.letters import Letters, letters
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the dead letters, or those of one reason."""
    reason = asked.get("reason")
    found = part(lambda: letters(sources))
    newest = [] if found.value is None else found.value.newest
    return {
        "title": "Dead letters",
        "topic": sources.config.kafka.topics.dead_letters,
        "found": found,
        "reason": reason,
        "reasons": REASONS,
        "newest": [each for each in newest if reason in ("", each["reason"])],
        "plot": "" if found.value is None else _by_day(found.value),
    }


def _by_day(found: Letters) -> str:
    days: Counter[str] = Counter()
    for group in found.summary.groups:
        days.update(group.by_time)
    return growth_plot([(dt.date.fromisoformat(day), number) for day, number in sorted(days.items())], "dead letters")


PAGE: Final = Page("/dead-letters", "dead_letters.html", show, menu="Dead letters")
