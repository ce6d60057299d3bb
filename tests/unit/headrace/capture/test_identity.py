"""The dataset of a call, the text of its types and the hash of a program's prompts."""

import enum
import inspect
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, ForwardRef, Generic, Literal, Optional, TypeVar, Union

import dspy
import pytest

import headrace
from headrace.capture.annotations import type_name
from headrace.capture.arguments import CallShape, shape_of
from headrace.capture.identity import Identities
from headrace.capture.program import ProgramHash, predictors_of
from headrace_schemas import keys
from tests.unit.headrace.capture.offline import Program

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1


class Box(Generic[T]):
    pass


class Extract(dspy.Signature):
    """Extract what is required."""

    intent: str = dspy.InputField()
    items: list[str] = dspy.OutputField()


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "str"),
        (None, "None"),
        (Any, "Any"),
        (inspect.Parameter.empty, "Any"),
        (list[str], "list[str]"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Mapping[str, int], "Mapping[str, int]"),
        (Optional[str], "str | None"),  # noqa: UP045  # one of three spellings of one type
        (Union[str, None], "str | None"),  # noqa: UP007
        (str | None, "str | None"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Literal[Colour.RED], "Literal[<Colour.RED: 1>]"),
        (Annotated[str, object()], "str"),
        (list[Annotated[str, object()]], "list[str]"),
        (Callable[[int], str], "Callable[[int], str]"),
        (Colour, "Colour"),
        (list[Colour], "list[Colour]"),
        (Box[int], "Box[int]"),
        (T, "T"),
        ("Later", "Later"),
        (ForwardRef("Later"), "Later"),
    ],
)
def test_a_type_has_one_text(annotation, text):
    assert type_name(annotation) == text


def of(module, name="m"):
    root = Identities(module, name).root
    return root.name, root.fields_hash


def fields(*triples):
    return keys.fields_hash(list(triples))


QUESTION = ("input", "question", "str")
ANSWER = ("output", "answer", "str")


def test_a_declared_signature_names_its_dataset():
    expected = fields(("input", "intent", "str"), ("output", "items", "list[str]"))
    assert of(dspy.Predict(Extract)) == ("Extract", expected)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (dspy.Predict("question -> answer"), "m.self"),
        (dspy.Predict(dspy.Signature("question -> answer").with_instructions("Be brief.")), "m.self"),
        (dspy.ChainOfThought("question -> answer"), "m.predict"),
        (dspy.ReAct("question -> answer", tools=[]), "m"),
    ],
    ids=["inline", "re-instructed", "chain of thought", "agent"],
)
def test_other_signatures_go_by_module_and_path_and_fields_that_dspy_adds_do_not_count(module, name):
    assert of(module) == (name, fields(QUESTION, ANSWER))


def test_a_reasoning_field_of_ones_own_counts():
    assert of(dspy.Predict("question -> reasoning, answer"))[1] == fields(
        QUESTION, ("output", "reasoning", "str"), ANSWER
    )


def test_an_agents_signature_names_it_if_declared():
    assert of(dspy.ReAct(Extract, tools=[]))[0] == "Extract"


def test_the_trajectory_of_an_agents_steps_does_not_count():
    agent = dspy.ReAct("question -> answer", tools=[])
    identities = Identities(agent, "m")
    extract = identities.of(agent.extract.predict, agent)
    assert (extract.name, extract.fields_hash) == ("m.extract.predict", fields(QUESTION, ANSWER))
    assert identities.of(agent.react, agent).name == "m.react"


def test_instructions_descriptions_and_order_do_not_change_a_dataset():
    class Again(dspy.Signature):
        """Other instructions."""

        items: list[str] = dspy.OutputField(desc="what")
        intent: str = dspy.InputField(desc="why")

    assert of(dspy.Predict(Again))[1] == of(dspy.Predict(Extract))[1]


def test_a_composite_is_named_by_its_module_and_has_the_inputs_of_forward():
    assert of(Program()) == ("m", fields(QUESTION))


def test_forward_is_read_with_its_annotations_whatever_their_form():
    class Quoted(dspy.Module):
        def forward(self, a: "list[int]", b: "Unheard", c, *args, d: Colour = Colour.RED, **kwargs):  # noqa: F821
            return a, b, c, args, d, kwargs

    class OnlyAsync(dspy.Module):
        async def aforward(self, a: "list[int]"):
            return a

    class Nothing(dspy.Module):
        pass

    expected = [("input", n, t) for n, t in (("a", "list[int]"), ("b", "Unheard"), ("c", "Any"), ("d", "Colour"))]
    assert of(Quoted())[1] == fields(*expected)
    assert of(OnlyAsync())[1] == fields(("input", "a", "list[int]"))
    assert of(Nothing())[1] == fields()


