"""The seen-set against the table: equal, behind, and each way in which it may be wrong."""

import fcntl

import duckdb
import pytest
from deltalake import DeltaTable

from headrace_consumers.cli import main
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.seen.catch_up import catch_up
from headrace_consumers.dataset.seen.seen_file import Origin
from headrace_consumers.dataset.seen.seen_set import DuckDbSeenSet
from headrace_consumers.verification.seen import judge_state
from tests.support.committing import SOURCE, CommitPath
from tests.support.interactions import interaction, message_of


@pytest.fixture
def member(tmp_path):
    """A member's folder, and a table of 15 rows that it has committed; the consumer has ended."""
    folder = tmp_path / "state" / "member-0"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    path = CommitPath(folder)
    for start in (0, 5, 10):
        records = [interaction(f"question {n}", request_id=f"request-{n}") for n in range(start, start + 5)]
        path.commit([message_of(record, start + n) for n, record in enumerate(records)])
    path.close()
    return folder


def judged(member):
    table = DeltaTable(str(member / "table"))
    return list(judge_state(table, store_at(member / "table"), member.parent))


def change(member, *statements):
    with duckdb.connect(str(member / "seen-0.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def test_equal(member):
    (result,) = judged(member)
    assert (result.state, result.what) == ("ok", "its 15 keys are those of the table")


def test_behind_the_table_is_no_fault(member):
    change(member, "delete from seen", "update origin set next_offset = 0")
    (result,) = judged(member)
    assert (result.state, result.what) == ("ok", "its 0 keys are those of the table, 15 offsets behind it")


@pytest.mark.parametrize(
    ("statement", "state", "what"),
    [
        ("delete from seen where fingerprint in (select min(fingerprint) from seen)", "wrong", "it lacks 1 keys"),
        ("insert into seen select max(day), 42 from seen", "wrong", "1 of its keys are in no row"),
        (
            "insert into seen select min(day) - 1, 42 from seen",
            "note",
            "1 of its keys are of rows that the table holds",
        ),
        ("update origin set next_offset = 14", "ok", "its 15 keys are those of the table, 1 offsets behind it"),
        ("update origin set next_offset = 16", "note", "it is ahead of the table (16 > 15)"),
        ("update origin set next_offset = null", "note", "it is not whole"),
        ("update origin set table_id = 'other'", "note", "it was made from another table"),
        ("drop table origin", "note", "it cannot be read"),
        ("delete from origin", "note", "it cannot be read"),
    ],
)
def test_each_way_in_which_it_differs(member, statement, state, what):
    change(member, statement)
    (result,) = judged(member)
    assert result.state == state
    assert what in result.what


def test_one_from_before_an_erasure_is_no_fault_for_the_next_start_makes_it_anew(member, monkeypatch, capsys):
    monkeypatch.chdir(member)
    monkeypatch.setenv("HEADRACE_DATASET__PATH", str(member / "table"))
    monkeypatch.setenv("HEADRACE_DATASET__STATE_PATH", str(member.parent))
    assert main(["erase", "--request", "request-7", "--table", str(member / "table"), "--apply"]) == 0
    capsys.readouterr()
    assert main(["dataset", "verify"]) == 0
    told = capsys.readouterr().out
    assert "an erasure took rows since it was written" in told
    assert "the next start makes it anew" in told

    table = InteractionTable(member / "table")
    seen = DuckDbSeenSet(member, Origin(table.id, SOURCE.topic_id, SOURCE.partition_count))
    list(catch_up(table, seen, SOURCE.topic_id, SOURCE.partition_count, [0]))
    seen.close()
    (result,) = judged(member)
    assert (result.state, result.what) == ("ok", "its 14 keys are those of the table")
    change(member, "insert into seen select 40000, 42")  # and what is wrong since then is told
    (result,) = judged(member)
    assert result.state == "wrong"


def test_a_damaged_file_is_told(member):
    (member / "seen-0.duckdb").write_bytes(b"rubbish")
    (result,) = judged(member)
    assert (result.state, "it cannot be read" in result.what) == ("note", True)


def test_only_the_keys_of_its_partition(member):
    table = DeltaTable(str(member / "table"))
    origin = Origin(str(table.metadata().id), SOURCE.topic_id, 4)
    (member / "seen-0.duckdb").unlink()
    seen = DuckDbSeenSet(member, origin)
    seen.add(2, {}, 0)
    seen.close()
    (result,) = judged(member)
    assert "it lacks" in result.what
    assert int(result.what.split()[2]) < 15  # those that murmur2 puts in partition 2 of 4


def test_one_in_use_is_not_touched(member):
    with (member / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (result,) = judged(member)
    assert (result.state, result.what) == ("note", "not looked at: a consumer uses it")


def test_where_there_is_none_it_says_so(member):
    table = DeltaTable(str(member / "table"))
    (result,) = judge_state(table, store_at(member / "table"), member / "nowhere")
    assert result.state == "note"
