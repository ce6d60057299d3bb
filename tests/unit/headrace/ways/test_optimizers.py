"""Every optimizer that DSPy ships, and Evaluate: an instrumented student leaves no record while it is optimized.

The program that comes out is plain; the student that went in is still instrumented and captured afterwards.
"""

import importlib
import io
import pkgutil
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import redirect_stdout
from typing import Any

import dspy
import numpy as np
import pytest
from dspy.teleprompt import (
    COPRO,
    SIMBA,
    BetterTogether,
    BootstrapFewShot,
    BootstrapFewShotWithOptuna,
    BootstrapFewShotWithRandomSearch,
    BootstrapFinetune,
    Ensemble,
    InferRules,
    KNNFewShot,
    LabeledFewShot,
    MIPROv2,
)
from dspy.teleprompt.grpo import GRPO
from packaging.version import Version

import headrace
from tests.unit.headrace.capture.offline import ANSWERS, DSPY, OfflineLM, Program

try:
    from dspy.teleprompt.bootstrap_trace import bootstrap_trace_data
except ModuleNotFoundError:  # where it was before dspy 3.0.1
    from dspy.teleprompt.bootstrap_finetune import bootstrap_trace_data

TRAINSET = [dspy.Example(question=f"q {n}", answer="blue").with_inputs("question") for n in range(8)]
ASKED_FOR = {
    "proposed_instruction": "Answer well.",
    "proposed_prefix_for_output_field": "Answer:",
    "basic_instruction": "Answer.",
    "observations": "They are questions.",
    "summary": "Questions.",
    "program_description": "It answers.",
    "module_description": "It answers.",
    "program_summary": "It answers.",
    "dataset_summary": "Questions.",
    "data_summary": "Questions.",
    "natural_language_rules": "Be blue.",
    "discussion": "hm",
    "module_advice": '{"generate.predict": "Be blue.", "judge": "Be fair."}',
    "advice": '{"generate.predict": "Be blue.", "judge": "Be fair."}',
    "new_instruction": "Answer well.",
    "improved_instruction": "Answer well.",
}


class Reinforcement:
    """A training job that has learnt all there is in one step."""

    def __init__(self):
        self.steps = 0

    def get_status(self):
        return {
            "job_id": "1",
            "status": "running",
            "current_model": "",
            "checkpoints": {},
            "pending_batch_ids": [self.steps],
        }

    def step(self, **_):
        self.steps += 1

    def terminate(self):
        assert self.steps


class ProposingLM(OfflineLM):
    """Answers a program's questions and whatever an optimizer asks for; a tenth of the answers are wrong.

    It can be fine-tuned and reinforced, too: at once and to itself.
    """

    def __init__(self):
        super().__init__({**ANSWERS, **ASKED_FOR})
        self.random, self.answered = random.Random(1), 0

    def finetune(self, **_):
        job = Future()
        job.thread = threading.Thread(target=job.set_result, args=(self,))
        job.thread.start()
        return job

    def infer_provider(self):
        return None

    def launch(self, *_, **__):
        """Run already."""

    kill = launch

    def reinforce(self, **_):
        return Reinforcement()

    def answer(self):
        self.answered += 1
        wrong = self.random.random() < 0.1
        return {**self.fields, "answer": "red"} if wrong else self.fields


def metric(example, prediction, *_, **__):
    return float(getattr(prediction, "answer", "") == example.answer)


def feedback_metric(gold, prediction, trace=None, pred_name=None, pred_trace=None):
    del trace, pred_trace
    score = metric(gold, prediction)
    return dspy.Prediction(score=score, feedback="wrong") if pred_name else score


def mipro(student):
    optimizer = MIPROv2(metric=metric, auto=None, num_candidates=2, num_threads=2, max_bootstrapped_demos=1)
    options = {"requires_permission_to_run": False} if Version("3.1") > DSPY else {}
    return optimizer.compile(
        student, trainset=TRAINSET[:4], valset=TRAINSET[4:], num_trials=2, minibatch=False, **options
    )


def copro(student):
    return COPRO(metric=metric, breadth=2, depth=1).compile(
        student, trainset=TRAINSET, eval_kwargs={"num_threads": 2, "display_progress": False, "display_table": 0}
    )


def gepa(student):
    reflecting = OfflineLM({"new_instruction": "Answer well."})
    return dspy.GEPA(metric=feedback_metric, max_metric_calls=12, reflection_lm=reflecting, num_threads=2).compile(
        student, trainset=TRAINSET[:4], valset=TRAINSET[4:]
    )


