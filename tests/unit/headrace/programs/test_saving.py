"""A program version holds what a program's predictors are told, from dspy's own state files too, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dspy
import pytest
from pydantic import BaseModel

from headrace.programs import program_of
from headrace.programs.saving import signature_hash_of
from headrace_schemas.programs import Program, ProgramError


class Verdict(BaseModel):
    good: bool


class Judge(dspy.Signature):
    """Judge an answer."""

    answer: str = dspy.InputField(desc="what was said")
    verdict: Verdict = dspy.OutputField()
    grade: Literal["a", "b"] = dspy.OutputField()


class Chain(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.think = dspy.ChainOfThought("question -> answer")
        self.judge = dspy.Predict(Judge)


def optimized() -> Any:
    chain = Chain()
    chain.judge.signature = chain.judge.signature.with_instructions("Judge it hard.")
    chain.judge.demos = [
        dspy.Example(augmented=True, answer="x", verdict=Verdict(good=True), grade="b").with_inputs("answer")
    ]
    chain.think.predict.lm = dspy.LM("openai/gpt-4o", api_key="sk-secret")
    return chain


def state_of(program: Any, folder: Path) -> Any:
    program.save(str(folder / "state.json"))
    return json.loads((folder / "state.json").read_text())


def _unnamed(program: Program) -> Any:
    """DSPy gives a signature with other instructions another name."""
    return {path: replace(state, signature="") for path, state in program.predictors.items()}


def test_a_program_as_it_is_holds_instructions_words_and_demos() -> None:
    made = program_of(optimized(), module="qa", version="v2", dataset={"version": "v1"}, scores={"optimized": 0.5})
    assert sorted(made.predictors) == ["judge", "think.predict"]
    judge = made.predictors["judge"]
    assert (judge.signature, judge.instructions) == ("StringSignature", "Judge it hard.")
    assert judge.demos == ({"augmented": True, "answer": "x", "verdict": {"good": True}, "grade": "b"},)
    assert [(each.name, each.prefix) for each in judge.fields][2] == ("grade", "Grade:")
    assert judge.fields[0].description == "what was said"
    assert (made.dataset, made.scores) == ({"version": "v1"}, {"optimized": 0.5})


def test_a_state_that_dspy_saved_gives_the_same_and_leaves_the_lm_behind(tmp_path: Path) -> None:
    program = optimized()
    del program.judge.demos[0]["verdict"]  # which dspy saves as text
    now = program_of(program, module="qa", version="v2")
    saved = state_of(program, tmp_path)
    assert saved["think.predict"]["lm"]
    made = program_of(Chain(), module="qa", version="v2", state=saved)
    assert made.predictors["judge"].signature == "Judge"
    assert _unnamed(made) == _unnamed(now)
    assert b"gpt-4o" not in now.encoded()
    assert b"secret" not in now.encoded()


def test_a_program_that_is_one_predictor_is_itself(tmp_path: Path) -> None:
    predictor = dspy.Predict(Judge)
    made = program_of(predictor, module="qa", version="v2", state=state_of(predictor, tmp_path))
    assert list(made.predictors) == ["self"]
    assert made.predictors["self"].signature == "Judge"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"other": {}}, "unknown_predictor"),
        ({"judge": {"signature": {}}}, "invalid"),
        ({"judge": 1}, "invalid"),
        ({"judge": {"signature": {"instructions": "x", "fields": [{}]}}}, "signature_changed"),
    ],
)
def test_a_state_of_another_program_is_refused(state: Any, reason: str) -> None:
    with pytest.raises(ProgramError) as raised:
        program_of(Chain(), module="qa", version="v2", state=state)
    assert raised.value.reason == reason


def test_a_program_without_predictors_and_a_demo_beyond_measure_are_refused() -> None:
    with pytest.raises(ProgramError, match="no predictor"):
        program_of(dspy.Module(), module="qa", version="v1")
    program = dspy.Predict("a -> b")
    program.demos = [{"a": b"\xff" * 5_000_000, "b": "y"}]
    with pytest.raises(ProgramError) as raised:
        program_of(program, module="qa", version="v1")
    assert raised.value.reason == "too_large"


def test_the_hash_is_over_names_types_and_order_and_not_over_words() -> None:
    plain = signature_hash_of(dspy.Signature("question, context -> answer"))
    assert signature_hash_of(dspy.Signature("question, context -> answer", "Other words.")) == plain
    others = ["context, question -> answer", "question, context: int -> answer", "question -> context, answer"]
    assert len({plain, *(signature_hash_of(dspy.Signature(each)) for each in others)}) == 4
    assert signature_hash_of(dspy.ChainOfThought("question, context -> answer").predict.signature) != plain
