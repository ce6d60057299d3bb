"""What the consumers of tables keep, refuse and commit. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from headrace.config.alerts import Alerts
from headrace_consumers.monitoring.catalogue import consumers
from headrace_consumers.monitoring.catalogue import dataset as names
from headrace_consumers.monitoring.metric import Metric
from headrace_consumers.top.consumer_rows import of_consumer
from headrace_consumers.top.figures import Figures
from headrace_consumers.top.rows import Row
from headrace_consumers.top.since import by_count, since_start
from headrace_consumers.top.watched import Source
from headrace_consumers.top.words import age, counted, share, size

__all__ = ["dataset_rows"]

_DATASET: Final = "dataset"
_FEEDBACK: Final = "feedback"


def dataset_rows(sources: Sequence[Source], alerts: Alerts, now_unix_s: float) -> Iterator[Row]:
    """Yield the rows of the dataset and of feedback, of those that are watched.

    Args:
        sources: the consumers.
        alerts: their thresholds mark what is bad.
        now_unix_s: Unix time of this host.
    """
    if members := of_consumer(sources, _DATASET):
        figures = Figures(members)
        yield Row("examples", by_count(*_of(figures, names.EXAMPLES, "signature")) or "none yet")
        yield _duplicates(figures)
        yield _rejected(figures, alerts)
        yield since_start("dead letters", figures, consumers.DEAD_LETTERS, at_most=alerts.max_dead_letters)
        yield _commits(figures, now_unix_s)
        keys, memory = figures.total(names.SEEN_SET_KEYS), figures.total(names.SEEN_SET_BYTES)
        yield Row("seen-set", f"{counted(keys, 'key')}, {size(memory)} of memory")
    if members := of_consumer(sources, _FEEDBACK):
        figures = Figures(members)
        grown = figures.grown(names.EXAMPLES).get((), 0.0)
        rows = f"{counted(figures.total(names.EXAMPLES), 'row')}{f' (+{grown:,.0f})' if grown else ''}"
        letters = since_start("dead letters", figures, consumers.DEAD_LETTERS, at_most=alerts.max_dead_letters)
        commits = _commits(figures, now_unix_s)
        says = f"{rows}; dead letters: {letters.says}; commits: {commits.says}"
        yield Row("feedback", says, letters.is_bad or commits.is_bad)


def _of(figures: Figures, metric: Metric, label: str) -> tuple[dict[tuple[str, ...], float], ...]:
    return figures.values(metric, label), figures.grown(metric, label)


def _duplicates(figures: Figures) -> Row:
    records = figures.total(consumers.RECORDS)
    if not records:
        return Row("duplicates", "no record was read yet")
    says = f"{share(figures.total(names.DUPLICATES) / records)} of {counted(records, 'record')}"
    lately = figures.grown(consumers.RECORDS).get((), 0.0)
    if lately:
        says += f", {share(figures.grown(names.DUPLICATES).get((), 0.0) / lately)} of the last {lately:,.0f}"
    return Row("duplicates", says)


def _rejected(figures: Figures, alerts: Alerts) -> Row:
    reasons = since_start("rejected", figures, names.REJECTED)
    kept = figures.values(names.EXAMPLES, "signature")
    refused = figures.values(names.REJECTED, "signature")
    for (signature, reason), count in sorted(figures.values(names.REJECTED, "signature", "reason").items()):
        judged = kept.get((signature,), 0.0) + refused[signature,]
        if judged >= alerts.min_calls and count / judged > alerts.max_rejected_share:
            says = f"{reasons.says}; {reason} rejects {share(count / judged)} of {signature}"
            return Row(reasons.what, says, is_bad=True)
    return reasons


def _commits(figures: Figures, now_unix_s: float) -> Row:
    failing_s = max(figures.largest(names.COMMIT_FAILING).values(), default=0.0)
    if failing_s > 0:
        return Row("commits", f"have failed for {age(failing_s)}; see the consumer's log", is_bad=True)
    number = figures.total(names.COMMITS)
    last_at_s = figures.largest(consumers.LAST_COMMIT).get((), 0.0)
    last = f", the last {age(now_unix_s - last_at_s)} ago" if last_at_s else ""
    return Row("commits", f"{number:,.0f} since it began{last}" if number else "none since it began")
