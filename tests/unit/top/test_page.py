"""What is read of a consumer's page."""

import pytest

from headrace_consumers.monitoring.catalogue import calls, consumers
from headrace_consumers.top.page import NoPageError, read
from tests.unit.top.pages import WHOSE, counts, page

VALUES = {
    (calls.CALLS_TOTAL, WHOSE): 5,
    (calls.CALL_DURATION, WHOSE): counts({0.02: 3, float("inf"): 2}),
    (consumers.LAG_RECORDS, ("interactions", "3")): 7,
}


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_both_formats_say_the_same(accept):
    found = read(page(VALUES, accept=accept), accept)
    assert (found.consumer, found.release, found.records) == ("metrics", "0.1.0", 100)
    assert found.counters[calls.CALLS_TOTAL.name, WHOSE] == 5
    assert found.counters[calls.CALL_DURATION.name, (*WHOSE, "0.01")] == 0
    assert found.counters[calls.CALL_DURATION.name, (*WHOSE, "0.02")] == 3
    assert found.counters[calls.CALL_DURATION.name, (*WHOSE, "+Inf")] == 5
    assert found.gauges[consumers.LAG_RECORDS.name, ("interactions", "3")] == 7


def test_what_is_not_finite_and_what_nobody_asks_for_is_passed_over():
    text = page({}) + "up 1\nheadrace_consumer_lag_records NaN\n"
    assert read(text) == read(page({}))


@pytest.mark.parametrize("text", ["<html>", "a{b=", "# TYPE a counter\na_total one\n"])
def test_what_is_no_page_says_so(text):
    with pytest.raises(NoPageError, match="not with a page of metrics"):
        read(text)


@pytest.mark.parametrize("text", ["", "node_load1 0.5\n"])
def test_a_page_of_another_program_is_told_apart(text):
    with pytest.raises(NoPageError, match="no Headrace consumer"):
        read(text)
