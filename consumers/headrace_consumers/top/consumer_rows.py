"""The consumers themselves and how far they are behind. Pure."""

from collections.abc import Iterator, Sequence

from headrace.config.alerts import Alerts
from headrace_consumers.monitoring.broker_silence import SILENT_S
from headrace_consumers.monitoring.catalogue import consumers
from headrace_consumers.top.figures import Figures
from headrace_consumers.top.rows import Row
from headrace_consumers.top.watched import Source
from headrace_consumers.top.words import age, counted, share, size

__all__ = ["consumer_rows", "lag_rows", "of_consumer"]


def consumer_rows(sources: Sequence[Source]) -> Iterator[Row]:
    """Yield a row for each consumer that is watched."""
    for source in sources:
        name = f"{source.consumer} at {source.address}" if source.consumer else source.address
        if source.reading is None:
            yield Row("consumer", f"{name} {source.problem}, for {age(source.problem_for_s)}", is_bad=True)
            continue
        figures = Figures([source])
        if any(figures.values(consumers.CIRCUIT_OPEN).values()):
            yield Row("consumer", f"{name} is stopping: nearly nothing can be read; see its log", is_bad=True)
        elif not figures.total(consumers.HEALTHY):
            yield Row("consumer", f"{name} is not well: /healthz says why", is_bad=True)
        elif (silent_s := max(figures.values(consumers.KAFKA_SILENT).values(), default=0.0)) > SILENT_S:
            yield Row("consumer", f"{name} has had no answer from Kafka for {age(silent_s)}", is_bad=True)
        elif not figures.total(consumers.READY):
            yield Row("consumer", f"{name} is well and not ready yet: /readyz says why")
        else:
            yield Row("consumer", f"{name} is well")


def lag_rows(sources: Sequence[Source], alerts: Alerts) -> Iterator[Row]:
    """Yield a row for each consumer and topic: records that wait, and for how long; then the disks.

    A topic that two consumers read has two rows; members of one consumer are added up.
    """
    names = sorted({source.reading.consumer for source in sources if source.reading is not None})
    for name in names:
        figures = Figures(of_consumer(sources, name))
        records = figures.values(consumers.LAG_RECORDS, "topic")
        seconds = figures.largest(consumers.LAG_SECONDS, "topic")
        if not records:
            says = f"{name}: not known; it owns no partition, or Kafka does not answer"
            yield Row("lag", says, is_bad=True)
        for (topic,), waiting in sorted(records.items()):
            lag_s = seconds.get((topic,), 0.0)
            waits = f"{counted(waiting, 'record')}, the oldest {age(lag_s)}" if waiting else "nothing waits"
            yield Row("lag", f"{name} on {topic}: {waits}", is_bad=lag_s > alerts.max_lag_s)
    yield from _disks(sources, alerts)


def of_consumer(sources: Sequence[Source], name: str) -> list[Source]:
    """Return the members of a consumer."""
    return [source for source in sources if source.reading is not None and source.reading.consumer == name]


def _disks(sources: Sequence[Source], alerts: Alerts) -> Iterator[Row]:
    # Several folders on one disk have one row.
    found: dict[tuple[str, bool], list[str]] = {}
    for source in sources:
        figures = Figures([source])
        sizes = figures.values(consumers.DISK_SIZE, "folder")
        for (folder,), free in sorted(figures.values(consumers.DISK_FREE, "folder").items()):
            of = sizes.get((folder,), 0.0)
            if source.reading is not None and of > 0:
                room = f"{share(free / of)} of {size(of)} free", free / of < alerts.min_disk_free_share
                found.setdefault(room, []).append(f"{source.reading.consumer}/{folder}")
    for (says, is_bad), folders in found.items():
        yield Row("disk", f"{says}: {', '.join(dict.fromkeys(folders))}", is_bad)
