"""What a producer finishes, the dataset consumer reads: also calls that are nobody's duplicate."""

from typing import Any

import pytest

from headrace.config import load
from headrace.delivery.finishing import Finisher
from headrace.delivery.protection import Protection
from headrace.key_material import producer_keys
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.select import select
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from tests.support.interactions import NOW_MS, message_of
from tests.unit.headrace.calls import captured_call

OFF = {"dedup": {"signatures": {"*": {"enabled": False}}}}


def selected(overrides: dict[str, Any], *calls: Any) -> Any:
    config = load(None, overrides, {})
    finisher = Finisher(config, "host-1-1", Protection(config, producer_keys(config, {})))
    messages = [message_of(finisher.finish(call)[0], offset) for offset, call in enumerate(calls)]
    return select(messages, [True] * len(messages), ColumnarDecoder(), Filter(config.filters))


@pytest.mark.parametrize("is_off", [False, True])
def test_where_deduplication_is_off_equal_calls_are_rows_of_their_own(is_off: bool) -> None:
    calls = [captured_call(event_id=event, input={"question": "why?"}, timestamp_ms=NOW_MS) for event in "aab"]
    selection = selected(OFF if is_off else {}, *calls)
    assert selection.tally.kept == (2 if is_off else 1)  # the first was sent twice
    assert selection.unreadable == []


def test_a_call_that_was_cut_at_capture_is_rejected_and_no_dead_letter() -> None:
    selection = selected({}, captured_call(event_id="a", truncated=True, timestamp_ms=NOW_MS))
    assert selection.unreadable == []
    assert selection.tally.rejected == {"truncated": 1}
