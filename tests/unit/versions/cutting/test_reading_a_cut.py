"""What the real cut writes is what the reading side reads: loading into MIPROv2, changes by hand, erasure, export."""

import json

import dspy
import pytest
from dspy.teleprompt import MIPROv2
from packaging.version import Version

from headrace import load_dataset
from headrace.capture.values import to_json
from headrace.datasets.fields import hashes_of
from headrace.datasets.place import located
from headrace_consumers.versions.erasing.erasing import Whose, erase
from headrace_consumers.versions.exporting.export import export
from headrace_consumers.versions.hand import by_hand, edits, finding
from headrace_consumers.versions.shelf.frames import scan
from headrace_consumers.versions.shelf.listing import changed_files, shelf
from headrace_consumers.versions.sources.pool import Pool, pool_path
from headrace_consumers.versions.telling.diff import diff
from headrace_schemas import canonical, keys
from tests.unit.headrace.capture.offline import DSPY, OfflineLM
from tests.unit.headrace.datasets.test_into_optimizers import NO_PROMPT
from tests.unit.headrace.datasets.test_types import EVERY
from tests.unit.headrace.ways.test_optimizers import ASKED_FOR
from tests.unit.versions.rows import SIGNATURE, cut_of, row

NAMES = {f"field_{n}": name for n, name in enumerate(sorted(set(EVERY) - NO_PROMPT))}
TYPED = dspy.Signature(
    {
        "number": (int, dspy.InputField()),
        **{field: (EVERY[name][0], dspy.InputField()) for field, name in NAMES.items()},
        "answer": (str, dspy.OutputField()),
    },
    "Answer.",
)
SAID = by_hand.Said("ada", "it was wrong", 1_790_000_000_000)


def typed_row(number):
    """A call with a field of each type, as the producer records it."""
    values = {field: to_json(EVERY[name][1]) for field, name in NAMES.items()}
    inputs = canonical.dumps({"number": number, **values})
    fields_hash = hashes_of(TYPED)[0]
    return row(
        number,
        input=inputs.decode(),
        output='{"answer":"blue"}',
        fields_hash=fields_hash,
        dedup_key=keys.dedup_key(SIGNATURE, fields_hash, inputs),
    )


def metric(example, prediction, *_):
    return float(prediction.answer == example.answer)


@pytest.mark.filterwarnings("ignore")
def test_every_type_goes_from_a_cut_into_an_optimizer(tmp_path):
    cut_of(tmp_path, [typed_row(n) for n in range(40)])
    trainset = load_dataset(SIGNATURE, types=TYPED, root=tmp_path)
    valset = load_dataset(SIGNATURE, trainset.version, types=TYPED, root=tmp_path, split="val")
    assert len(load_dataset(SIGNATURE, types=TYPED, root=tmp_path, split="all")) == 40
    for field, name in NAMES.items():
        value = getattr(trainset[0], field)
        assert value == EVERY[name][1]
        assert type(value) is type(EVERY[name][1])
    assert set(trainset.weights) == {10.0}
    options = {"requires_permission_to_run": False} if Version("3.1") > DSPY else {}
    with dspy.context(lm=OfflineLM(ASKED_FOR | {"answer": "blue"})):
        optimizer = MIPROv2(metric=metric, auto=None, num_candidates=2, num_threads=1, max_bootstrapped_demos=1)
        optimized = optimizer.compile(
            dspy.Predict(TYPED), trainset=trainset, valset=valset, num_trials=2, minibatch=False, **options
        )
        assert optimized(**trainset[0].inputs()).answer == "blue"


def test_changes_by_hand_hold_in_the_next_version_and_stand_in_its_provenance(tmp_path):
    rows = [row(n) for n in range(30)]
    folder = cut_of(tmp_path, rows).path.parent
    wanted = [row(n)["dedup_key"] for n in range(3)]
    found = finding.find(folder, wanted)
    right = {"answer": "for a reason"}
    edits.append(folder, [by_hand.edit("relabel", found[wanted[0]], SAID, outputs=right)])
    edits.append(folder, [by_hand.edit("relabel", found[wanted[1]], SAID, quality=0.25)])
    edits.append(folder, [by_hand.edit("exclude", found[wanted[2]], SAID)])
    text = json.dumps({"inputs": {"question": "mine"}, "outputs": {"answer": "yours"}})
    Pool(pool_path(tmp_path, SIGNATURE, "hand")).append(by_hand.examples_in(text, SAID, by_hand.field_names(folder)))
    cut_of(tmp_path, rows)
    loaded = load_dataset(SIGNATURE, root=tmp_path, split="all")
    facts = {fact.key: fact for fact in loaded.facts.values()}
    by_question = {example.question: example for example in loaded}
    assert (facts[wanted[0]].label, by_question["question 0"].answer) == ("corrected", "for a reason")
    assert (facts[wanted[1]].label, facts[wanted[1]].quality) == ("judged", 0.25)
    assert wanted[2] not in facts
    assert loaded.facts[by_question["mine"].dspy_uuid].label == "given"
    told = [json.loads(line) for line in (folder / "v2" / "provenance.jsonl").read_text().splitlines()]
    metadata = {line["example_id"]: line["metadata"] for line in told}
    assert metadata[wanted[0][:32]]["edits"] == [
        {
            "kind": "relabel",
            "who": "ada",
            "why": "it was wrong",
            "timestamp_ms": SAID.timestamp_ms,
            "fields": ["answer"],
        }
    ]
    assert metadata[by_question["mine"].dspy_uuid]["who"] == "ada"
    differs = diff(*(scan(located(tmp_path, SIGNATURE, number)) for number in (1, 2)))
    assert (differs.added, differs.removed, differs.changed["outputs"]) == (1, 1, 1)


def test_a_persons_examples_go_from_what_a_cut_wrote(tmp_path):
    rows = [row(n, subject_id=f"hmac-sha256:{n % 3}") for n in range(30)]
    folder = cut_of(tmp_path, rows).path
    gone = {each["dedup_key"] for each in rows if each["subject_id"] == "hmac-sha256:1"}
    erase(tmp_path, Whose(frozenset({"hmac-sha256:1"})), erasure_id="e", at="2026-11-28T00:00:00Z")
    loaded = load_dataset(SIGNATURE, root=tmp_path, split="all")
    assert len(loaded) == 20
    assert gone.isdisjoint(fact.key for fact in loaded.facts.values())
    assert changed_files(located(tmp_path, SIGNATURE, 1)) == []
    (found,) = shelf(folder.parent)
    assert found.metadata is not None
    assert (found.metadata["examples"], found.metadata["times_seen"]) == (20, 20)
    assert not [path for path in folder.iterdir() if b"hmac-sha256:1" in path.read_bytes()]


@pytest.mark.parametrize("form", ["hf", "openai-chat", "jsonl", "csv"])
def test_a_cut_is_exported(tmp_path, form):
    cut_of(tmp_path, [row(n) for n in range(30)])
    counts = export(located(tmp_path, SIGNATURE, "latest"), tmp_path / "out", form)
    assert sum(counts.values()) == 30
