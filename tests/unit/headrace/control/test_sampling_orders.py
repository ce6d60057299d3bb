"""Orders on the control topic: their form, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.control import OrderError, SamplingOrder, SamplingScope, read_order
from headrace.control.sampling_orders import FUTURE_MS
from headrace_schemas import Control, control_codec

NOW_MS = 1_700_000_000_000
SCOPE = SamplingScope("production", "shop", "support")
NAMES = st.from_regex(r"\A(\*|[A-Za-z0-9_-]{1,20})\Z")


def record(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "kind": "sampling",
        "name": SCOPE.name,
        "value": '{"rate_pct":25}',
        "updated_at_ms": NOW_MS,
        "updated_by": "ann",
    }
    order: Control = {**fields, **changes}  # type: ignore[typeddict-item]  # tests change any field
    return control_codec().encode(order)


@given(
    environment=NAMES,
    service=NAMES,
    module=NAMES,
    rate_pct=st.none() | st.floats(0, 100),
    enabled=st.none() | st.booleans(),
)
def test_an_order_is_read_as_it_was_written(
    environment: str, service: str, module: str, rate_pct: float | None, enabled: bool | None
) -> None:
    order = SamplingOrder(
        scope=SamplingScope(environment, service, module),
        rate_pct=rate_pct,
        enabled=enabled,
        updated_at_ms=NOW_MS,
        updated_by="ann",
    )
    assert read_order(order.scope.key, order.encoded(), NOW_MS) == order


def test_a_key_is_the_kind_and_the_name() -> None:
    assert SCOPE.key == b"sampling/production/shop/support"
    assert SamplingScope().key == b"sampling/*/*/*"


@pytest.mark.parametrize("value", [None, record(value="{}"), record(value='{"rate_pct":null,"enabled":null}')])
def test_a_tombstone_an_empty_object_and_two_nulls_take_it_back(value: bytes | None) -> None:
    order = read_order(SCOPE.key, value, NOW_MS)
    assert order is not None
    assert order.is_empty
    assert order.scope == SCOPE


def test_members_that_a_later_release_adds_are_passed_over() -> None:
    order = read_order(SCOPE.key, record(value='{"rate_pct":25,"slow_pct":3}'), NOW_MS)
    assert order is not None
    assert (order.rate_pct, order.enabled) == (25, None)


@pytest.mark.parametrize("key", [b"routing/support", b"", None, b"other"])
def test_other_kinds_are_no_sampling_orders(key: bytes | None) -> None:
    assert read_order(key, b"whatever", NOW_MS) is None


def test_a_date_up_to_an_hour_ahead_is_a_clock_that_differs() -> None:
    assert read_order(SCOPE.key, record(updated_at_ms=NOW_MS + FUTURE_MS), NOW_MS) is not None


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        (b"\xff", record(), "its key is no text"),
        (b"sampling/support", record(), "no <environment>/<service>/<module>"),
        (b"sampling/a/b/c/d", record(), "no <environment>/<service>/<module>"),
        (b"sampling/a//c", record(), "no <environment>/<service>/<module>"),
        (b"sampling/a/b/..", record(), "no <environment>/<service>/<module>"),
        (SCOPE.key, b"", r"it is unreadable \(not_single_object\)"),
        (SCOPE.key, record()[:-3], r"it is unreadable \(undecodable\)"),
        (SCOPE.key, record(name="production/shop/other"), "its key and its record name two orders"),
        (SCOPE.key, record(kind="routing"), "its key and its record name two orders"),
        (SCOPE.key, record(updated_at_ms=NOW_MS + FUTURE_MS + 1), "dated more than an hour ahead"),
        (SCOPE.key, record(value="rate=25"), "its value is no JSON"),
        (SCOPE.key, record(value="[25]"), "its value is no JSON object"),
        (SCOPE.key, record(value="[" * 100_000), "its value is no JSON"),
        (SCOPE.key, record(value='{"rate_pct":101}'), "its rate_pct is no number from 0 to 100"),
        (SCOPE.key, record(value='{"rate_pct":-1}'), "its rate_pct"),
        (SCOPE.key, record(value='{"rate_pct":NaN}'), "its "),
        (SCOPE.key, record(value='{"rate_pct":"25"}'), "its rate_pct"),
        (SCOPE.key, record(value='{"rate_pct":true}'), "its rate_pct"),
        (SCOPE.key, record(value='{"enabled":1}'), "its enabled is neither true nor false"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(key: bytes, value: bytes, why: str) -> None:
    with pytest.raises(OrderError, match=why) as raised:
        read_order(key, value, NOW_MS)
    assert "\n" not in str(raised.value)


@given(key=st.binary(max_size=40), value=st.none() | st.binary(max_size=200))
def test_any_bytes_are_an_order_or_an_order_error(key: bytes, value: bytes | None) -> None:
    try:
        read_order(b"sampling/" + key, value, NOW_MS)
    except OrderError as error:
        assert str(error).startswith("it")  # noqa: PT017  # either outcome is right
