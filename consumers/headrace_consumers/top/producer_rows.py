"""The producers and their loss ledgers, as the metrics consumer knows them. Pure."""

from collections.abc import Iterator

from headrace.config.alerts import Alerts
from headrace_consumers.monitoring.catalogue import calls, consumers, producers
from headrace_consumers.top.figures import Figures
from headrace_consumers.top.rows import Row
from headrace_consumers.top.since import since_start
from headrace_consumers.top.words import age, counted, size

__all__ = ["producer_rows"]


def producer_rows(figures: Figures, alerts: Alerts, now_unix_s: float) -> Iterator[Row]:
    """Yield the rows.

    Args:
        figures: of the metrics consumers.
        alerts: what is too much.
        now_unix_s: Unix time of this host.
    """
    yield _reporting(figures, alerts, now_unix_s)
    imbalances = figures.values(producers.IMBALANCE, *producers.IMBALANCE.labels)
    off = sum(map(abs, imbalances.values()))
    if off:
        yield Row("ledger", f"{counted(off, 'record')} not accounted for: a defect of Headrace", is_bad=True)
    else:
        yield Row("ledger", "balanced: each sampled record is accounted for" if imbalances else "no producer tells")
    spooled = figures.values(producers.PRODUCER_RECORDS, "term").get(("spooled",), 0.0)
    if spooled:
        on_disk = size(figures.total(producers.SPOOL_BYTES))
        yield Row("spooled", f"{counted(spooled, 'record')} ({on_disk}) wait on producers' disks for Kafka")
    else:
        yield Row("spooled", "nothing waits on producers' disks")
    yield since_start("lost", figures, producers.RECORDS_DROPPED, at_most=0)
    if figures.values(consumers.UNREADABLE):
        yield since_start("unreadable", figures, consumers.UNREADABLE, at_most=0)
    late = figures.grown(calls.LATE_CALLS).get((), 0.0)
    if late:
        yield Row("late", f"{counted(late, 'call')} told of over 5 min late: in the totals, in no rate")


def _reporting(figures: Figures, alerts: Alerts, now_unix_s: float) -> Row:
    number = figures.total(producers.PRODUCER_COUNT)
    ages = {
        whose: now_unix_s - at
        for whose, at in figures.largest(producers.LAST_REPORT, *producers.LAST_REPORT.labels).items()
    }
    silent = {whose: silent_s for whose, silent_s in ages.items() if silent_s > alerts.producer_silent_s}
    if not silent:
        newest = f", the last report {age(min(ages.values()))} ago" if ages else ""
        return Row("producers", f"{number:,.0f} reporting, none silent{newest}" if number else "none reports")
    whose, longest_s = max(silent.items(), key=lambda item: item[1])
    return Row(
        "producers",
        f"{max(0, number - len(silent)):,.0f} reporting, {len(silent):,} silent for over "
        f"{age(alerts.producer_silent_s)}: {whose[-1]} of {whose[0] or 'a service without name'} for {age(longest_s)}",
        is_bad=True,
    )
