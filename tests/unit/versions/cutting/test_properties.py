"""What holds of any cut: the same rows, the same bytes; one key, one side, for good; nothing in two splits."""

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace_consumers.versions.cutting.drawing import drawn
from headrace_consumers.versions.files import json_text
from headrace_consumers.versions.files.examples import split_of
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.sources.pool import Pool, pool_path
from headrace_schemas import canonical
from headrace_schemas.dataset_files import SPLITS
from tests.unit.versions.rows import SIGNATURE, cut_of, examples, feedback_table, row, sightings_table, table

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_FLOATS = st.floats(0, 1e6) | st.none()


@st.composite
def _rows(draw):
    numbers = draw(st.lists(st.integers(0, 40), min_size=1, max_size=40))
    return [
        row(
            at,
            input=canonical.dumps({"question": f"question {number}"}).decode(),
            dedup_key=row(number)["dedup_key"],
            output=canonical.dumps({"answer": draw(_TEXT)}).decode(),
            latency_ms=draw(_FLOATS),
            partition=at % 3,
            model=draw(_TEXT | st.none()),
            module_version=draw(st.sampled_from(["baseline", "candidate"])),
        )
        for at, number in enumerate(numbers)
    ]


@st.composite
def _tables(draw):
    rows = draw(_rows())
    requests = st.sampled_from([each["request_id"] for each in rows])
    said = st.fixed_dictionaries(
        {
            "request_id": requests,
            "score": st.floats(0, 1) | st.none(),
            "correction": st.sampled_from([None, '{"answer":"right"}', '{"no":1}']),
            "timestamp_ms": st.integers(0, 5),
        }
    )
    copies = st.tuples(st.sampled_from([each["dedup_key"] for each in rows]), requests)
    return rows, draw(st.lists(copies, max_size=5)), draw(st.lists(said, max_size=8))


def _bytes(done):
    names = [*(f"{split}.jsonl" for split in SPLITS), "provenance.jsonl", "set_aside.jsonl"]
    return {name: (done.path / name).read_bytes() for name in names}


@FEW
@given(_tables(), st.randoms())
def test_the_order_of_the_files_has_no_say(tables, chance):
    rows, copies, said = tables
    feedback = feedback_table(*said)
    shuffled = rows.copy()
    chance.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as folder:
        Pool(pool_path(Path(folder), SIGNATURE, "git")).append(
            [
                {
                    "inputs": {"question": "question 1"},
                    "outputs": {"answer": "git"},
                    "category": None,
                    "difficulty": None,
                    "timestamp_ms": 1,
                    "metadata": {},
                },
                {
                    "inputs": {"question": "always there"},
                    "outputs": {"answer": "git"},
                    "category": None,
                    "difficulty": None,
                    "timestamp_ms": 1,
                    "metadata": {},
                },
            ]
        )
        first = cut_of(Path(folder), Tables(table(rows), sightings_table(*copies), feedback))
        again = cut_of(Path(folder), Tables(table(shuffled), sightings_table(*copies), feedback))
        assert _bytes(first) == _bytes(again)


@FEW
@given(_rows(), _rows())
def test_an_example_never_changes_side_and_stands_in_one_split(before, more):
    with tempfile.TemporaryDirectory() as folder:
        first = cut_of(Path(folder), [*before, row(999)])
        found = examples(first)
        counts = sum(split["examples"] for split in first.metadata["splits"].values())
        assert counts == len({each["key"] for each in found.values()})
        moved = [{**each, "offset": 1000 + at, "partition": 0} for at, each in enumerate(more)]
        later = examples(cut_of(Path(folder), [*before, row(999), *moved]))
        for question in found.keys() & later.keys():
            assert found[question]["split"] == later[question]["split"]


@given(st.lists(st.binary(min_size=32, max_size=32), unique=True, max_size=50), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_larger_share_of_train_takes_from_the_others_and_gives_nothing_back(keys, train, more):
    column = pl.Series("key", [key.hex() for key in keys], dtype=pl.String)
    val = (1 - train) / 2
    before = split_of(column, (train, val, 1 - train - val))
    larger = split_of(column, (train + more, 0.0, 1 - train - more))
    assert all(now == "train" for was, now in zip(before, larger, strict=True) if was == "train")


def test_the_splits_have_their_shares():
    column = pl.Series("key", [row(n)["dedup_key"] for n in range(10_000)])
    counts = dict(split_of(column, (0.7, 0.15, 0.15)).value_counts().rows())
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert abs(counts[split] - share * 10_000) < 4 * (share * (1 - share) * 10_000) ** 0.5


_VALUES = {
    "a": _TEXT | st.none(),
    "b": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    "c": st.integers(0, 2**53 - 1),
}


_LINES = st.lists(st.fixed_dictionaries(_VALUES), max_size=12)
_SAME_LINES = st.tuples(st.fixed_dictionaries(_VALUES), st.integers(2, 9)).map(lambda made: [made[0]] * made[1])


@given(_LINES | _SAME_LINES)
def test_lines_by_columns_are_those_of_canonical_json(rows):
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Float64, "c": pl.Int64})
    members = {"a": json_text.text("a"), "b": json_text.number("b"), "c": json_text.integer("c")}
    assert json_text.lines(frame, members) == b"".join(canonical.dumps(each) + b"\n" for each in rows)


_STRATA = st.lists(
    st.tuples(
        st.sampled_from(["easy", "medium", "hard"]),
        st.sampled_from(["a", "b", None]),
        st.sampled_from(["telemetry", "git"]),
    ),
    max_size=60,
)


@given(_STRATA, st.integers(1, 50))
def test_so_many_are_drawn_as_are_asked_or_all_that_there_are(strata, most):
    frame = pl.DataFrame(
        {
            "key": [row(n)["dedup_key"] for n in range(len(strata))],
            "difficulty": [each[0] for each in strata],
            "category": [each[1] for each in strata],
            "source": [each[2] for each in strata],
        },
        schema=dict.fromkeys(("key", "difficulty", "category", "source"), pl.String),
    )
    wanted = {"easy": 0.3, "medium": 0.5, "hard": 0.2}
    chosen = drawn(frame, most, wanted, 0.8)
    assert chosen.sum() == min(most, len(strata))
    found = frame.filter(chosen)
    for source in ("telemetry", "git"):
        others = frame.filter(pl.col("source") != source).height
        assert found.filter(pl.col("source") == source).height <= max(1, int(0.8 * most), most - others)
    if frame["source"].n_unique() != 1:
        return
    is_plenty = all(
        frame.filter(pl.col("difficulty") == each).height >= part * most + 1 for each, part in wanted.items()
    )
    if is_plenty and most >= 10:
        for difficulty, share in wanted.items():
            assert abs(found.filter(pl.col("difficulty") == difficulty).height - share * most) <= 1
