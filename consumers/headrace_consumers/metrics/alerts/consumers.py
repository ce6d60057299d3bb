"""The consumers: do they run, keep up, read what comes, and have room?"""

from typing import Final

from headrace.config.alerts import Alerts
from headrace_consumers.metrics.alerts.promql import COUNT, LASTING, SHARE, grown, named, number, percent
from headrace_consumers.metrics.alerts.rule import Alert, Group, duration, spoken
from headrace_consumers.table_files import MOST_FILES

__all__ = ["KAFKA_SILENT_S", "MOST_REBALANCES", "REBALANCES_S", "UNCOMMITTED_S", "UNMAINTAINED_S", "consumers"]

_MINUTE_S: Final = 60
_RECENTLY_S: Final = 600
KAFKA_SILENT_S: Final = 120
UNCOMMITTED_S: Final = 900
UNMAINTAINED_S: Final = 3600
MOST_REBALANCES: Final = 4
REBALANCES_S: Final = 900
"""One that leaves and comes back makes three or four for each of the others; an update of all is over sooner."""
_FLAPPING_S: Final = 1800
_CROWDED_S: Final = 1800
_DAY_S: Final = 86_400
"""What has been away for longer was taken away on purpose."""


def consumers(alerts: Alerts) -> Group:
    """Return the rules of the consumers' processes."""
    return Group(
        "headrace-consumers",
        (
            _not_watched(),
            _consumer_gone(),
            _kafka_silent(),
            _lag(alerts),
            _not_committed(),
            _dead_letters(alerts),
            _circuit_open(),
            _disk(alerts),
            _maintenance(),
            _files(),
            _rebalancing(),
        ),
    )


def _not_watched() -> Alert:
    return Alert(
        name="HeadraceNotWatched",
        expression=f'absent({named("headrace_build_info")}{{consumer="metrics"}})',
        for_s=5 * _MINUTE_S,
        severity="critical",
        headline="Prometheus sees no metrics consumer, so no call is watched",
        subject=(),
        current="0 consumers",
        threshold="1",
        action="Start headrace consume metrics, look at Prometheus' targets",
    )


def _consumer_gone() -> Alert:
    build = f'{named("headrace_build_info")}{{consumer!="metrics"}}'
    return Alert(
        name="HeadraceConsumerGone",
        expression=(
            f"group by (consumer) (present_over_time({build}[{duration(_DAY_S)}]))\n"
            f"unless group by (consumer) ({build})"
        ),
        for_s=2 * _MINUTE_S,
        severity="critical",
        headline="A consumer runs nowhere any more",
        subject=(("Consumer", "{{ $labels.consumer }}"),),
        current="0",
        threshold="1",
        action="Read the last line of its log, mend what it names, start it again",
    )


def _kafka_silent() -> Alert:
    return Alert(
        name="HeadraceKafkaSilent",
        expression=f"max by (job, consumer) ({named('headrace_kafka_silent_seconds')}) > {KAFKA_SILENT_S}",
        for_s=0,
        severity="critical",
        headline="A consumer has no answer from Kafka",
        subject=(("Consumer", "{{ $labels.consumer }}"), ("Job", "{{ $labels.job }}")),
        current=LASTING,
        threshold=spoken(KAFKA_SILENT_S),
        action="Look at the brokers, the network between, and the client's password and certificates",
    )


def _lag(alerts: Alerts) -> Alert:
    return Alert(
        name="HeadraceConsumerLag",
        expression=f"max by (job, topic) ({named('headrace_consumer_lag_seconds')}) > {alerts.max_lag_s}",
        for_s=5 * _MINUTE_S,
        severity="warning",
        headline="A consumer is behind",
        subject=(("Job", "{{ $labels.job }}"), ("Topic", "{{ $labels.topic }}")),
        current=LASTING,
        threshold=spoken(alerts.max_lag_s),
        action="Look whether it is stuck or too slow, start more members up to the number of partitions",
    )


def _not_committed() -> Alert:
    last, records = named("headrace_consumer_last_commit_timestamp_seconds"), named("headrace_consumer_records_total")
    window = duration(UNCOMMITTED_S)
    # A table's consumer counts what it has committed, and one that fails to is behind: HeadraceConsumerLag.
    return Alert(
        name="HeadraceOffsetsNotCommitted",
        expression=(
            f'max by (job, instance) (time() - {last}{{consumer="metrics"}}) > {UNCOMMITTED_S}\n'
            f"and on (job, instance) sum by (job, instance) (increase({records}[{window}])) > 0"
        ),
        for_s=0,
        severity="warning",
        headline="The metrics consumer counts and cannot commit",
        subject=(("Instance", "{{ $labels.instance }}"),),
        current=LASTING,
        threshold=spoken(UNCOMMITTED_S),
        action="Read its log for `offsets not committed`, look at the group's access rights and at its coordinator",
    )


