"""The dataset: does it grow, and does one reason keep most records out of it?"""

from collections.abc import Sequence
from typing import Final

from headrace.config.alerts import Alerts
from headrace_consumers.metrics.alerts.promql import COUNT, SHARE, grown, number, one_of, percent, total
from headrace_consumers.metrics.alerts.rule import Alert, Group, Recording, duration, spoken

__all__ = ["dataset"]

_MINUTE_S: Final = 60


def dataset(alerts: Alerts, environments: Sequence[str]) -> Group:
    """Return the rules of the dataset.

    Args:
        alerts: windows and limits.
        environments: whose records become examples.
    """
    return Group("headrace-dataset", (_dataset_stalled(alerts, environments), *_judged(alerts), _rejecting(alerts)))


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
        current=f"{COUNT} examples in {spoken(window_s)}",
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
        current=SHARE,
        threshold=percent(alerts.max_rejected_share),
        action="Run headrace dataset why -s {{ $labels.signature }}",
    )