def test_a_module_around_one_predictor_with_the_same_inputs_is_that_predictor():
    class Wraps(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = dspy.ChainOfThought("question -> answer")

        def forward(self, question):
            return self.ask(question=question)

    class TakesMore(Wraps):
        def forward(self, question, user):
            return self.ask(question=f"{user}: {question}")

    wraps = Wraps()
    identities = Identities(wraps, "m")
    assert identities.root.name == "m.ask.predict"
    assert identities.is_transparent(wraps.ask.predict)
    assert of(TakesMore())[0] == "m"


def test_a_predictor_that_an_optimizer_froze_keeps_its_name():
    program = Program()
    before = [(located.path, located.predictor) for located in predictors_of(program)]
    program.generate._compiled = True
    assert [name for name, _ in program.named_predictors()] == ["judge"]
    assert [(located.path, located.predictor) for located in predictors_of(program)] == before


class Nest(dspy.Module):
    """Predictors wherever DSPy looks for them."""

    def __init__(self):
        super().__init__()
        self.one = dspy.Predict("a -> b")
        self.again = self.one
        self.many = [dspy.ChainOfThought("a -> b"), dspy.Predict("a -> b")]
        self.by_key = {"k": dspy.Predict("a -> b"), "m": Program()}
        self.program = Program()
        self.other = "no module"


@pytest.mark.parametrize("module", [Nest(), Program(), dspy.Predict("a -> b"), dspy.ReAct("a -> b", tools=[])])
def test_paths_are_those_of_named_predictors(module):
    ours = [(located.path, id(located.predictor)) for located in predictors_of(module)]
    assert ours == [(name, id(predictor)) for name, predictor in module.named_predictors()]


def test_a_module_that_holds_itself_is_walked_once():
    program = Program()
    program.me = program
    assert [located.path for located in predictors_of(program)] == ["generate.predict", "judge"]


def test_identities_keep_no_predictor_alive():
    program = Program()
    identities = Identities(program, "m")
    old = identities.of(program.judge, program)
    program.judge = dspy.Predict("answer -> score: float")
    assert identities.of(program.judge, program) == old


HASH_IN_ANOTHER_PROCESS = """
import dspy
from headrace.capture.identity import Identities
from headrace.capture.program import ProgramHash
module = dspy.ChainOfThought("question, colours: list[str] -> answer: dict[str, int]")
print(Identities(module, "m").root, ProgramHash().of(module))
"""


def test_identities_and_hashes_are_the_same_in_every_process():
    def run(seed):
        return subprocess.run(
            [sys.executable, "-c", HASH_IN_ANOTHER_PROCESS],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert run("1") == run("2") != ""


def test_the_program_hash_tells_instructions_and_demos_apart():
    program, hash_of = Program(), ProgramHash()
    seen = [hash_of.of(program)]
    program.judge.demos = [dspy.Example(answer="a", score=1.0)]
    seen.append(hash_of.of(program))
    program.judge.demos.append(dspy.Example(answer="b", score=0.0))
    seen.append(hash_of.of(program))
    program.judge.signature = program.judge.signature.with_instructions("Judge harshly.")
    seen.append(hash_of.of(program))
    program.judge.signature.instructions = "Judge mildly."
    seen.append(hash_of.of(program))
    assert len(set(seen)) == 5
    assert all(len(digest) == 16 for digest in seen)


def test_equal_programs_have_one_hash_and_it_comes_back_with_the_prompts():
    program, hash_of = Program(), ProgramHash()
    before = hash_of.of(program)
    program.judge.demos = [{"answer": "a"}]
    assert hash_of.of(program) != before
    program.judge.demos = []
    assert hash_of.of(program) == before == ProgramHash().of(Program())


def test_an_unchanged_program_is_not_encoded_again():
    class CountsReads(date):
        reads = 0

        def isoformat(self):
            type(self).reads += 1
            return super().isoformat()

    program, hash_of = Program(), ProgramHash()
    program.judge.demos = [{"answer": CountsReads(2024, 2, 29)}]
    assert hash_of.of(program) == hash_of.of(program)
    assert CountsReads.reads == 1


def test_a_program_that_cannot_be_read_has_no_hash():
    program = Program()
    program.judge.demos = None
    assert ProgramHash().of(program) is None


def test_arguments_are_named_as_forward_names_them():
    class Takes(dspy.Module):
        def forward(self, a, b=2, *rest, config=None, **more):
            return a, b, rest, config, more

    shape = CallShape(Takes)
    assert shape.bind((1,), {"b": 3}) == {"a": 1, "b": 3}
    assert shape.bind((1, 2, 3, 4), {"c": 5}) == {"a": 1, "b": 2, "rest": [3, 4], "c": 5}
    assert shape.bind((), {"a": 1, "config": 2, "lm": "x"}) == {"a": 1, "config": 2}


def test_a_predictors_options_are_no_inputs():
    options = {"config": {}, "demos": [], "lm": None, "signature": "a -> b", "new_signature": None}
    assert shape_of(dspy.Predict("a -> b")).bind((), {"a": 1, **options}) == {"a": 1}
    assert shape_of(dspy.ReAct("a -> b", tools=[])).bind((), {"a": 1, "max_iters": 3}) == {"a": 1}
    assert shape_of(dspy.Predict("a -> b")).bind(("stray",), {}) == {"args": ["stray"]}


def test_a_declared_output_that_a_call_leaves_out_is_null_in_its_record(everything):
    class Two(dspy.Signature):
        question: str = dspy.InputField()
        answer: str = dspy.OutputField()
        reason: str = dspy.OutputField()

    class Forgetful(dspy.Module):
        signature = Two

        def forward(self, question):
            return dspy.Prediction(answer=question)

    headrace.instrument(Forgetful(), name="forgetful")(question="why?")
    (call,) = everything.calls
    assert call.output == {"answer": "why?", "reason": None}


class Untouchable(list):
    """A list that must not be read."""

    def __iter__(self):
        raise AssertionError("DSPy's own bookkeeping was walked")


def test_dspy_s_own_bookkeeping_is_not_walked_however_long_it_grows():
    program = dspy.ChainOfThought("question -> answer")
    before = [each.path for each in predictors_of(program)]
    program.history = Untouchable([{}] * 10_000)
    program.callbacks = Untouchable()
    assert [each.path for each in predictors_of(program)] == before == ["predict"]
    assert ProgramHash().of(program) is not None
