"""The dataset: does it grow, what is kept out of it and why, and has it room?"""

from collections.abc import Iterator
from typing import Final

from headrace.config import Config
from headrace.config.alerts import Alerts
from headrace_consumers.dashboards.panel import Dashboard, Limit, Panel, Query, Row, Show, Variable
from headrace_consumers.dashboards.scope import OVERALL, Scope, or_zero, share
from headrace_consumers.dashboards.table_health import table_health
from headrace_consumers.dashboards.units import SHARE, an_hour, unit_of
from headrace_consumers.metrics.alerts.promql import percent
from headrace_consumers.monitoring.catalogue.consumers import DISK_FREE, DISK_SIZE, RECORDS
from headrace_consumers.monitoring.catalogue.dataset import (
    DUPLICATES,
    EXAMPLES,
    OUTCOMES,
    REJECTED,
    SEEN_SET_BYTES,
    SEEN_SET_KEYS,
    UNKNOWN,
)

__all__ = ["dataset"]

_VARIABLES: Final = (Variable("signature", EXAMPLES, "Signature"),)
_SCOPE: Final = Scope(tuple(each.label for each in _VARIABLES))
_SIGNATURE: Final = ("signature",)
_NAMED: Final = 'signature!=""'
_FEEDBACK: Final = 'signature=""'
"""Feedback has no signature of its own."""


def dataset(config: Config) -> Dashboard:
    """Return the dashboard.

    Args:
        config: the limits of its alerts.
    """
    return Dashboard(
        uid="headrace-dataset",
        title="Headrace: dataset",
        description="How the dataset grows, what is kept out of it and why, and whether it has room.",
        variables=_VARIABLES,
        rows=(
            Row("Growth", tuple(_growth())),
            Row("What becomes of the records", tuple(_fates(config.alerts))),
            Row("Duplicates", tuple(_duplicates())),
            Row("Tables", tuple(table_health())),
            Row("Room", tuple(_room(config.alerts))),
        ),
        alerts='alertname=~"Headrace(Dataset|Filter|Disk|DeadLetters|Circuit|Maintenance|TableFiles|Rebalancing).*"',
    )


def _growth() -> Iterator[Panel]:
    stalled = ("HeadraceDatasetStalled",)
    yield Panel(
        title="New examples in the chosen time",
        description="Rows written to the table, by signature.",
        show=Show.figures,
        queries=(Query(_SCOPE.seen(EXAMPLES, _SIGNATURE, matching=_NAMED), "{{signature}}"),),
        unit=unit_of(EXAMPLES),
        width=8,
        alerts=stalled,
    )
    yield Panel(
        title="Growth by signature",
        description="New examples an hour, at this pace.",
        show=Show.lines,
        queries=(Query(_SCOPE.hourly(EXAMPLES, _SIGNATURE, matching=_NAMED), "{{signature}}"),),
        unit=an_hour(EXAMPLES),
        width=8,
        alerts=stalled,
    )
    yield Panel(
        title="Feedback",
        description="Rows of the feedback table, an hour; it has no signatures.",
        show=Show.lines,
        queries=(Query(Scope(()).hourly(EXAMPLES, ("job",), matching=_FEEDBACK), "{{job}}"),),
        unit=an_hour(EXAMPLES),
        width=8,
        when_empty="no feedback",
    )


