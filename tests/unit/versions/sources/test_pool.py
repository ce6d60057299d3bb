"""A pool keeps what was appended, whatever is torn, full, concurrent or edited by hand."""

import hashlib
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.sources.lines import written
from headrace_consumers.versions.sources.pool import Pool, PoolError, pool_path, read_pool
from headrace_schemas import CanonicalizationError
from headrace_schemas.dataset_files import SourceLine


def line(question: object = "What is the capital of Peru?", answer: object = "Lima", **changes: object) -> SourceLine:
    made: dict[str, object] = {
        "inputs": {"question": question},
        "outputs": {"answer": answer},
        "category": None,
        "difficulty": "easy",
        "timestamp_ms": 1_700_000_000_000,
        "metadata": {"commit": "abc"},
    }
    return {**made, **changes}  # type: ignore[return-value,typeddict-item]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return pool_path(tmp_path, "Answer", "git")


def test_what_was_appended_is_read_in_order_with_length_and_hash(path):
    pool = Pool(path)
    assert pool.append([line(1), line(2)]) == 2
    assert pool.append([line(3)]) == 1
    found = read_pool(path)
    assert [each["inputs"]["question"] for each in found.lines] == [1, 2, 3]
    assert found.length_bytes == path.stat().st_size
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.skipped, found.torn_bytes) == ([], 0)


def test_file_and_folders_are_the_owners_alone(path, tmp_path):
    Pool(path).append([line()])
    assert path.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (path.parent, tmp_path / "Answer")} == {0o700}


def test_a_missing_pool_is_empty(path):
    found = read_pool(path)
    assert (found.lines, found.length_bytes, found.sha256) == ([], 0, hashlib.sha256(b"").hexdigest())


def test_the_same_example_is_not_appended_twice(path):
    assert Pool(path).append([line(1), line(1), line(2)]) == 2
    assert Pool(path).append([line(1, timestamp_ms=5), line(2), line(3)]) == 1
    assert Pool(path).append([line(1, answer="another")]) == 1
    assert len(read_pool(path).lines) == 4


def test_a_pool_that_is_open_learns_what_others_append(path):
    mine, other = Pool(path), Pool(path)
    mine.append([line(1)])
    other.append([line(2)])
    assert mine.append([line(2), line(3)]) == 1


def test_a_manifests_bytes_stay_the_same_whatever_is_appended(path):
    pool = Pool(path)
    pool.append([line(1), line(2)])
    cut = read_pool(path)
    pool.append([line(3)])
    again = read_pool(path, length_bytes=cut.length_bytes, sha256=cut.sha256)
    assert again == cut
    assert len(read_pool(path).lines) == 3


def test_a_pool_that_changed_under_a_manifest_is_told(path):
    pool = Pool(path)
    pool.append([line("one"), line("two")])
    cut = read_pool(path)
    path.write_bytes(path.read_bytes().replace(b"one", b"ONE"))
    with pytest.raises(PoolError, match="was changed since"):
        read_pool(path, length_bytes=cut.length_bytes, sha256=cut.sha256)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(PoolError, match="was shortened since"):
        read_pool(path, length_bytes=cut.length_bytes, sha256=cut.sha256)


@given(st.integers(1))
def test_a_line_torn_anywhere_is_left_out_told_and_taken_away_by_the_next(tmp_path_factory, at):
    path = pool_path(tmp_path_factory.mktemp("pool"), "Answer", "git")
    Pool(path).append([line(1), line(2)])
    whole = read_pool(path)
    last = written(line("torn"))
    torn = last[: 1 + at % (len(last) - 2)]
    with path.open("ab") as file:
        file.write(torn)
    found = read_pool(path)
    assert (found.lines, found.sha256, found.torn_bytes) == (whole.lines, whole.sha256, len(torn))
    pool = Pool(path)
    assert pool.append([line(1)]) == 0
    assert pool.append([line("torn")]) == 1
    found = read_pool(path)
    assert [each["inputs"]["question"] for each in found.lines] == [1, 2, "torn"]
    assert (found.skipped, found.torn_bytes) == ([], 0)