def knn(student):
    vectorizer = dspy.Embedder(lambda texts: np.array([[len(text), text.count("1")] for text in texts], dtype=float))
    compiled = KNNFewShot(k=2, trainset=TRAINSET, vectorizer=vectorizer, metric=metric).compile(student)
    compiled(question="q 3")  # it bootstraps at each call
    return compiled


def with_lm(student):
    student.set_lm(dspy.settings.lm)
    return student


def finetune(student):
    return BootstrapFinetune(metric=metric, num_threads=2).compile(with_lm(student), trainset=TRAINSET)


def better_together(student):
    steps = {"p": BootstrapFewShot(metric=metric, max_bootstrapped_demos=1), "q": LabeledFewShot(k=2)}
    return BetterTogether(metric=metric, **steps).compile(
        with_lm(student), trainset=TRAINSET, valset=TRAINSET[:2], strategy="p -> q"
    )


def grpo(student):
    return GRPO(
        metric=metric,
        adapter=dspy.ChatAdapter(),
        exclude_demos=True,
        num_threads=2,
        num_train_steps=2,
        num_steps_for_val=1,
        num_dspy_examples_per_grpo_step=2,
        num_rollouts_per_grpo_step=2,
    ).compile(with_lm(student), trainset=TRAINSET, valset=TRAINSET[:2])


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "LabeledFewShot": lambda student: LabeledFewShot(k=2).compile(student, trainset=TRAINSET),
    "BootstrapFewShot": lambda student: BootstrapFewShot(metric=metric, max_bootstrapped_demos=1).compile(
        student, trainset=TRAINSET
    ),
    "BootstrapFewShot, an instrumented teacher": lambda student: BootstrapFewShot(metric=metric).compile(
        student, teacher=headrace.instrument(Program(), "teacher"), trainset=TRAINSET
    ),
    "BootstrapFewShotWithRandomSearch": lambda student: BootstrapFewShotWithRandomSearch(
        metric=metric, num_candidate_programs=2, num_threads=2, max_bootstrapped_demos=1
    ).compile(student, trainset=TRAINSET),
    "BootstrapFewShotWithOptuna": lambda student: BootstrapFewShotWithOptuna(
        metric=metric, num_candidate_programs=2, num_threads=2, max_bootstrapped_demos=1
    ).compile(student, trainset=TRAINSET, valset=TRAINSET[:2], max_demos=1),
    "KNNFewShot": knn,
    "COPRO": copro,
    "MIPROv2": mipro,
    "SIMBA": lambda student: SIMBA(metric=metric, bsize=4, num_candidates=2, max_steps=2, num_threads=2).compile(
        student, trainset=TRAINSET, seed=1
    ),
    "GEPA": gepa,
    "InferRules": lambda student: InferRules(
        metric=metric, num_candidates=2, num_rules=1, num_threads=2, max_bootstrapped_demos=1
    ).compile(student, trainset=TRAINSET[:4], valset=TRAINSET[4:]),
    "BootstrapFinetune": finetune,
    "BetterTogether": better_together,
    "GRPO": grpo,
}
TRAINS_THE_STUDENT = {"BootstrapFinetune", "GRPO"}
CANNOT_BE_MADE = {
    "AvatarOptimizer": AttributeError,  # it asks for dspy.TypedPredictor, which is gone
    "SignatureOptimizer": TypeError,  # DSPy's own call of COPRO's constructor, which it replaced long ago
}
if Version("3.2") > DSPY:
    OPTIMIZERS.pop("BetterTogether")  # before, its steps were fixed: random search and a fine-tuning


@pytest.fixture(autouse=True)
def _quiet():
    with dspy.context(lm=ProposingLM(), adapter=dspy.ChatAdapter()), redirect_stdout(io.StringIO()):
        dspy.disable_logging()
        try:
            yield
        finally:
            dspy.enable_logging()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimization_is_no_traffic_and_its_student_is_captured_afterwards(everything, name):
    student = headrace.instrument(Program(), "qa")
    with headrace.request("inside a request, too"):
        compiled = OPTIMIZERS[name](student)
    assert everything.calls == []
    assert dspy.settings.lm.answered or name == "LabeledFewShot"  # it did run
    if name in TRAINS_THE_STUDENT:
        assert compiled is student
    else:
        assert type(compiled) is Program
        compiled(question="x")
        assert everything.calls == []
    student(question="x")
    assert len(everything.roots) == 1


