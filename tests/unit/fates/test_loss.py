"""What to do about a loss: the document's troubleshooting, from the counts."""

from collections import Counter

import pytest

from headrace_consumers.fates.calls import Calls, summed
from headrace_consumers.fates.fate import Fate, Outcome
from headrace_consumers.fates.loss import Loss, Targets, advice

ENOUGH = Targets(rows=0, rate_pct=10)


def loss(*, rows=0, calls=None, looked_at=100, unreadable=0, rejected=None, **outcomes):
    found = Loss("S", rows=rows, calls=calls, looked_at=looked_at)
    found.unreadable.update({"undecodable": unreadable} if unreadable else {})
    for name, count in outcomes.items():
        for _ in range(count):
            found.add(Fate(Outcome(name)))
    for reason, count in (rejected or {}).items():
        for _ in range(count):
            found.add(Fate(Outcome.rejected, reason))
    return found


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (loss(calls=Calls(0, 0, 0, 0, None)), ["no call was counted"]),
        (loss(calls=Calls(500, 0, 50, 1, 0)), ["none of the newest 100 records is of it"]),
        (loss(row=30, copy=10, rejected={"cost": 4}), []),
        (loss(row=30, rejected={"cost": 10, "latency": 20}), ["max_latency_ms", "max_cost_usd"]),
        (loss(row=1, rejected={"cost": 18}), []),  # too few to say
        (loss(row=10, copy=40), ["dedup.signatures.S.fields"]),
        (loss(row=10, rejected={"a.b:own": 40}), ["own_filters, a.b:own"]),
        (loss(row=10, unreadable=20), ["headrace deadletter ls"]),
        (loss(row=10, outcome=30), ["telemetry.keep"]),
        (loss(row=10, waiting=1), ["does headrace consume dataset run?"]),
        (loss(row=10, absent=1), ["pass the filter now"]),
    ],
)
def test_what_to_do(found, words):
    lines = list(advice(found, ENOUGH))
    assert len(lines) == len(words), lines
    for word, line in zip(words, lines, strict=True):
        assert word in line


def test_too_few_rows():
    (line,) = advice(loss(rows=3, row=3), Targets(rows=50, rate_pct=10))
    assert line.startswith("3 rows, 50 are wanted (optimization.telemetry_target)")
    assert list(advice(loss(rows=50, row=3), Targets(rows=50, rate_pct=10))) == []


def test_calls_are_summed_over_processes_and_modules():
    def call(signature, calls, failed, sampled):
        return {
            "signature": signature,
            "calls": calls,
            "errors": [{"name": "E", "count": failed}],
            "usage": [{"sampled": sampled}, {"sampled": 1}],
        }

    records = [
        {"started_at_ms": 7, "calls": [call("S", 10, 1, 2), call("S", 5, 0, 1), call("Other", 99, 9, 9)]},
        {"started_at_ms": 5, "calls": [call("S", 3, 0, 0)]},
        {"started_at_ms": 1, "calls": [call("Other", 3, 0, 0)]},
    ]
    assert summed(records, "S") == Calls(18, 1, 6, 2, 5)
    assert summed(records, "None") == Calls(0, 0, 0, 0, None)


def test_a_loss_is_unknown_only_if_nothing_is_found_anywhere():
    assert loss().is_unknown
    assert not loss(rows=1).is_unknown
    assert not loss(calls=Calls(1, 0, 0, 1, 0)).is_unknown
    found = loss()
    found.committed.rejected = Counter(cost=1)
    assert not found.is_unknown
