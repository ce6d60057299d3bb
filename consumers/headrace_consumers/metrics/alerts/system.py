"""Headrace itself: is everything that happens in the services still seen, and still kept?"""

from collections.abc import Sequence
from typing import Final

from headrace.config.alerts import Alerts
from headrace_consumers.metrics.alerts.promql import grown, named, number, one_of, percent, total
from headrace_consumers.metrics.alerts.rule import Alert, Group, Recording, duration, spoken

__all__ = ["system"]

_MINUTE_S: Final = 60
_RECENTLY_S: Final = 600
_DAY_S: Final = 86_400
"""What has been away for longer was taken away on purpose."""

_SERVICE: Final = (("Service", '{{ or $labels.service "unnamed" }}'), ("Environment", "{{ $labels.environment }}"))
_BY_SERVICE: Final = ("service", "environment")
_LASTING: Final = "{{ $value | humanizeDuration }}"
_COUNT: Final = '{{ printf "%.0f" $value }}'
_REPORT: Final = "service:headrace_last_report:seconds"
_SILENCE: Final = "service:headrace_silence:seconds"
_SPOOLED: Final = "service:headrace_spooled_records:sum"
_SHARE: Final = "{{ $value | humanizePercentage }}"


def system(alerts: Alerts, environments: Sequence[str]) -> Group:
    """Return the rules of producers, consumers and the dataset.

    Args:
        alerts: windows and limits.
        environments: whose records become examples.
    """
    return Group(
        "headrace-system",
        (
            _not_watched(),
            _consumer_gone(),
            _lag(alerts),
            _dead_letters(alerts),
            _circuit_open(),
            _ledger(),
            _records_lost(alerts),
            *_reports(),
            _producers_silent(alerts),
            _spooled(),
            _spool_growing(alerts),
            _dataset_stalled(alerts, environments),
            *_judged(alerts),
            _rejecting(alerts),
            _disk(alerts),
        ),
    )


def _not_watched() -> Alert:
    return Alert(
        name="HeadraceNotWatched",
        expression=f"absent({named('headrace_build_info')})",
        for_s=5 * _MINUTE_S,
        severity="critical",
        headline="Prometheus sees no Headrace consumer, so no other alert can fire",
        subject=(),
        current="0 consumers",
        threshold="1",
        action="Start the consumers, look at Prometheus' targets",
    )


def _consumer_gone() -> Alert:
    build = named("headrace_build_info")
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


