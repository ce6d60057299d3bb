"""From calls to a dataset version on a real Kafka: late feedback changes the next version, and not the last."""

import json
import subprocess
import sys

import dspy
import pytest

from tests.e2e.instrumented_service import Answer
from tests.e2e.test_feedback import CALLBACK, SERVICE
from tests.support import warm
from tests.support.dataset_job import DatasetJob
from tests.unit.headrace.capture.offline import OfflineLM

LATE = """
import sys, headrace
headrace.configure(sys.argv[1])
headrace.feedback("request-25", score=1.0)
headrace.feedback("request-14", correction={"answer": "late"})
"""


class Pipeline:
    """The job, and commands over its configuration."""

    def __init__(self, kafka, folder):
        self.job = DatasetJob(kafka, folder, partitions=2)
        self.path = folder / "service.json"
        versions = {"path": str(folder / "training_data"), "gates": {"default": {"min_quality": 0.0}}}
        config = {**self.job.config, "telemetry": {"enabled": True, "sampling_rate_pct": 100}, "versions": versions}
        self.path.write_text(json.dumps(config))

    def run(self, code):
        subprocess.run([sys.executable, "-c", code, str(self.path)], check=True, timeout=120)

    def consume(self, what, messages):
        """Consume so many messages: a busy machine may let a consumer be idle before the first."""
        for _ in range(10):
            messages -= self.job.finish(self.job.start(what=what))["consumed"]
            if messages == 0:
                return
        raise AssertionError(messages)

    def headrace(self, *arguments, code=0):
        done = warm.run(*arguments, "--config", str(self.path), "--json")
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)


@pytest.fixture
def pipeline(kafka, tmp_path):
    return Pipeline(kafka, tmp_path)


def test_traffic_and_late_feedback_become_versions_that_can_be_made_again(pipeline, tmp_path):
    import headrace

    pipeline.run(SERVICE)
    pipeline.run(CALLBACK)
    pipeline.consume("dataset", 40)
    pipeline.consume("feedback", 4)
    (signature,) = [row["signature"] for row in pipeline.headrace("dataset", "ls")]
    first = pipeline.headrace("dataset", "cut", "-s", signature)
    assert (first["version"], first["examples"], first["times_seen"]) == ("v1", 10, 40)
    before = of_version(tmp_path, signature, "v1")
    assert before["question 3"] == ("corrected", {"answer": "42"}, 1.0)
    assert {label for label, _, _ in before.values()} == {"corrected", "unverified"}

    pipeline.run(LATE)
    pipeline.consume("feedback", 2)
    assert pipeline.headrace("dataset", "cut", "-s", signature)["version"] == "v2"
    after = of_version(tmp_path, signature, "v2")
    assert after["question 5"][::2] == ("judged", 1.0)
    assert after["question 4"] == ("corrected", {"answer": "late"}, 1.0)
    assert {name: each for name, each in after.items() if name not in ("question 4", "question 5")} == {
        name: each for name, each in before.items() if name not in ("question 4", "question 5")
    }

    again = pipeline.headrace("dataset", "replay", "-s", signature, "v1")
    assert (again["is_same"], again["examples"]) == (True, 10)

    told = {
        each["gate"]: each for each in pipeline.headrace("versions", "show", "-s", signature, "v2")["manifest"]["gates"]
    }
    failed = {name for name, each in told.items() if not each["is_passed"]}
    assert "minimum size" in failed
    assert failed <= {"minimum size", "stratification"}
    assert (told["minimum size"]["figure"], told["minimum size"]["threshold"]) == (10, 50)
    assert not told["source balance"]["is_judged"]
    refused = pipeline.headrace("dataset", "cut", "-s", signature, "--strict", code=1)
    assert refused["path"] is None

    loaded = headrace.load_dataset(signature, "v2", split="all", root=tmp_path / "training_data", types=Answer)
    answers = {example.inputs().question: example.answer for example in loaded}
    assert (len(answers), answers["question 4"]) == (10, "late")
    optimizes(loaded)


def optimizes(trainset):
    """What was loaded goes through an optimizer as it is: of its examples a demo is made, and stands in the prompt."""
    lm = OfflineLM({"answer": "late"})
    with dspy.context(lm=lm):
        optimizer = dspy.BootstrapFewShot(
            metric=lambda example, prediction, *_: example.answer == prediction.answer, max_bootstrapped_demos=1
        )
        optimized = optimizer.compile(dspy.Predict(Answer), trainset=list(trainset))
        assert [demo.question for demo in optimized.demos if demo.get("augmented")] == ["question 4"]
        assert optimized(question="another").answer == "late"
    prompt = json.dumps(lm.history[-1]["messages"])
    assert "question 4" in prompt


def of_version(folder, signature, version):
    """The examples of a version: question -> label, outputs, quality."""
    path = folder / "training_data" / signature / version
    texts = [(path / f"{split}.jsonl").read_text() for split in ("train", "val", "test")]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return {line["inputs"]["question"]: (line["label"], line["outputs"], line["quality"]) for line in lines}
