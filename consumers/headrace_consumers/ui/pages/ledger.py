"""The loss ledger of each producer: what was sampled, and where each record is."""

import time
from collections import Counter
from typing import Final

from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.producers import Ledgers, ledgers, silent_s
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.telling.plots import bars

__all__ = ["PAGE"]

_SHOWN: Final = 100
TERMS: Final = ("sampled", "adopted", "delivered", "spooled", "in_flight", "dropped")


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the producers' ledgers."""
    found = part(lambda: ledgers(sources))
    text = asked.get("q").casefold()
    producers = [] if found.value is None else found.value.producers
    chosen = [each for each in producers if text in f"{each.service} {each.environment} {each.instance}".casefold()]
    first = asked.number("first")
    after_s, now_s = sources.config.alerts.producer_silent_s, time.time()
    silent = {
        (each.instance, each.started_at_ms) for each in chosen if not each.is_last and silent_s(each, now_s) > after_s
    }
    return {
        "title": "Loss ledger",
        "q": asked.get("q"),
        "found": found,
        "terms": TERMS,
        "producers": chosen[first : first + _SHOWN],
        "chosen": len(chosen),
        "first": first,
        "step": _SHOWN,
        "silent": silent,
        "silent_after_s": after_s,
        "imbalance": sum(abs(each.imbalance) for each in producers),
        "dropped": "" if found.value is None else _dropped(found.value),
        "topic": sources.config.kafka.topics.statistics,
    }


def _dropped(found: Ledgers) -> str:
    reasons: Counter[str] = Counter()
    for each in found.producers:
        reasons.update(each.dropped)
    rows = [(reason, float(number), f"{number:,}") for reason, number in reasons.most_common()]
    return bars("Lost records, by reason", rows) if rows else ""


PAGE: Final = Page("/ledger", "ledger.html", show, menu="Ledger")