def test_a_last_line_of_somebodys_editor_without_an_end_is_kept(path):
    Pool(path).append([line(1)])
    with path.open("ab") as file:
        file.write(written(line(2)).rstrip())
    assert Pool(path).append([line(2), line(3)]) == 1
    assert [each["inputs"]["question"] for each in read_pool(path).lines] == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "no object with the members"),
        (b"{broken", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (written(line(category=7)).strip(), "category is neither"),
        (written(line(difficulty="brutal")).strip(), "difficulty is none of"),
        (written(line(timestamp_ms=1.5)).strip(), "timestamp_ms is no whole number"),
        (written(line(metadata="x")).strip(), "metadata is no object"),
    ],
)
def test_a_line_that_is_no_example_is_told_by_its_number_and_the_rest_is_read(path, content, reason):
    Pool(path).append([line(1)])
    with path.open("ab") as file:
        file.write(content + b"\n")
    Pool(path).append([line(2)])
    found = read_pool(path)
    assert [each["inputs"]["question"] for each in found.lines] == [1, 2]
    assert [each.number for each in found.skipped] == [2]
    assert reason in found.skipped[0].reason


def test_values_beyond_plain_json_come_back(path):
    inputs = {"question": {"nan": float("inf"), "huge": 2**70, "pairs": {1: "a"}}}
    Pool(path).append([line(inputs["question"])])
    assert read_pool(path).lines[0]["inputs"] == inputs


def test_a_value_that_is_no_json_adds_nothing_at_all(path):
    with pytest.raises(CanonicalizationError):
        Pool(path).append([line(1), line(object())])
    assert not path.exists()


def test_a_write_that_ends_in_the_middle_leaves_the_pool_as_it_was(path):
    pool = Pool(path)
    pool.append([line(1)])
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))  # as a full disk would
    try:
        with pytest.raises(PoolError, match="nothing was added"):
            pool.append([line(2), line(3)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert pool.append([line(2), line(3)]) == 2


def test_a_pool_that_was_replaced_is_read_anew(path):
    pool = Pool(path)
    pool.append([line(1), line(2)])
    other = path.with_name("other")
    other.write_bytes(written(line(2)))
    other.rename(path)
    assert pool.append([line(1), line(2)]) == 1
    assert [each["inputs"]["question"] for each in read_pool(path).lines] == [2, 1]


def test_many_writers_lose_nothing_and_repeat_nothing(path):
    def write(who):
        return sum(Pool(path).append([line(n), line(f"{who}-{n}")]) for n in range(20))

    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(write, range(8)))
    assert sum(added) == 20 + 8 * 20
    found = read_pool(path)
    assert len({str(each["inputs"]) for each in found.lines}) == len(found.lines) == 180
    assert found.skipped == []


def test_a_killed_writer_leaves_whole_lines(path):
    code = (
        "import sys; from pathlib import Path; from headrace_consumers.versions.sources.pool import Pool\n"
        "pool = Pool(Path(sys.argv[1])); n = 0\n"
        "while True:\n"
        "    made = {'inputs': {'n': n, 'text': 'x' * 5000}, 'outputs': {}, 'category': None, 'difficulty': None,"
        " 'timestamp_ms': 1, 'metadata': {}}\n"
        "    pool.append([made]); n += 1; print(n, flush=True)\n"
    )
    acknowledged = 0
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(50):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        acknowledged = int(([str(acknowledged), *writer.stdout.read().split()])[-1])
    found = read_pool(path)
    assert [each["inputs"]["n"] for each in found.lines][:acknowledged] == list(range(acknowledged))
    assert len(found.lines) - acknowledged in {0, 1}
    assert found.skipped == []


def test_a_name_too_long_for_a_folder_is_one_line(tmp_path):
    with pytest.raises(PoolError, match="cannot name a folder"):
        pool_path(tmp_path, "x" * 300, "git")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "Answer").write_text("a file where the folder should be")
    with pytest.raises(PoolError, match="cannot append"):
        Pool(pool_path(tmp_path, "Answer", "git")).append([line()])
