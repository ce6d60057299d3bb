"""Every call is counted once: in threads, signal handlers, beyond the limits, until the snapshot that seals."""

import signal
import threading
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from headrace.counters import MAX_KINDS, MAX_SERIES, OTHER, Counters
from headrace_schemas import statistics_codec
from headrace_schemas.latency import BOUNDS_S, bucket_of

KEY = ("support", "baseline", "Answer")
OUTCOMES = st.sampled_from([(None, False), ("ValueError", False), ("TimeoutError", False), ("CancelledError", True)])


def only(counters):
    (series,) = counters.snapshot()
    return series


@given(st.lists(st.tuples(st.floats(0, 200), OUTCOMES)))
def test_what_was_added_is_what_the_snapshot_says(calls):
    counters = Counters()
    assert counters.is_empty
    for latency_s, (error_type, cancelled) in calls:
        assert counters.add(KEY, latency_s, error_type, cancelled=cancelled)
    if not calls:
        assert counters.snapshot() == []
        return
    series = only(counters)
    assert (series["module_name"], series["module_version"], series["signature"]) == KEY
    assert series["calls"] == len(calls) == sum(series["latency_counts"])
    assert series["cancelled"] == sum(cancelled for _, (_, cancelled) in calls)
    errors = [error_type for _, (error_type, cancelled) in calls if error_type and not cancelled]
    assert {each["name"]: each["count"] for each in series["errors"]} == {
        name: errors.count(name) for name in set(errors)
    }
    assert abs(series["latency_s_sum"] - sum(latency_s for latency_s, _ in calls)) < 1e-6
    for bucket, count in enumerate(series["latency_counts"]):
        assert count == sum(bucket_of(latency_s) == bucket for latency_s, _ in calls)


def test_a_latency_on_a_bound_belongs_to_that_bound():
    counters = Counters()
    for latency_s in (0.0, BOUNDS_S[0], 1.0, 1.0000001, 100.0):
        counters.add(KEY, latency_s)
    counts = only(counters)["latency_counts"]
    assert (counts[0], counts[bucket_of(1.0)], counts[bucket_of(1.0) + 1], counts[-1]) == (2, 1, 1, 1)


def test_usage_is_weighted_and_the_unknown_is_counted():
    counters = Counters()
    for cost_usd in (0.5, None):
        counters.add_usage(KEY, "gpt", 4.0, tokens_input=10, tokens_output=None, cost_usd=cost_usd)
    counters.add_usage(KEY, None, 2.0, tokens_input=1, tokens_output=1, cost_usd=0.0)
    gpt, unknown = only(counters)["usage"]
    assert gpt == {
        "model": "gpt",
        "sampled": 2,
        "weight": 8.0,
        "tokens_input": 80.0,
        "tokens_output": 0.0,
        "cost_usd": 2.0,
        "unknown_cost": 1,
    }
    assert (unknown["model"], unknown["weight"], unknown["unknown_cost"]) == ("", 2.0, 0)


def test_a_snapshot_shares_nothing_with_the_counters():
    counters = Counters()
    counters.add(KEY, 1.0, "ValueError")
    counters.add_usage(KEY, "gpt", 1.0, tokens_input=1, tokens_output=1, cost_usd=0.0)
    before = counters.snapshot()
    counters.add(KEY, 1.0, "ValueError")
    counters.add_usage(KEY, "gpt", 1.0, tokens_input=1, tokens_output=1, cost_usd=0.0)
    assert before[0]["calls"] == before[0]["errors"][0]["count"] == before[0]["usage"][0]["sampled"] == 1


def test_memory_is_bounded_and_what_exceeds_the_limits_is_counted_under_other():
    counters = Counters()
    for number in range(MAX_SERIES + 50):
        counters.add((f"m{number}", "v", "s"), 0.1)
    for number in range(MAX_KINDS + 50):
        counters.add(("m0", "v", "s"), 0.1, f"Error{number}")
        counters.add_usage(("m0", "v", "s"), f"model{number}", 1.0, tokens_input=1, tokens_output=1, cost_usd=0.0)
    series = {each["module_name"]: each for each in counters.snapshot()}
    assert len(series) == MAX_SERIES + 1
    assert series[OTHER]["calls"] == 50
    errors = {each["name"]: each["count"] for each in series["m0"]["errors"]}
    assert (len(errors), errors[OTHER]) == (MAX_KINDS + 1, 50)
    models = {each["model"]: each["sampled"] for each in series["m0"]["usage"]}
    assert (len(models), models[OTHER]) == (MAX_KINDS + 1, 50)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from(["", "candidate", "baseline"]))))
def test_of_a_rollouts_stage_both_arms_are_counted_or_neither(calls):
    counters, limit = Counters(), 5
    with patch("headrace.counters.MAX_SERIES", limit):
        for name, stage, arm in calls:
            assert counters.add((name, arm, "s", arm, "r1", stage) if arm else (f"{name}{stage}", "v", "s"), 0.1)
    counted = {(each["module_name"], each["stage"], each["arm"]): each["calls"] for each in counters.snapshot()}
    assert sum(counted.values()) == len(calls)
    assert len(counted) <= limit + 1
    for name, stage in {(name, stage) for name, stage, arm in calls if arm}:
        called = {arm for each, at, arm in calls if (each, at) == (name, stage) and arm}
        assert {arm for arm in called if (name, stage, arm) in counted} in (called, set())


