"""What is loaded goes into MIPROv2 with every type, and nothing but the fields reaches prompts and demos.

Offline; the optimizer proposes from the examples, bootstraps demos of them, and evaluates on them.
"""

import dspy
import numpy as np
import pytest
from dspy.teleprompt import LabeledFewShot, MIPROv2
from packaging.version import Version

from headrace import load_dataset
from headrace.datasets.fields import hashes_of
from tests.support.version_folders import example_line, write_version
from tests.unit.headrace.capture.offline import DSPY, OfflineLM
from tests.unit.headrace.datasets.test_types import EVERY
from tests.unit.headrace.ways.test_optimizers import ASKED_FOR

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]


def captured(value):
    """The JSON that capture makes of a value."""
    from headrace.capture.values import to_json
    from headrace_schemas import canonical

    return canonical.loads(canonical.dumps(to_json(value)))


NO_PROMPT = {"a lone surrogate"}
"""What no prompt can hold, with or without us."""


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """A dataset with a field of each type as an input, and the signature."""
    root = tmp_path_factory.mktemp("versions")
    names = {f"field_{n}": name for n, name in enumerate(sorted(set(EVERY) - NO_PROMPT))}
    inputs = {field: (EVERY[name][0], dspy.InputField()) for field, name in names.items()}
    signature = dspy.Signature(
        {"number": (int, dspy.InputField()), **inputs, "answer": (str, dspy.OutputField())}, "Do."
    )
    values = {field: captured(EVERY[name][1]) for field, name in names.items()}
    lines = [example_line({"number": n, **values}, {"answer": "blue"}, weight=7.654321) for n in range(8)]
    write_version(root, {"train": lines[:4], "val": lines[4:]}, fields_hash=hashes_of(signature)[0])
    return signature, root


def metric(example, prediction, *_):
    return float(prediction.answer == example.answer)


def test_mipro_optimizes_on_a_dataset_with_every_type(every):
    signature, root = every
    trainset = load_dataset("S", types=signature, root=root)
    valset = load_dataset("S", trainset.version, types=signature, root=root, split="val")
    lm = OfflineLM(ASKED_FOR | {"answer": "blue"})
    options = {"requires_permission_to_run": False} if Version("3.1") > DSPY else {}
    with dspy.context(lm=lm):
        optimizer = MIPROv2(metric=metric, auto=None, num_candidates=2, num_threads=1, max_bootstrapped_demos=1)
        optimized = optimizer.compile(
            dspy.Predict(signature), trainset=trainset, valset=valset, num_trials=2, minibatch=False, **options
        )
        assert optimized(**trainset[0].inputs()).answer == "blue"
    prompts = repr([entry["messages"] for entry in lm.history])
    assert trainset[0].dspy_uuid not in prompts
    assert "7.654321" not in prompts
    assert "field_0" in prompts


def test_labelled_demos_hold_the_fields_alone_in_the_prompt(every):
    signature, root = every
    trainset = load_dataset("S", types=signature, root=root)
    lm = OfflineLM({"answer": "blue"})
    student = LabeledFewShot(k=2).compile(dspy.Predict(signature), trainset=trainset)
    with dspy.context(lm=lm):
        student(**trainset[3].inputs())
    assert len(student.demos) == 2
    assert not [id_ for id_ in trainset.facts if id_ in repr(lm.history)]
    assert np.mean(trainset.weights) == pytest.approx(7.654321)
