"""PromQL of the dashboards: what cannot be asked is refused when it is rendered."""

import pytest

from headrace_consumers.dashboards.scope import OVERALL, Scope, or_zero
from headrace_consumers.dashboards.units import a_second, an_hour, unit_of
from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION, CALLS_TOTAL, COST
from headrace_consumers.monitoring.catalogue.consumers import DEAD_LETTERS, LAG_RECORDS
from headrace_consumers.monitoring.catalogue.dataset import SEEN_SET_BYTES

SCOPE = Scope(("module", "topic"))


def test_a_metric_is_cut_down_by_the_labels_that_it_has() -> None:
    assert SCOPE.of(CALLS_TOTAL) == 'headrace_calls_total{module=~"$module"}'
    assert SCOPE.of(SEEN_SET_BYTES) == "headrace_seen_set_bytes"
    assert SCOPE.total(LAG_RECORDS, ("job",), 'partition="0"') == (
        'sum by (job) (headrace_consumer_lag_records{topic=~"$topic", partition="0"})'
    )


def test_the_first_of_a_kind_is_seen_where_its_process_was_there_before() -> None:
    series = 'headrace_dead_letters_total{topic=~"$topic"}'
    assert SCOPE.seen(DEAD_LETTERS, ("reason",)) == (
        f"sum by (reason) (({series} unless last_over_time({series}[5m] offset {OVERALL}) "
        f"and on (job, instance) (max_over_time(up[5m] offset {OVERALL}) == 1)) or increase({series}[{OVERALL}]))"
    )


def test_what_has_no_series_yet_is_zero_where_the_whole_has() -> None:
    assert or_zero("errors", "calls") == "(errors or 0 * calls)"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: SCOPE.rate(CALLS_TOTAL, ("modul",)), "headrace_calls_total has no label modul"),
        (lambda: SCOPE.most(LAG_RECORDS, ("module",)), "headrace_consumer_lag_records has no label module"),
        (lambda: SCOPE.rate(LAG_RECORDS), "headrace_consumer_lag_records is a gauge, not a counter"),
        (lambda: SCOPE.seen(CALL_DURATION), "is a histogram, not a counter"),
        (lambda: SCOPE.buckets(CALLS_TOTAL), "headrace_calls_total_bucket: a histogram has _bucket"),
        (lambda: SCOPE.of(CALL_DURATION), "gen_ai_client_operation_duration_seconds: a histogram has _bucket"),
    ],
)
def test_what_nobody_serves_is_refused(ask, said) -> None:
    with pytest.raises(ValueError, match=said):
        ask()


def test_units_are_the_catalogues() -> None:
    assert (unit_of(CALL_DURATION), unit_of(SEEN_SET_BYTES), unit_of(COST)) == ("s", "bytes", "currencyUSD")
    assert (unit_of(CALLS_TOTAL), a_second(CALLS_TOTAL)) == ("short", "suffix:calls/s")
    assert (an_hour(CALLS_TOTAL), an_hour(COST)) == ("suffix:calls/h", "currencyUSD")