def test_the_second_arm_has_its_place_however_many_came_in_between():
    counters = Counters()
    for number in range(MAX_SERIES - 2):
        counters.add((f"m{number}", "v", "s"), 0.1)
    counters.add(("qa", "v2", "s", "candidate", "r1", 1), 0.1)
    counters.add(("late", "v", "s"), 0.1)
    counters.add(("qa", "v1", "s", "baseline", "r1", 1), 0.1)
    counters.add(("qa", "v2", "s", "candidate", "r1", 2), 0.1)
    series = {(each["module_name"], each["arm"], each["stage"]): each["calls"] for each in counters.snapshot()}
    assert {key: calls for key, calls in series.items() if not key[0].startswith("m")} == {
        ("qa", "candidate", 1): 1,
        ("qa", "baseline", 1): 1,
        (OTHER, "", 0): 2,
    }


def test_sealed_counters_refuse_what_comes_after_the_last_snapshot():
    counters = Counters()
    counters.add(KEY, 1.0)
    assert counters.snapshot(seal=True)[0]["calls"] == 1
    assert not counters.add(KEY, 1.0)
    assert not counters.add(("new", "v", "s"), 1.0)
    for key in (KEY, ("new", "v", "s")):
        assert not counters.add_usage(key, "gpt", 1.0, tokens_input=1, tokens_output=1, cost_usd=0.0)
    assert [usage["sampled"] for usage in only(counters)["usage"]] == [0]
    assert only(counters)["calls"] == 1


def test_the_first_call_of_each_key_is_told_of():
    told = []
    counters = Counters(lambda: told.append(len(counters.snapshot())))
    for key in (KEY, KEY, ("other", "v", "s"), KEY):
        counters.add(key, 1.0)
    assert told == [1, 2]


def test_threads_lose_no_call_and_no_snapshot_shows_more_errors_than_calls():
    counters, threads, each = Counters(), 8, 4_000
    begin, torn, running = threading.Barrier(threads + 1), [], threading.Event()
    running.set()

    def call(number):
        begin.wait(30)
        for step in range(each):
            counters.add(KEY, 0.015, "ValueError" if step % 2 else None)
            counters.add((f"thread{number}", "v", "s"), 0.015)

    def read():
        begin.wait(30)
        while running.is_set():
            for series in counters.snapshot():
                failed = sum(error["count"] for error in series["errors"])
                if failed > series["calls"] or series["calls"] != sum(series["latency_counts"]):
                    torn.append(series)

    reader = threading.Thread(target=read)
    workers = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
    for thread in (reader, *workers):
        thread.start()
    for thread in workers:
        thread.join(60)
    running.clear()
    reader.join(60)
    assert torn == []
    totals = {series["module_name"]: series for series in counters.snapshot()}
    assert totals["support"]["calls"] == threads * each
    assert totals["support"]["errors"] == [{"name": "ValueError", "count": threads * each // 2}]
    assert all(totals[f"thread{number}"]["calls"] == each for number in range(threads))


def test_a_signal_handler_that_counts_interrupts_a_call_that_is_being_counted_and_neither_is_lost():
    counters, handled, calls = Counters(), 0, 30_000

    def count(*_):
        nonlocal handled
        handled += 1
        counters.add(KEY, 0.5, "ValueError")

    before = signal.signal(signal.SIGVTALRM, count)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0005, 0.0005)
    try:
        for _ in range(calls):
            counters.add(KEY, 0.5, "ValueError")
        while handled < 5:
            counters.add(KEY, 0.5, "ValueError")
            calls += 1
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0, 0)
        signal.signal(signal.SIGVTALRM, before)
    series = only(counters)
    assert series["calls"] == series["errors"][0]["count"] == calls + handled


def test_a_handler_that_comes_while_its_own_thread_holds_the_lock_does_not_wait_for_itself():
    counters = Counters()
    counters.add(KEY, 0.5)
    with counters._series[KEY].lock, counters._lock:  # where an interruption may find the thread
        assert counters.add(KEY, 0.5)
        assert counters.add(("new", "v", "s"), 0.5)


def test_the_arms_and_stages_of_a_rollout_are_series_of_their_own():
    counters = Counters()
    counters.add(KEY, 1.0)
    counters.add((*KEY, "candidate", "r1", 2), 1.0, "ValueError")
    counters.add((*KEY, "baseline", "r1", 2), 1.0)
    counters.add((*KEY, "candidate", "r1", 3), 1.0)
    found = {(each["arm"], each["rollout_id"], each["stage"]): each["calls"] for each in counters.snapshot()}
    assert found == {("", "", 0): 1, ("candidate", "r1", 2): 1, ("baseline", "r1", 2): 1, ("candidate", "r1", 3): 1}


def test_a_snapshot_is_what_the_contract_takes():
    counters = Counters()
    counters.add(KEY, 1.0, "ValueError")
    counters.add_usage(KEY, None, 1.0, tokens_input=None, tokens_output=None, cost_usd=None)
    record = {
        "instance": "i",
        "started_at_ms": 1,
        "sequence": 1,
        "timestamp_ms": 2,
        "is_last": False,
        "service": "",
        "environment": "production",
        "release": "",
        "sampled": 0,
        "adopted": 0,
        "delivered": 0,
        "spooled": 0,
        "in_flight": 0,
        "dropped": [],
        "spool_bytes": 0,
        "program_failures": [],
        "calls": counters.snapshot(),
    }
    codec = statistics_codec()
    assert codec.decode(codec.encode(record)) == record
