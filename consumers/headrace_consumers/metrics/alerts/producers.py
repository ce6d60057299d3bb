"""The producers: do they report, and is every record accounted for?"""

from typing import Final

from headrace.config.alerts import Alerts
from headrace_consumers.metrics.alerts.promql import COUNT, LASTING, grown, named, total
from headrace_consumers.metrics.alerts.rule import Alert, Group, Recording, duration, spoken

__all__ = ["producers"]

_MINUTE_S: Final = 60
_DAY_S: Final = 86_400
"""A service that has been away for longer was taken away on purpose."""

_SERVICE: Final = (("Service", '{{ or $labels.service "unnamed" }}'), ("Environment", "{{ $labels.environment }}"))
_BY_SERVICE: Final = ("service", "environment")
_REPORT: Final = "service:headrace_last_report:seconds"
_SILENCE: Final = "service:headrace_silence:seconds"
_SPOOLED: Final = "service:headrace_spooled_records:sum"


def producers(alerts: Alerts) -> Group:
    """Return the rules of services and their loss ledgers."""
    return Group(
        "headrace-producers",
        (
            _ledger(),
            _records_lost(alerts),
            *_reports(),
            _producers_silent(alerts),
            _spooled(),
            _spool_growing(alerts),
        ),
    )


def _ledger() -> Alert:
    return Alert(
        name="HeadraceLedgerImbalance",
        expression=f"max by (service, environment) (abs({named('headrace_producer_ledger_imbalance_records')})) > 0",
        for_s=2 * _MINUTE_S,
        severity="warning",
        headline="A producer cannot account for all its records",
        subject=_SERVICE,
        current=f"{COUNT} records",
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
        current=f"{COUNT} in {spoken(window_s)}",
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
        current=LASTING,
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
        current=f"{COUNT} records, growing for {spoken(alerts.spool_growing_s)}",
        threshold="0",
        action="See why Kafka does not take them; when spool.max_total_mb is reached, records are lost",
    )
