"""Whatever waits beside the table: a version is made again to the byte, keys keep their side, and nothing leaks."""

import json
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.replaying.replay import replay
from headrace_consumers.versions.sources.pool import Pool, pool_path
from headrace_schemas.dataset_files import SPLITS
from tests.unit.versions.rows import SIGNATURE, cut_of, feedback_table, lines, row, sightings_table, table

FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e6, 1e6)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_NUMBERS = st.integers(0, 20)
"""Few questions, so that sources, copies and edits meet."""


def _question(number):
    return {"question": f"question {number}"}


_LINE = st.fixed_dictionaries(
    {
        "inputs": st.builds(_question, _NUMBERS) | st.fixed_dictionaries({"question": _JSON}),
        "outputs": st.fixed_dictionaries({"answer": _JSON | st.just("ann@example.com")})
        | st.just({"no": "such field"}),
        "category": st.none() | _TEXT,
        "difficulty": st.sampled_from([None, "easy", "medium", "hard"]),
        "timestamp_ms": st.integers(0, 9),
        "metadata": st.fixed_dictionaries({"commit": st.sampled_from(["a" * 40, "b" * 40, "c" * 40]), "why": _JSON}),
    }
)
_POOLS = st.dictionaries(st.sampled_from(["git", "synthetic", "import", "hand"]), st.lists(_LINE, max_size=6))


@st.composite
def _calls(draw, first):
    numbers = draw(st.lists(_NUMBERS, max_size=12))
    return [
        row(
            first + at,
            input=json.dumps(_question(number), separators=(",", ":")),
            dedup_key=row(number)["dedup_key"],
            request_id=f"r-{draw(st.integers(0, 6))}",
            latency_ms=draw(st.none() | st.floats(0, 1e6)),
            module_version=draw(st.sampled_from(["baseline", "candidate"])),
        )
        for at, number in enumerate(numbers)
    ]


_FEEDBACK = st.lists(
    st.fixed_dictionaries(
        {
            "request_id": st.builds("r-{}".format, st.integers(0, 6)),
            "score": st.none() | st.floats(0, 1),
            "correction": st.sampled_from([None, '{"answer":"right"}', '{"no":1}', "{"]),
        }
    ),
    max_size=4,
)
_EDITS = st.lists(st.tuples(st.sampled_from(["relabel", "exclude", "restore"]), _NUMBERS, _JSON), max_size=3)


def _edited(folder, found):
    edits.append(
        folder / SIGNATURE,
        [
            {
                "kind": kind, "key": row(number)["dedup_key"], "who": "ada", "why": "w", "timestamp_ms": at,
                "outputs": {"answer": answer} if kind == "relabel" else None, "quality": None,
            }
            for at, (kind, number, answer) in enumerate(found)
        ],
    )  # fmt: skip


def _filled(folder, pools):
    for source, some in pools.items():
        Pool(pool_path(folder, SIGNATURE, source)).append(some)


def _splits(version):
    return {line["key"]: split for split in SPLITS for line in lines(version / f"{split}.jsonl")}


@FEW
@given(_calls(0), _calls(100), _FEEDBACK, _POOLS, _POOLS, _EDITS, _EDITS)
def test_a_version_is_made_again_and_keys_keep_their_side_whatever_comes_later(  # noqa: PLR0917
    before, later, said, pools, more_pools, edited, more_edits
):
    before = [*before, row(50)]
    copies = sightings_table((before[0]["dedup_key"], "r-1"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        _filled(folder, pools)
        _edited(folder, edited)
        first = cut_of(folder, Tables(table(before), copies, feedback_table(*said))).path
        _filled(folder, more_pools)
        _edited(folder, more_edits)
        # The order of the table's rows is another one, and there are more of them.
        moved = [{**each, "partition": 1} for each in later]
        grown = Tables(table([*moved, *before[::-1]]), copies, feedback_table(*said))
        made = Path(place) / "made"
        (made / "work").mkdir(parents=True)
        found = replay(first, grown, made, made / "work")
        assert found.is_same, found
        for split in SPLITS:
            assert (made / f"{split}.jsonl").read_bytes() == (first / f"{split}.jsonl").read_bytes()
            assert pl.read_parquet(made / f"{split}.parquet").equals(pl.read_parquet(first / f"{split}.parquet"))

        second = cut_of(folder, grown).path
        sides, later_sides = _splits(first), _splits(second)
        assert all(later_sides[key] == side for key, side in sides.items() if key in later_sides)
        for version in (first, second):
            _nothing_leaks(version)


def _nothing_leaks(version):
    told = {line["example_id"]: line for line in lines(version / "provenance.jsonl")}
    sides = {}
    for split in SPLITS:
        for line in lines(version / f"{split}.jsonl"):
            metadata, source = told[line["example_id"]]["metadata"], line["source"]
            sides.setdefault(("inputs", json.dumps(line["inputs"], sort_keys=True)), set()).add(split)
            if source == "git":
                sides.setdefault(("commit", metadata["commit"]), set()).add(split)
            if source == "telemetry":
                sides.setdefault(("request", metadata["request_id_hash"]), set()).add(split)
    assert all(len(splits) == 1 for splits in sides.values())