@pytest.mark.skipif(Version("3.4") > DSPY, reason="since dspy 3.4")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_calibration_is_no_traffic(everything):
    from dspy.adapters.types.decision import Noul
    from dspy.teleprompt.reanchor import ReAnchor

    class Judgement(dspy.Signature):
        """Tell whether the answer is blue."""

        question: str = dspy.InputField()
        is_blue: Noul = dspy.OutputField(desc="whether it is blue")

    class Judge(dspy.Module):
        def __init__(self):
            super().__init__()
            self.judge = dspy.Predict(Judgement)

        def forward(self, question):
            return self.judge(question=question)

    student = headrace.instrument(Judge(), "judge")
    calibration = ReAnchor(lambda _, judged: float(bool(judged.is_blue)), num_threads=2, require_cache=False)
    with dspy.context(lm=OfflineLM({"is_blue": '{"noul": 0.8}'})):
        compiled = calibration.compile(student, trainset=TRAINSET)
        assert everything.calls == []
        compiled(question="x")
        assert everything.calls == []
        student(question="x")
    assert len(everything.roots) == 1


@pytest.mark.parametrize(("name", "error"), CANNOT_BE_MADE.items())
def test_what_cannot_be_made_without_headrace_either(name, error):
    made = optimizers_of_dspy()[name]
    with pytest.raises(error):
        made(metric=metric)


def test_no_optimizer_of_dspy_is_left_out():
    tested = {name.partition(",")[0] for name in OPTIMIZERS} | {"Ensemble", "ReAnchor"}
    bases = {"Teleprompter", "FinetuneTeleprompter"}
    assert set(optimizers_of_dspy()) <= tested | set(CANNOT_BE_MADE) | bases | {"BetterTogether"}


def optimizers_of_dspy():
    """Return the classes by name."""
    package = dspy.teleprompt
    names = [each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    members = [member for name in names for member in vars(importlib.import_module(name)).values()]
    kinds = [each for each in members if isinstance(each, type) and issubclass(each, dspy.teleprompt.Teleprompter)]
    return {kind.__name__: kind for kind in kinds if kind.__module__.startswith("dspy.")}


def test_an_ensemble_of_instrumented_programs_is_traffic_of_each(everything):
    programs = [headrace.instrument(Program(), "qa", f"v{number}") for number in range(3)]
    ensemble = Ensemble(reduce_fn=lambda outputs: dspy.majority(outputs, field="answer")).compile(programs)
    assert ensemble(question="x").answer in {"blue", "red"}
    assert sorted(root.module_version for root in everything.roots) == ["v0", "v1", "v2"]
    everything.calls.clear()
    headrace.instrument(ensemble, "ensemble")(question="x")
    (root,) = everything.roots
    assert root.module_name == "ensemble"
    assert sorted(call.module_version for call in everything.inside(root)) == ["v0", "v1", "v2"]


def test_traces_bootstrapped_from_an_instrumented_program_are_no_traffic(everything):
    student = headrace.instrument(Program(), "qa")
    traces = bootstrap_trace_data(student, TRAINSET, metric=metric, num_threads=2)
    assert len(traces) == len(TRAINSET)
    assert everything.calls == []
    student(question="x")
    assert len(everything.roots) == 1


@pytest.mark.parametrize("num_threads", [1, 3])
def test_an_evaluation_is_no_traffic_with_the_same_score(everything, num_threads):
    def evaluate(program):
        with dspy.context(lm=OfflineLM()):
            return dspy.Evaluate(
                devset=TRAINSET,
                metric=lambda example, prediction, *_: metric(example, prediction) and example.question != "q 3",
                num_threads=num_threads,
                display_progress=False,
                display_table=False,
            )(program).score

    assert evaluate(Program()) == 87.5
    assert evaluate(headrace.instrument(Program(), "qa")) == evaluate(Program())
    assert everything.calls == []


def test_a_compiled_program_put_into_service_is_captured_under_its_version(everything):
    compiled = OPTIMIZERS["BootstrapFewShot"](headrace.instrument(Program(), "qa", "v1"))
    headrace.instrument(compiled, "qa", "v2")(question="x")
    assert [root.module_version for root in everything.roots] == ["v2"]
    assert [call.signature for call in everything.calls] == ["qa.generate.predict", "qa.judge", "qa"]
