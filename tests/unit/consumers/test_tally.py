"""Counts by signature and reason, and what a commit tells of them in the table's log."""

import json
from collections import Counter

from deltalake import DeltaTable

from headrace_consumers.dataset.delta.facts import MOST_SIGNATURES, NAME, OTHERS, facts_of, read_facts
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.tally import SignatureTally, Tally
from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of

MOVES = [Move("id/0", None, 7), Move("id/1", 3, 9)]


def test_a_tally_is_told_and_read_again():
    tally = Tally(
        consumed=10,
        kept=3,
        rows=Counter(A=2, B=1),
        duplicates=2,
        outcomes=1,
        outcomes_of=Counter(A=1),
        rejections=Counter({("A", "failed"): 2, ("C", "cost"): 1}),
        dead_letters=Counter(undecodable=1),
    )
    assert tally.balances
    facts = read_facts(facts_of(tally, MOVES))
    assert facts is not None
    assert (facts.read, facts.copies, facts.dead_letters) == (10, 2, {"undecodable": 1})
    assert facts.signatures == {
        "A": SignatureTally(2, 1, Counter(failed=2)),
        "B": SignatureTally(1, 0, Counter()),
        "C": SignatureTally(0, 0, Counter(cost=1)),
    }
    assert facts.moves == {"id/0": (None, 7), "id/1": (3, 9)}


def test_it_is_small_for_nothing_and_bounded_for_thousands_of_signatures():
    assert len(facts_of(Tally(), [Move("id/0", 3, 4)])[NAME]) < 40
    names = [f"{number:0128d}" for number in range(5000)]
    rejections = Counter({(name, reason): 9**9 for name in names for reason in ("failed", "cost", "quality")})
    tally = Tally(rows=Counter({name: 10**12 + number for number, name in enumerate(names)}), rejections=rejections)
    told = facts_of(tally, MOVES)
    assert len(told[NAME]) < 8000
    facts = read_facts(told)
    assert facts is not None
    assert len(facts.signatures) == MOST_SIGNATURES + 1
    assert names[-1] in facts.signatures
    assert sum(of.kept for of in facts.signatures.values()) == sum(tally.rows.values())
    assert facts.signatures[OTHERS].rejected["cost"] == 9**9 * (5000 - MOST_SIGNATURES)


def test_commits_of_others_tell_nothing():
    for info in ({}, {NAME: "x"}, {NAME: "[]"}, {NAME: 7}, {NAME: '{"moves":{"a":1}}'}, {NAME: '{"signatures":[1]}'}):
        assert read_facts(info) is None


def test_every_commit_tells_of_its_batch(tmp_path):
    path = CommitPath(tmp_path)
    batch = [
        message_of(interaction("a"), 0),
        message_of(interaction("a"), 1),
        message_of(interaction("b", success=False), 2),
        message_of(interaction("c", signature="Other"), 3),
        message_of(b"rubbish", 4, key=b"k"),
        message_of(interaction("d", capture_level="outcome", dedup_key="event-1"), 5),
    ]
    tally = path.commit(batch)
    path.commit([message_of(interaction("a"), 6)])
    path.close()
    assert tally.balances
    again, first, *_ = [read_facts(entry) for entry in DeltaTable(str(path.table.path)).history()]
    signature = interaction()["signature"]
    assert again is not None
    assert (again.read, again.copies, again.moves) == (1, 1, {"topic-id/0": (6, 7)})
    assert first is not None
    assert (first.read, first.copies, first.dead_letters) == (6, 1, {"not_single_object": 1})
    assert {name: of.as_dict() for name, of in first.signatures.items()} == {
        signature: {"kept": 1, "outcomes": 1, "rejected": {"failed": 1}},
        "Other": {"kept": 1, "outcomes": 0, "rejected": {}},
    }
    assert json.loads(json.dumps(tally.as_dict()))["by_signature"] == {
        name: of.as_dict() for name, of in first.signatures.items()
    }
