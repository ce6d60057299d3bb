"""What a power cut leaves of the last commit: it is set aside, its batch comes again, no row is twice or missing."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import to_rows
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.delta.torn import is_whole, torn_commits
from headrace_consumers.dataset.errors import TableError
from tests.support.interactions import interaction, kept, message_of

BATCHES = (("a", "b"), ("c", "d", "e"), ("f",))
"""Of partition 0, in this order."""


def append(table, *questions):
    start = table.position("id/0")
    records = [interaction(q) for q in questions]
    messages = [message_of(record, (start or 0) + i) for i, record in enumerate(records)]
    rows = to_rows(kept(records, messages), "topic", "id")
    table.commit(write_files(table.store, rows, table.layout), [Move("id/0", start, (start or 0) + len(questions))])


def replay(path):
    """Open the table and read on from where it stands, as the consumer does."""
    table = InteractionTable(path)
    done = 0
    for batch in BATCHES:
        if (table.position("id/0") or 0) == done:
            append(table, *batch)
        done += len(batch)
    assert table.position("id/0") == done
    table.close()


def offsets(path):
    return sorted(pl.scan_delta(str(path)).select("offset").collect()["offset"])


def entry(path, version):
    return path / "_delta_log" / f"{version:020}.json"


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A table with three commits, closed."""
    path = tmp_path_factory.mktemp("table") / "t"
    replay(path)
    return path


def copy_of(committed, folder: Path):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(committed, folder)
    return folder


def test_an_entry_is_whole_or_torn_at_each_of_its_bytes(committed):
    for version in range(len(BATCHES) + 1):
        whole = entry(committed, version).read_bytes()
        assert is_whole(whole)
        assert is_whole(whole + b"\n")
        assert not any(is_whole(whole[:end]) for end in range(len(whole)))
        assert not any(is_whole(whole[:end].ljust(len(whole), b"\0")) for end in range(len(whole)))


def test_the_last_commit_cut_anywhere_is_taken_back_and_made_again(committed, tmp_path_factory):
    whole = entry(committed, 3).read_bytes()
    ends_of_lines = {end + more for end, byte in enumerate(whole) if byte == ord("\n") for more in (0, 1)}
    folder = tmp_path_factory.mktemp("cut")

    @given(end=st.sampled_from(sorted({0, 1, len(whole) - 1} | ends_of_lines)) | st.integers(0, len(whole) - 1))
    def insist(end):
        path = copy_of(committed, folder / "t")
        entry(path, 3).write_bytes(whole[:end])
        replay(path)
        assert offsets(path) == list(range(6))
        assert [aside.name for aside in (path / "_torn").iterdir()] == [entry(path, 3).name]

    insist()


def test_delta_rs_alone_would_append_the_batch_twice(committed, tmp_path):
    # Why an entry tells how many lines it has: without its last one the rows stay and the offset is gone.
    path = copy_of(committed, tmp_path / "t")
    whole = entry(path, 3).read_bytes()
    entry(path, 3).write_bytes(whole[: whole.rindex(b"\n")])
    table = DeltaTable(str(path))
    assert (table.count(), table.transaction_version("id/0")) == (6, 5)


def test_a_whole_table_is_left_alone(committed, tmp_path):
    path = copy_of(committed, tmp_path / "t")
    InteractionTable(path).close()
    assert not (path / "_torn").exists()


def test_it_is_told_in_one_line(committed, tmp_path, capsys):
    path = copy_of(committed, tmp_path / "t")
    entry(path, 3).write_bytes(b"")
    InteractionTable(path).close()
    (line,) = capsys.readouterr().out.splitlines()
    assert "torn commit set aside" in line
    assert f"_torn/{entry(path, 3).name}" in line


def test_two_members_may_each_have_left_one(committed, tmp_path):
    path = copy_of(committed, tmp_path / "t")
    entry(path, 2).write_bytes(b"")
    entry(path, 3).write_bytes(entry(path, 3).read_bytes()[:-1])
    replay(path)
    assert offsets(path) == list(range(6))
    assert len(list((path / "_torn").iterdir())) == 2


def test_an_entry_that_is_torn_again_does_not_replace_the_first(committed, tmp_path):
    path = copy_of(committed, tmp_path / "t")
    for left in (b"first", b"second"):
        entry(path, 3).write_bytes(left)
        replay(path)
    assert sorted(aside.read_bytes() for aside in (path / "_torn").iterdir()) == [b"first", b"second"]


def test_the_creation_of_a_table_may_be_torn_too(tmp_path):
    path = tmp_path / "t"
    InteractionTable(path).close()
    entry(path, 0).write_bytes(entry(path, 0).read_bytes()[:100])
    replay(path)
    assert offsets(path) == list(range(6))


def test_damage_below_a_whole_commit_is_refused_in_one_line(committed, tmp_path):
    path = copy_of(committed, tmp_path / "t")
    entry(path, 2).write_bytes(b"")  # delta-rs would show the table without its rows
    with pytest.raises(TableError, match=rf"{entry(path, 2).name}: .* not the last,.*restore it") as raised:
        InteractionTable(path)
    assert "\n" not in str(raised.value)
    assert entry(path, 2).exists()


def test_nothing_is_taken_back_while_another_has_the_table_open(committed, tmp_path):
    # It holds the entry in memory; its next commit would pass over the rows that are taken back.
    path = copy_of(committed, tmp_path / "t")
    other = InteractionTable(path)
    entry(path, 3).write_bytes(b"")
    with pytest.raises(TableError, match="others have the table open"):
        InteractionTable(path)
    other.close()
    replay(path)
    assert offsets(path) == list(range(6))


def test_a_torn_checkpoint_is_set_aside(tmp_path):
    path = tmp_path / "t"
    table = InteractionTable(path)
    for offset in range(101):
        table.commit([], [Move("id/0", offset or None, offset + 1)])
    table.close()
    (checkpoint,) = (path / "_delta_log").glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    table = InteractionTable(path)
    assert table.position("id/0") == 101
    assert (path / "_torn" / checkpoint.name).exists()


def test_an_entry_below_a_checkpoint_is_not_looked_at(tmp_path):
    path = tmp_path / "t"
    table = InteractionTable(path)
    for offset in range(101):
        table.commit([], [Move("id/0", offset or None, offset + 1)])
    table.close()
    entry(path, 99).write_bytes(b"")
    assert torn_commits(path) == {}
    assert InteractionTable(path).position("id/0") == 101


def test_other_writers_entries_are_not_taken_for_torn(committed, tmp_path):
    path = copy_of(committed, tmp_path / "t")
    DeltaTable(str(path)).delete("offset = 0")
    write_deltalake(str(path), DeltaTable(str(path)).to_pyarrow_table().slice(0, 0), mode="append")
    DeltaTable(str(path)).vacuum(dry_run=False)
    InteractionTable(path).close()
    assert not (path / "_torn").exists()
