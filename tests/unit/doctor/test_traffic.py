"""What the newest records tell: freshness, clocks, duplicates, thresholds."""

import json
from collections import Counter

import pytest

from headrace.config import load
from headrace_consumers.dataset.records.decode import Decoded
from headrace_consumers.doctor import traffic
from headrace_consumers.doctor.dataset_rows import judge_rows
from headrace_consumers.doctor.traffic import Sample
from tests.support.interactions import interaction

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def decoded(question="why?", **changes):
    record = interaction(question, **{"timestamp_ms": NOW_MS, "instance": "web-1-77-abcdef01", **changes})
    return Decoded(record, json.loads(record["output"]))


def sample(*records, append_ms=NOW_MS, **more):
    return Sample("topic", list(records), [append_ms] * len(records), **more)


@pytest.mark.parametrize(
    ("age_ms", "state", "what"),
    [
        (0, "ok", "the newest record is 0 seconds old; 5 in all"),
        (90_000, "ok", "the newest record is 90 seconds old; 5 in all"),
        (7_200_000, "ok", "the newest record is 2 hours old; 5 in all"),
        (DAY_MS + 1, "note", "the newest record is 24 hours old; 5 in all"),
        (9 * DAY_MS, "note", "the newest record is 9 days old; 5 in all"),
    ],
)
def test_when_the_newest_record_came(age_ms, state, what):
    result = traffic.judge_freshness(sample(decoded(), total=5), NOW_MS + age_ms)
    assert (result.state, result.what) == (state, what)


def test_no_records_point_to_the_service():
    result = traffic.judge_freshness(Sample("topic"), NOW_MS)
    assert (result.state, result.what) == ("note", "no records yet")
    assert "headrace.stats()" in result.mend


def test_a_log_has_the_calls_own_times():
    assert (
        traffic.judge_freshness(Sample("log", [decoded()]), NOW_MS + 1000).what == "the newest record is 1 seconds old"
    )
    assert list(traffic.judge_clocks(Sample("log", [decoded()]), NOW_MS)) == []


def test_unreadable_records_are_wrong_and_a_newer_schema_has_its_mend():
    unreadable = Counter(unknown_schema=3, key_mismatch=1)
    newer, foreign = traffic.judge_readable(sample(decoded(), unreadable=unreadable))
    assert (newer.state, newer.what) == ("wrong", "3 of the newest 5 are unreadable: unknown_schema")
    assert "schemas.path" in newer.mend
    assert "the message key is not the record's" in foreign.mend
    (fine,) = traffic.judge_readable(sample(decoded()))
    assert fine.state == "ok"
    assert list(traffic.judge_readable(Sample("topic"))) == []


def test_clocks_that_run_ahead_of_the_brokers():
    (fine,) = traffic.judge_clocks(sample(decoded(timestamp_ms=NOW_MS + 60_000)), NOW_MS - 5_000)
    assert fine.state == "ok"
    (host,) = traffic.judge_clocks(sample(decoded()), NOW_MS - 5_001)
    assert (host.check, host.state) == ("clock of this host", "wrong")
    (producer,) = traffic.judge_clocks(sample(decoded(), decoded(timestamp_ms=NOW_MS + 61_000)), NOW_MS)
    assert (producer.check, producer.state, producer.what) == (
        "clock of web-1",
        "wrong",
        "61 s ahead of the broker's",
    )


def test_too_many_duplicates_name_the_setting_by_signature():
    same = [decoded("a", signature="Same")] * 11 + [decoded(n, signature="Same") for n in range(9)]
    fresh = [decoded(n, signature="Fresh") for n in range(20)]
    few = [decoded("a", signature="Few")] * 19
    first, second = traffic.judge_duplicates(sample(*same, *fresh, *few))
    assert (first.check, first.state) == ("duplicates of Fresh", "ok")
    assert (second.check, second.state, second.what) == (
        "duplicates of Same",
        "ok",
        "50% of the newest 20 records",
    )
    (more,) = traffic.judge_duplicates(sample(*same, decoded("a", signature="Same")))
    assert (more.state, more.what) == ("note", "52% of the newest 21 records repeat the inputs of another")
    assert "dedup.signatures.Same.fields" in more.mend


def test_thresholds_that_reject_most_are_named():
    slow = [decoded(n, signature="Slow", latency_ms=9000.0) for n in range(15)]
    failed = [decoded(n, signature="Slow", success=False) for n in range(3)]
    good = [decoded(n, signature="Good", latency_ms=10.0) for n in range(20)]
    outcome = [decoded(n, signature="Outcome", capture_level="outcome", success=False) for n in range(30)]
    filters = load(None, {}, {}).filters
    (fine,) = traffic.judge_examples(sample(*slow, *failed, *good, *outcome), filters)  # 18 of Slow say little
    assert (fine.check, fine.state) == ("examples of Good", "ok")
    assert fine.what == "100% of the newest 20 records pass the filter"
    (poor,) = traffic.judge_examples(sample(*slow, *failed, *(decoded(n, signature="Slow") for n in range(2))), filters)
    assert poor.state == "note"
    assert poor.what == "90% of the newest 20 records are rejected, 15 for latency"
    assert poor.mend == "look at filters.signatures.Slow and filters.default: max_latency_ms"


def test_each_reason_of_the_filter_has_its_threshold():
    from headrace_consumers.dataset.judging.advice import _KEYS
    from headrace_consumers.dataset.judging.filter import REASONS

    assert set(_KEYS) == set(REASONS)


def test_few_rows_name_target_and_rate():
    rows = [{"signature": "A", "rows": 49}, {"signature": "B", "rows": 50}]
    few, enough = judge_rows(rows, 50, 10)
    assert (few.check, few.state) == ("dataset A", "note")
    assert few.what == "49 rows, 50 are wanted (optimization.telemetry_target)"
    assert "telemetry.sampling_rate_pct (now 10)" in few.mend
    assert (enough.state, enough.what) == ("ok", "50 rows")
