"""The producers and their loss ledgers: do they report, and is each record accounted for?"""

from collections.abc import Iterator
from typing import Final

from headrace.config.alerts import Alerts
from headrace_consumers.dashboards.panel import Limit, Panel, Query, Show, Variable
from headrace_consumers.dashboards.scope import POINT, Scope
from headrace_consumers.dashboards.units import SECONDS, a_second, unit_of
from headrace_consumers.monitoring.catalogue.producers import (
    IMBALANCE,
    LAST_REPORT,
    PRODUCER_COUNT,
    PRODUCER_RECORDS,
    PROGRAM_FAILURES,
    RECORDS_ADOPTED,
    RECORDS_DELIVERED,
    RECORDS_DROPPED,
    RECORDS_SAMPLED,
    SPOOL_BYTES,
)

__all__ = ["SCOPE", "VARIABLES", "producers"]

VARIABLES: Final = (
    Variable("environment", PRODUCER_COUNT, "Environment of producers"),
    Variable("service", PRODUCER_COUNT, "Service"),
)
SCOPE: Final = Scope(tuple(each.label for each in VARIABLES))
_SERVICE: Final = ("service", "environment")
_LEGEND: Final = "{{service}} {{environment}}"


def producers(alerts: Alerts) -> Iterator[Panel]:
    """Return what producers tell of themselves.

    Args:
        alerts: the limits.
    """
    yield Panel(
        title="Producers",
        description="Processes of each service that report and have not said that they end.",
        show=Show.lines,
        queries=(Query(SCOPE.total(PRODUCER_COUNT, _SERVICE), _LEGEND),),
        unit=unit_of(PRODUCER_COUNT),
        width=8,
    )
    yield Panel(
        title="Time since the last report",
        description="Of the process of each service that was silent longest. A process that said that it ends is not "
        "in it, nor one that was silent for over a quarter of an hour.",
        show=Show.lines,
        queries=(Query(f"time() - {SCOPE.least(LAST_REPORT, _SERVICE)}", _LEGEND),),
        unit=SECONDS,
        width=8,
        limit=Limit(alerts.producer_silent_s),
        alerts=("HeadraceProducersSilent",),
    )
    yield Panel(
        title="Lost records",
        description="By the reason that the producer gave; docs/operations.md has a list of them.",
        show=Show.bars,
        queries=(Query(SCOPE.seen(RECORDS_DROPPED, (*_SERVICE, "reason"), POINT), f"{{{{reason}}}} {_LEGEND}"),),
        unit=unit_of(RECORDS_DROPPED),
        width=8,
        alerts=("HeadraceRecordsLost",),
        when_empty="none was lost",
    )
    yield Panel(
        title="What comes in and goes out",
        description="Records chosen for capture or taken over from a process that died, and records that Kafka "
        "acknowledged. Where they part, records wait or are lost.",
        show=Show.lines,
        queries=(
            Query(SCOPE.rate(RECORDS_SAMPLED, _SERVICE), f"sampled {_LEGEND}"),
            Query(SCOPE.rate(RECORDS_ADOPTED, _SERVICE), f"taken over {_LEGEND}"),
            Query(SCOPE.rate(RECORDS_DELIVERED, _SERVICE), f"delivered {_LEGEND}"),
        ),
        unit=a_second(RECORDS_SAMPLED),
        width=8,
    )
    yield Panel(
        title="The ledgers' terms",
        description="As the producers last told them: records that wait on disk (spooled) or in memory (in_flight), "
        "and what became of all others.",
        show=Show.lines,
        queries=(Query(SCOPE.total(PRODUCER_RECORDS, (*_SERVICE, "term")), f"{{{{term}}}} {_LEGEND}"),),
        unit=unit_of(PRODUCER_RECORDS),
        width=8,
    )
    yield Panel(
        title="Ledger imbalance",
        description="sampled + taken over - delivered - spooled - in flight - dropped, of the producer that is "
        "furthest off. Anything but 0 is a defect of Headrace: report it.",
        show=Show.lines,
        queries=(Query(f"max by (service, environment) (abs({SCOPE.of(IMBALANCE)}))", _LEGEND),),
        unit=unit_of(IMBALANCE),
        width=8,
        limit=Limit(1),
        alerts=("HeadraceLedgerImbalance",),
    )
    waiting = ("HeadraceSpoolGrowing",)
    yield Panel(
        title="Records on the producers' disks",
        description="Sampled records that wait on disk until Kafka takes them, as last told: while Kafka is away, "
        "nothing new is told.",
        show=Show.lines,
        queries=(Query(SCOPE.total(PRODUCER_RECORDS, _SERVICE, 'term="spooled"'), _LEGEND),),
        unit=unit_of(PRODUCER_RECORDS),
        width=12,
        alerts=waiting,
    )
    yield Panel(
        title="Size of the spools",
        description="Room that these records take; at spool.max_total_mb the oldest or newest are lost.",
        show=Show.lines,
        queries=(Query(SCOPE.total(SPOOL_BYTES, _SERVICE), _LEGEND),),
        unit=unit_of(SPOOL_BYTES),
        width=12,
        alerts=waiting,
    )
    yield Panel(
        title="Program versions that were not used",
        description="By the reason that a service's router gave; docs/rollout.md has a list. The baseline served.",
        show=Show.bars,
        queries=(Query(SCOPE.seen(PROGRAM_FAILURES, (*_SERVICE, "reason"), POINT), f"{{{{reason}}}} {_LEGEND}"),),
        unit=unit_of(PROGRAM_FAILURES),
        width=24,
        when_empty="all were used",
    )