def _dead_letters(alerts: Alerts) -> Alert:
    window_s = alerts.window_s
    return Alert(
        name="HeadraceDeadLetters",
        expression=f"{grown('headrace_dead_letters_total', ('topic', 'reason'), window_s)} > {alerts.max_dead_letters}",
        for_s=0,
        severity="warning",
        headline="Records cannot be read",
        subject=(("Topic", "{{ $labels.topic }}"), ("Reason", "{{ $labels.reason }}")),
        current=f"{COUNT} in {spoken(window_s)}",
        threshold=str(alerts.max_dead_letters),
        action="Run headrace deadletter ls",
    )


def _circuit_open() -> Alert:
    opened = named("headrace_consumer_circuit_open")
    # It says so and ends. A supervisor may start it again and again; or it is gone, and this was the last that it said.
    return Alert(
        name="HeadraceCircuitOpen",
        expression=(
            f"max by (consumer, topic) (max_over_time({opened}[{duration(_RECENTLY_S)}])) > 0\n"
            f"or max by (consumer, topic) (last_over_time({opened}[{duration(_DAY_S)}])) > 0\n"
            f"unless on (consumer, topic) {opened}"
        ),
        for_s=0,
        severity="critical",
        headline="A consumer has stopped, since nearly nothing can be read",
        subject=(("Consumer", "{{ $labels.consumer }}"), ("Topic", "{{ $labels.topic }}")),
        current="stopped by its circuit breaker",
        threshold="dataset.dead_letter_limits",
        action="Read the last line of its log, mend what it names, start it again; nothing is lost",
    )


def _disk(alerts: Alerts) -> Alert:
    free = f"{named('headrace_disk_free_bytes')} / {named('headrace_disk_size_bytes')}"
    return Alert(
        name="HeadraceDiskNearlyFull",
        expression=f"min by (job, instance, folder) ({free}) < {number(alerts.min_disk_free_share)}",
        for_s=5 * _MINUTE_S,
        severity="critical",
        headline="A consumer's disk is nearly full",
        subject=(("Instance", "{{ $labels.instance }}"), ("Folder", "{{ $labels.folder }}")),
        current=f"{SHARE} free",
        threshold=f"{percent(alerts.min_disk_free_share)} free",
        action="Make room: once it is full, nothing is committed until there is some",
    )


def _maintenance() -> Alert:
    failing = named("headrace_table_maintenance_failing_seconds")
    return Alert(
        name="HeadraceMaintenanceFailing",
        expression=f"max by (job, table) ({failing}) > {UNMAINTAINED_S}",
        for_s=0,
        severity="warning",
        headline="A table is not maintained: small files add up, and old rows stay",
        subject=(("Job", "{{ $labels.job }}"), ("Table", "{{ $labels.table }}")),
        current=LASTING,
        threshold=spoken(UNMAINTAINED_S),
        action="Read the consumer's log for `maintenance failed`, mend what it names",
    )


def _files() -> Alert:
    return Alert(
        name="HeadraceTableFiles",
        expression=f"max by (job, table) ({named('headrace_table_files')}) > {MOST_FILES}",
        for_s=_CROWDED_S,
        severity="warning",
        headline="A table has too many files: every commit and reader is slow",
        subject=(("Job", "{{ $labels.job }}"), ("Table", "{{ $labels.table }}")),
        current=f"{COUNT} files",
        threshold=str(MOST_FILES),
        action="Run headrace dataset maintain, and look why the consumer does not keep up with merging",
    )


def _rebalancing() -> Alert:
    rebalances = named("headrace_consumer_rebalances_total")
    return Alert(
        name="HeadraceRebalancing",
        expression=f"max by (job, consumer) (increase({rebalances}[{duration(REBALANCES_S)}])) > {MOST_REBALANCES}",
        for_s=_FLAPPING_S,
        severity="warning",
        headline="A consumer group is rebalanced again and again",
        subject=(("Consumer", "{{ $labels.consumer }}"), ("Job", "{{ $labels.job }}")),
        current=f"{COUNT} in {spoken(REBALANCES_S)}",
        threshold=str(MOST_REBALANCES),
        action="Look which member restarts, or is slower than the group's timeouts",
    )
