"""`headrace dataset erase-examples`: what it says, what it does, what it refuses."""

import pytest

from headrace_consumers.versions.sources.pool import Pool, pool_path

MADE = {"category": None, "difficulty": None, "timestamp_ms": 1, "metadata": {}}


@pytest.fixture
def pool(tmp_path):
    path = pool_path(tmp_path / "training_data", "Route", "import")
    Pool(path).append(
        {"inputs": {"ticket": f"of {who}"}, "outputs": {"queue": "a"}, **MADE} for who in ("Ann", "Bob", "ann lee")
    )
    return path


@pytest.fixture
def erased(command):
    return lambda *arguments: command("dataset", "erase-examples", "-s", "Route", *arguments)


def test_it_says_what_there_is_and_then_does_it(erased, pool):
    before = pool.read_bytes()
    ended = erased("--containing", "ANN")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "would be removed:",
        f"  {pool.relative_to(pool.parents[3])}: 2 examples, lines 1, 3",
        "nothing was changed; --apply does it",
    ]
    assert pool.read_bytes() == before
    ended = erased("--containing", "ANN", "--apply", "--json")
    assert (ended.json["applied"], [each["lines"] for each in ended.json["sources"]]) == (True, [[1, 3]])
    assert pool.read_bytes() == before.splitlines(keepends=True)[1]
    assert erased("--containing", "ANN").out == "nothing of it is there\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "erase-examples: which? Give ids, or --containing TEXT"),
        (("--containing", " "), "--containing: is empty, and everything holds that"),
        (("xyz",), "xyz: no example's id; expected 8 to 64 hex digits"),
    ],
)
@pytest.mark.usefixtures("pool")
def test_what_cannot_be_done_is_one_line(erased, arguments, line):
    ended = erased(*arguments)
    assert ended.code != 0
    assert line in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_signature_that_is_not_there_is_one_line(command):
    ended = command("dataset", "erase-examples", "-s", "Nobody", "--containing", "x")
    assert ended.code != 0
    assert "is not there; headrace versions ls shows what is" in ended.err