def _lag(alerts: Alerts) -> Alert:
    return Alert(
        name="HeadraceConsumerLag",
        expression=f"max by (job, topic) ({named('headrace_consumer_lag_seconds')}) > {alerts.max_lag_s}",
        for_s=5 * _MINUTE_S,
        severity="warning",
        headline="A consumer is behind",
        subject=(("Job", "{{ $labels.job }}"), ("Topic", "{{ $labels.topic }}")),
        current=_LASTING,
        threshold=spoken(alerts.max_lag_s),
        action="Look whether it is stuck or too slow, start more members up to the number of partitions",
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
        current=f"{_COUNT} in {spoken(window_s)}",
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


def _ledger() -> Alert:
    return Alert(
        name="HeadraceLedgerImbalance",
        expression=f"max by (service, environment) (abs({named('headrace_producer_ledger_imbalance_records')})) > 0",
        for_s=2 * _MINUTE_S,
        severity="warning",
        headline="A producer cannot account for all its records",
        subject=_SERVICE,
        current=f"{_COUNT} records",
        threshold="0",
        action="It is a defect of Headrace: report it, with the figures of its ledger",
    )


def _records_lost(alerts: Alerts) -> Alert:
    window_s = alerts.window_s
    lost = grown("headrace_records_dropped_total", (*_BY_SERVICE, "reason"), window_s)
    return Alert(
        name="HeadraceRecordsLost",
        expression=f"{lost} > 0",
        for_s=0,
        severity="warning",
        headline="A service has lost records",
        subject=(*_SERVICE, ("Reason", "{{ $labels.reason }}")),
        current=f"{_COUNT} in {spoken(window_s)}",
        threshold="0",
        action="Look up the reason in the runbook",
    )


def _reports() -> tuple[Recording, Recording]:
    newest = f"max by (service, environment) ({named('headrace_producer_last_report_timestamp_seconds')})"
    return Recording(_REPORT, newest), Recording(_SILENCE, f"time() - {newest}")


def _producers_silent(alerts: Alerts) -> Alert:
    # A producer's series goes when it said that it ends, or after a quarter of an hour of silence. So what counts is
    # how long the service had been silent when it was seen last.
    day = duration(_DAY_S)
    return Alert(
        name="HeadraceProducersSilent",
        expression=(
            f"time() - last_over_time({_REPORT}[{day}])\n"
            f"and last_over_time({_SILENCE}[{day}]) > {alerts.producer_silent_s}"
        ),
        for_s=_MINUTE_S,
        severity="warning",
        headline="A service has not told of its calls",
        subject=_SERVICE,
        current=_LASTING,
        threshold=spoken(alerts.producer_silent_s),
        action="Look whether it runs and reaches Kafka; it told nobody that it would end",
    )


def _spooled() -> Recording:
    ledger = total(f'{named("headrace_producer_ledger_records")}{{term="spooled"}}', _BY_SERVICE)
    # While Kafka is away no ledger comes; a service that Prometheus scrapes itself still tells, under its job's name.
    own = f"sum by (job) ({named('headrace_producer_records_spooled')})"
    return Recording(
        _SPOOLED,
        f'{ledger}\nor label_replace({own}, "service", "$1", "job", "(.*)")',
    )


def _spool_growing(alerts: Alerts) -> Alert:
    window = duration(alerts.spool_growing_s)
    return Alert(
        name="HeadraceSpoolGrowing",
        expression=f"{_SPOOLED} > {_SPOOLED} offset {window} and min_over_time({_SPOOLED}[{window}]) > 0",
        for_s=0,
        severity="warning",
        headline="Records of a service wait on its disk, ever more of them",
        subject=(_SERVICE[0],),
        current=f"{_COUNT} records, growing for {spoken(alerts.spool_growing_s)}",
        threshold="0",
        action="See why Kafka does not take them; when spool.max_total_mb is reached, records are lost",
    )


def _dataset_stalled(alerts: Alerts, environments: Sequence[str]) -> Alert:
    window_s = alerts.dataset_window_s
    rows = grown("headrace_dataset_examples_total", (), window_s, matching='signature!=""')
    sampled = grown("headrace_calls_sampled_total", (), window_s, matching=one_of("environment", environments))
    return Alert(
        name="HeadraceDatasetStalled",
        expression=f"({rows} or vector(0)) == 0 and {sampled} >= {alerts.min_calls}",
        for_s=_MINUTE_S,
        severity="warning",
        headline="Calls are sampled, and the dataset does not grow",
        subject=(),
        current=f"{_COUNT} examples in {spoken(window_s)}",
        threshold="1",
        action="Run headrace dataset why",
    )


def _judged(alerts: Alerts) -> tuple[Recording, Recording]:
    window_s = alerts.dataset_window_s
    kept = grown("headrace_dataset_examples_total", ("signature",), window_s)
    rejected = _rejected(window_s)
    by_signature = total(rejected, ("signature",))
    return (
        Recording(rejected, grown("headrace_dataset_rejected_total", ("signature", "reason"), window_s)),
        Recording(_read(window_s), f"{by_signature} + {kept} or {by_signature}"),
    )


def _rejected(window_s: int) -> str:
    return f"signature_reason:headrace_rejected:increase{duration(window_s)}"


def _read(window_s: int) -> str:
    return f"signature:headrace_judged:increase{duration(window_s)}"


def _rejecting(alerts: Alerts) -> Alert:
    window_s = alerts.dataset_window_s
    rejected, read = _rejected(window_s), _read(window_s)
    return Alert(
        name="HeadraceFilterRejecting",
        expression=(
            f"{rejected} / on (signature) group_left () {read} > {number(alerts.max_rejected_share)}\n"
            f"and on (signature) {read} >= {alerts.min_calls}"
        ),
        for_s=_MINUTE_S,
        severity="warning",
        headline="One reason rejects most records",
        subject=(("Signature", "{{ $labels.signature }}"), ("Reason", "{{ $labels.reason }}")),
        current=_SHARE,
        threshold=percent(alerts.max_rejected_share),
        action="Run headrace dataset why -s {{ $labels.signature }}",
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
        current=f"{_SHARE} free",
        threshold=f"{percent(alerts.min_disk_free_share)} free",
        action="Make room: once it is full, nothing is committed until there is some",
    )
