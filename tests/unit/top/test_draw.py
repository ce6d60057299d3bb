"""Lines of a width and a height."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from headrace_consumers.top.calls import CallRow
from headrace_consumers.top.draw import draw
from headrace_consumers.top.quantile import Between
from headrace_consumers.top.rows import Row
from headrace_consumers.top.view import View


def call(module="support", **changes):
    figures = {"calls_per_s": 35.2, "success": 0.912, "p50": Between(0.08, 0.16), "p99": Between(3, 5), "sampled": 0.1}
    more = {"cost_p99": Between(0.05, 0.1), "cost_usd_per_h": 3.2, "tokens_per_h": 5e5}
    names = {"signature": "Triage", "version": "v1", "environment": "production"}
    return CallRow(**{"module": module, **names, **figures, **more, **changes})


ROWS = [Row("consumer", "metrics at 127.0.0.1:9464 is well"), Row("lost", "queue_full 8 (+3)", is_bad=True)]


def lines(calls, rows=ROWS, *, width=160, height=None, over_s=60.0):
    return [str(line) for line in draw(View(over_s, calls, rows), width=width, height=height, title="headrace top")]


def test_where_there_is_room_a_module_has_one_line_and_what_is_bad_a_mark():
    found = lines([call(is_failing=True, is_slow=True, is_dear=True), call("search")])
    assert [line.split("  v1  ")[-1] for line in found] == [
        "headrace top   rates, (+n): last 60 s   ! bad",
        "",
        found[2],
        "     production        35   !91.2%  80-160 ms !3-5 s   $3.20      500k      10% !$0.05-0.1",
        "     production        35    91.2%  80-160 ms  3-5 s   $3.20      500k      10%  $0.05-0.1",
        "",
        "  consumer     metrics at 127.0.0.1:9464 is well",
        "! lost         queue_full 8 (+3)",
    ]
    titles = ["module", "signature", "version", "environment", "calls/s", "success", "p50", "p99", "cost/h", "tokens/h"]
    assert found[2].split() == [*titles, "sampled", "p99", "cost"]


def test_in_80_columns_it_has_two_lines_and_a_cost_that_is_bad_is_told_beside_the_name():
    assert lines([call(is_dear=True)], width=80)[2:6] == [
        "module   signature  version  environment",
        " calls/s  success        p50    p99  cost/h  tokens/h  sampled",
        "support  Triage     v1       production   p99 cost $0.05-0.1 !",
        "      35    91.2%  80-160 ms  3-5 s   $3.20      500k      10%",
    ]


@pytest.mark.parametrize(
    ("calls", "says"),
    [(None, "! no metrics consumer is reached: no figures of calls"), ([], "no calls were told of yet")],
)
def test_where_there_are_no_modules_it_says_why(calls, says):
    assert lines(calls)[2] == says


def test_before_the_second_page_there_are_no_rates():
    found = lines([CallRow(module="m", signature="", version="", environment="", calls_per_s=None)], over_s=0)
    assert "rates to come" in found[0]
    assert set(found[3].split()) == {"m", "-"}


def test_what_a_name_tells_a_terminal_is_not_passed_on():
    found = lines([call("\x1b[2Jevil\n")], [Row("lost", "a\x1b]0;x\x07b")])
    assert not any(not character.isprintable() for line in found for character in line)
    assert "\ufffd[2Jevil\ufffd" in found[3]


def test_what_is_bad_stays_where_there_is_no_room_for_all():
    rows = [*(Row(f"row {number}", "well") for number in range(30)), Row("lost", "much", is_bad=True)]
    found = lines([call(f"m{number}") for number in range(30)], rows, height=12)
    assert len(found) <= 12
    assert found[-1] == "! lost         much"
    assert "and 28 more: a taller terminal or --once shows them" in found


def test_names_of_wide_letters_keep_the_columns_aligned():
    head, first, second = lines([call("支持"), call("support")])[2:5]
    assert cell_len(first[: first.index("Triage")]) == second.index("Triage") == head.index("signature")


@given(
    st.integers(20, 200),
    st.integers(1, 60),
    st.lists(st.builds(call, st.text(max_size=60), is_slow=st.booleans()), max_size=20),
    st.lists(st.builds(Row, st.text("ab", max_size=12), st.text(max_size=200), st.booleans()), max_size=20),
)
def test_no_view_is_larger_than_the_terminal(width, height, calls, rows):
    found = lines(calls, rows, width=width, height=height)
    assert len(found) <= height
    assert max(map(cell_len, found), default=0) <= width


def test_bounds_without_end_and_tiny_figures_fit_in_80_columns():
    wide = {"p50": Between(20.48, 30), "p99": Between(81.92, math.inf), "cost_usd_per_h": 9_999, "tokens_per_h": 9.9e9}
    found = lines([call(**wide, is_slow=True)], width=80)
    assert not any("…" in line for line in found)
    assert "!> 81.92 s" in found[5]


def test_a_row_that_says_much_goes_on_below_its_beginning():
    found = lines([], [Row("examples", " ".join(f"Signature{n} {n}," for n in range(12)))], width=60)[4:]
    assert len(found) > 1
    assert all(one.startswith("               Signature") for _, one in pairwise(found))
