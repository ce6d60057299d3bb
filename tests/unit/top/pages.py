"""Pages as consumers serve them, and what `headrace top` makes of them."""

from collections.abc import Mapping, Sequence

from headrace_consumers.monitoring.catalogue import calls, consumers, metric
from headrace_consumers.monitoring.metric import Kind, Metric
from headrace_consumers.monitoring.page import Page
from headrace_consumers.top.history import History, Window
from headrace_consumers.top.page import Reading, read
from headrace_consumers.top.watched import Source, Watched

WHOSE = ("support", "v1", "Triage", "production")
Values = Mapping[tuple[Metric, tuple[str, ...]], float | Sequence[float]]


def page(values: Values, *, consumer: str = "metrics", records: float = 100, accept: str = "") -> str:
    """Return the text of a page; a histogram's value is its counts by bucket, not cumulative."""
    drawn = Page()
    drawn.add(consumers.BUILD, 1, consumer, "0.1.0", "3.12")
    for each in (consumers.HEALTHY, consumers.READY):
        if (each, (consumer,)) not in values:
            drawn.add(each, 1, consumer)
    drawn.add(consumers.RECORDS, records, "topic")
    for (each, labels), value in values.items():
        if each.kind is Kind.histogram:
            assert isinstance(value, Sequence)
            drawn.add_histogram(each, [*value, 0.0], *labels)
        else:
            assert isinstance(value, float | int)
            drawn.add(each, value, *labels)
    return drawn.render(accept)[0].decode()


def reading(values: Values, *, consumer: str = "metrics", records: float = 100) -> Reading:
    return read(page(values, consumer=consumer, records=records))


def counts(latencies_s: Mapping[float, int]) -> list[float]:
    """Return a latency histogram's counts: bound, or infinity -> how many in its bucket."""
    bounds = [*metric(calls.CALL_DURATION.name).bounds, float("inf")]
    return [float(latencies_s.get(bound, 0)) for bound in bounds]


def source(*readings: Reading, step_s: float = 10.0, over_s: float = 60.0) -> Source:
    """Return a consumer of which these were read, so many seconds apart."""
    watched = Watched("host:1", "", History(over_s), 0.0)
    for number, each in enumerate(readings):
        watched.note_page(each, number * step_s)
    return watched.source((len(readings) - 1) * step_s)


def away(problem: str = "cannot be reached (Connection refused)") -> Source:
    return Source("host:2", "metrics", None, Window(0.0, {}), problem, 12.0)