def _fates(alerts: Alerts) -> Iterator[Panel]:
    kept, rejected = _SCOPE.seen(EXAMPLES, _SIGNATURE, matching=_NAMED), _SCOPE.seen(REJECTED, ("signature", "reason"))
    judged = f"({_SCOPE.seen(REJECTED, _SIGNATURE)} + {or_zero(kept, _SCOPE.seen(REJECTED, _SIGNATURE))})"
    yield Panel(
        title="Kept and rejected",
        description="What became of the records that were judged, in the chosen time; duplicates are not judged.",
        show=Show.figures,
        queries=(
            Query(_SCOPE.seen(EXAMPLES, matching=_NAMED), "kept"),
            Query(_SCOPE.seen(REJECTED, ("reason",)), "{{reason}}"),
        ),
        unit=unit_of(REJECTED),
        width=8,
    )
    yield Panel(
        title="Rejected by the filter",
        description="By reason: failed calls, slow or dear ones, low quality, and so on. headrace dataset why says "
        "more of each.",
        show=Show.bars,
        queries=(Query(_SCOPE.hourly(REJECTED, ("signature", "reason")), "{{reason}} {{signature}}"),),
        unit=an_hour(REJECTED),
        width=8,
        alerts=("HeadraceFilterRejecting",),
        when_empty="none was rejected",
    )
    yield Panel(
        title="Share that one reason rejects",
        description=f"Of a signature's judged records, over the chosen time. Over "
        f"{percent(alerts.max_rejected_share)} by one reason, and an alert fires.",
        show=Show.figures,
        queries=(Query(f"{rejected} / on (signature) group_left () {judged}", "{{reason}} {{signature}}"),),
        unit=SHARE,
        width=8,
        limit=Limit(alerts.max_rejected_share),
        alerts=("HeadraceFilterRejecting",),
        when_empty="none was rejected",
    )
    yield Panel(
        title="Records without inputs and outputs",
        description="Failed or slow calls that telemetry.keep keeps beyond the sample; they are never examples.",
        show=Show.bars,
        queries=(Query(_SCOPE.hourly(OUTCOMES, _SIGNATURE), "{{signature}}"),),
        unit=an_hour(OUTCOMES),
        width=12,
        height=6,
        when_empty="telemetry.keep is off, or kept none",
    )
    yield Panel(
        title="Passed without a figure",
        description="Records that passed the filter although the field that a threshold is about was not known, such "
        "as the cost of a model without a price.",
        show=Show.bars,
        queries=(Query(_SCOPE.hourly(UNKNOWN, ("field",)), "{{field}}"),),
        unit=an_hour(UNKNOWN),
        width=12,
        height=6,
        when_empty="each field was known",
    )


def _duplicates() -> Iterator[Panel]:
    read = f"rate({RECORDS.name}[{{}}]) and on (job, instance) {DUPLICATES.name}"
    yield Panel(
        title="Deduplication rate",
        description="Share of the records read whose signature and inputs the table already held.",
        show=Show.lines,
        queries=(
            Query(
                share(_SCOPE.rate(DUPLICATES, ("job",)), f"sum by (job) ({read.format('$__rate_interval')})"), "{{job}}"
            ),
        ),
        unit=SHARE,
        width=12,
    )
    yield Panel(
        title="Deduplication rate in the chosen time",
        description="Share of the records read whose signature and inputs the table already held.",
        show=Show.figures,
        queries=(
            Query(
                share(_SCOPE.rate(DUPLICATES, ("job",), OVERALL), f"sum by (job) ({read.format(OVERALL)})"), "{{job}}"
            ),
        ),
        unit=SHARE,
        width=4,
    )
    yield Panel(
        title="Keys in the seen-set",
        description="What each member knows to be in the table already.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(SEEN_SET_KEYS, ("instance",)), "{{instance}}"),),
        unit=unit_of(SEEN_SET_KEYS),
        width=4,
    )
    yield Panel(
        title="Memory of the seen-set",
        description="Of each member.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(SEEN_SET_BYTES, ("instance",)), "{{instance}}"),),
        unit=unit_of(SEEN_SET_BYTES),
        width=4,
    )


def _room(alerts: Alerts) -> Iterator[Panel]:
    full = ("HeadraceDiskNearlyFull",)
    whose = ("job", "instance", "folder")
    yield Panel(
        title="Free share of the disks",
        description="dataset: the table, where it is on a local disk. state: the seen-set. Once a disk is full, "
        "nothing is committed until there is room.",
        show=Show.lines,
        queries=(
            Query(
                share(_SCOPE.least(DISK_FREE, whose), _SCOPE.least(DISK_SIZE, whose)),
                "{{folder}} {{job}} {{instance}}",
            ),
        ),
        unit=SHARE,
        width=12,
        limit=Limit(alerts.min_disk_free_share, is_least=True),
        alerts=full,
    )
    yield Panel(
        title="Free room on the disks",
        description="For users other than root.",
        show=Show.lines,
        queries=(Query(_SCOPE.least(DISK_FREE, whose), "{{folder}} {{job}} {{instance}}"),),
        unit=unit_of(DISK_FREE),
        width=12,
        alerts=full,
    )
