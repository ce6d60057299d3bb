"""DSPy's own modules, plain and instrumented: one outcome; the records of each, by signature and parent."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dspy
import pytest

import headrace
from tests.unit.headrace.capture.offline import ANSWERS, OfflineLM
from tests.unit.headrace.ways.outcomes import aoutcome, outcome

CALLED = []


def look_up(question: str) -> str:
    """Look a question up."""
    CALLED.append(question)
    return f"looked up {question}"


def fails(question: str) -> str:
    """Fail."""
    raise OSError(question)


AGENT = {"next_thought": "hm", "next_tool_name": "look_up", "next_tool_args": '{"question": "inner"}'}
ADVICE = {"discussion": "it went wrong", "advice": '{"predict": "do better", "self": "do better"}'}


class Layered(dspy.Module):
    """Modules in modules, in a list and in a dict."""

    def __init__(self):
        super().__init__()
        self.first = dspy.ChainOfThought("question -> answer")
        self.rest = [dspy.Predict("answer -> summary"), dspy.ChainOfThought("summary -> answer")]
        self.last = {"score": dspy.Predict("answer -> score: float")}

    def forward(self, question):
        answer = self.first(question=question).answer
        answer = self.rest[1](summary=self.rest[0](answer=answer).summary).answer
        return self.last["score"](answer=answer)

    async def aforward(self, question):
        answer = (await self.first.acall(question=question)).answer
        summary = (await self.rest[0].acall(answer=answer)).summary
        answer = (await self.rest[1].acall(summary=summary)).answer
        return await self.last["score"].acall(answer=answer)


class CompletionsIn(dspy.Module):
    """Compares three attempts."""

    def __init__(self):
        super().__init__()
        self.attempt = dspy.ChainOfThought("question -> answer")
        self.compare = dspy.MultiChainComparison("question -> answer", M=3)

    def forward(self, question):
        return self.compare([self.attempt(question=question) for _ in range(3)], question=question)


def reward(inputs, prediction):
    """Never enough."""
    del inputs
    return float(len(prediction.answer)) / 100


@dataclass
class Case:
    """A module, and how many records of which signature a call leaves."""

    make: Callable[[], Any]
    records: dict[str, int]
    fields: dict[str, Any]
    root: str = "m"
    has_acall: bool = True


def _interpreting(make):
    """Return what makes a module with an interpreter that needs no Deno."""
    return lambda *args, **options: make(*args, interpreter_factory=dspy.LocalInterpreter, **options)


LEAVING = "ignore:(ProgramOfThought|CodeAct) is deprecated:DeprecationWarning"
CODE_FIELDS = {"generated_code": "SUBMIT({'answer': 'blue'})", "code": "SUBMIT('blue')", "finished": "True"}
CODE = {}
if hasattr(dspy, "LocalInterpreter"):  # dspy 3.4 on
    CODE = {
        "ProgramOfThought": Case(
            lambda: _interpreting(dspy.ProgramOfThought)("question -> answer"),
            {"m": 1, "m.code_generate.predict": 1, "m.generate_output.predict": 1},
            CODE_FIELDS,
            has_acall=False,
        ),
        "CodeAct": Case(
            lambda: _interpreting(dspy.CodeAct)("question -> answer", tools=[look_up]),
            {"m": 1, "m.codeact": 1, "m.extractor.predict": 1},
            CODE_FIELDS,
            has_acall=False,
        ),
        "RLM": Case(
            lambda: _interpreting(dspy.RLM)("question -> answer", max_iters=2),
            {"m": 1, "m.generate_action": 1},
            CODE_FIELDS,
        ),
        "ReActV2": Case(
            lambda: dspy.ReActV2("question -> answer", tools=[look_up]),
            {"m": 1, "m.react": 1},
            {"next_thought": "done", "tool_calls": '{"tool_calls": [{"name": "submit", "args": {"answer": "blue"}}]}'},
        ),
    }


CASES = {
    "Predict": Case(lambda: dspy.Predict("question -> answer"), {"m.self": 1}, {}, root="m.self"),
    "ChainOfThought": Case(lambda: dspy.ChainOfThought("question -> answer"), {"m.predict": 1}, {}, root="m.predict"),
    "ReAct": Case(
        lambda: dspy.ReAct("question -> answer", tools=[look_up], max_iters=2),
        {"m": 1, "m.react": 2, "m.extract.predict": 1},
        AGENT,
    ),
    "ReAct, the tool fails": Case(
        lambda: dspy.ReAct("question -> answer", tools=[fails], max_iters=1),
        {"m": 1, "m.react": 1, "m.extract.predict": 1},
        {**AGENT, "next_tool_name": "fails"},
    ),
    "BestOfN": Case(
        lambda: dspy.BestOfN(dspy.ChainOfThought("question -> answer"), N=3, reward_fn=reward, threshold=1.0),
        {"m": 1, "m.module.predict": 3},
        {},
        has_acall=False,
    ),
    "Refine": Case(
        lambda: dspy.Refine(dspy.ChainOfThought("question -> answer"), N=2, reward_fn=reward, threshold=1.0),
        {"m": 1, "m.module.predict": 2, "OfferFeedback": 1},
        ADVICE,
        has_acall=False,
    ),
    "MultiChainComparison": Case(
        CompletionsIn,
        {"m": 1, "m.attempt.predict": 3, "m.compare.predict": 1},
        {"rationale": "the second"},
        has_acall=False,
    ),
    **CODE,
    "nested": Case(
        Layered,
        {"m": 1, "m.first.predict": 1, "m.rest[0]": 1, "m.rest[1].predict": 1, "m.last['score']": 1},
        {},
    ),
}


@pytest.mark.filterwarnings("ignore:.*prefix:DeprecationWarning", LEAVING)  # MultiChainComparison's own
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_module_does_what_it_did_and_its_records_are_its_calls(everything, case, asynchronous):
    def told(module):
        return aoutcome(module.acall, question="x") if asynchronous else outcome(module, question="x")

    with dspy.context(lm=OfflineLM({**ANSWERS, **case.fields})):
        plain, ours = told(case.make()), told(headrace.instrument(case.make(), "m"))
    assert _without_places(ours) == _without_places(plain)
    if asynchronous and not case.has_acall:
        assert plain.raised is not None
        assert [root.success for root in everything.roots] == [False]
        return
    assert plain.raised is None
    (root,) = everything.roots
    assert (root.signature, root.input, root.success) == (case.root, {"question": "x"}, True)
    assert Counter(call.signature for call in everything.calls) == case.records
    assert {call.parent_event_id for call in everything.calls} <= {None, root.event_id}
    assert root.lm_calls == max(1, sum(case.records.values()) - (case.root == "m"))


def _without_places(told):
    """A failed tool's observation is a traceback: with a callback, DSPy calls the tool from another line of its own."""
    return re.sub(r"0x[0-9a-f]+|File .{,300}?callback\.py.{,200}?(?=File|OSError)", "", repr(told))


def test_an_agents_tools_run_as_often_as_before(everything):
    with dspy.context(lm=OfflineLM({**ANSWERS, **AGENT})):
        CALLED.clear()
        dspy.ReAct("question -> answer", tools=[look_up], max_iters=2)(question="x")
        plain = list(CALLED)
        CALLED.clear()
        headrace.instrument(dspy.ReAct("question -> answer", tools=[look_up], max_iters=2), "m")(question="x")
    assert plain == CALLED == ["inner"] * 2
    steps = everything.named("m.react")
    assert [step.output["next_tool_name"] for step in steps] == ["look_up"] * 2
    assert "looked up inner" in str(everything.roots[0].output["trajectory"])


def test_an_agents_own_limit_is_no_input(everything):
    agent = headrace.instrument(dspy.ReAct("question -> answer", tools=[look_up], max_iters=9), "m")
    with dspy.context(lm=OfflineLM({**ANSWERS, **AGENT})):
        agent(question="x", max_iters=1)
    assert everything.roots[0].input == {"question": "x"}
    assert len(everything.named("m.react")) == 1


def test_a_tool_that_calls_another_instrumented_program_in_a_thread_pool(everything):
    """The tool's module is a child of the agent's step where dspy's settings reach, a root where they do not."""
    expert = headrace.instrument(dspy.Predict("question -> answer"), "expert")

    def consult(question: str) -> list[str]:
        """Ask two experts."""
        pairs = [(expert, {"question": f"{question} {number}"}) for number in range(2)]
        return [each.answer for each in dspy.Parallel(num_threads=2, disable_progress_bar=True)(pairs)]

    agent = headrace.instrument(dspy.ReAct("question -> answer", tools=[consult], max_iters=1), "m")
    with dspy.context(lm=OfflineLM({**ANSWERS, **AGENT, "next_tool_name": "consult"})):
        agent(question="x")
    (root,) = everything.roots
    experts = everything.named("expert.self")
    assert sorted(call.input["question"] for call in experts) == ["inner 0", "inner 1"]
    assert {call.parent_event_id for call in experts} == {root.event_id}
    assert root.lm_calls == 4


def test_an_async_tool_and_an_async_agent(everything):
    async def look(question: str) -> str:
        """Look it up."""
        await asyncio.sleep(0)
        return f"looked up {question}"

    agent = headrace.instrument(dspy.ReAct("question -> answer", tools=[look], max_iters=1), "m")
    with dspy.context(lm=OfflineLM({**ANSWERS, **AGENT, "next_tool_name": "look"})):
        asyncio.run(agent.acall(question="x"))
    assert "looked up inner" in str(everything.roots[0].output["trajectory"])


def test_two_instrumented_levels_and_the_predictors_between_them(everything):
    class Inner(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = dspy.ChainOfThought("question -> answer")
            self.judge = dspy.Predict("answer -> score: float")

        def forward(self, question):
            return self.judge(answer=self.ask(question=question).answer)

    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.inner = headrace.instrument(Inner(), "inner", "i1")
            self.sum_up = dspy.Predict("answer -> summary")

        def forward(self, question):
            return self.sum_up(answer=str(self.inner(question=question).score))

    headrace.instrument(Outer(), "outer", "o1")(question="x")
    (root,) = everything.roots
    ids = {call.event_id: call.signature for call in everything.calls}
    joined = {(call.signature, ids.get(call.parent_event_id)) for call in everything.calls}
    assert joined == {
        ("outer", None),
        ("inner", "outer"),
        ("inner.ask.predict", "inner"),
        ("inner.judge", "inner"),
        ("outer.sum_up", "outer"),
    }
    assert (root.module_version, root.lm_calls) == ("o1", 3)
    assert {call.module_version for call in everything.calls if call.signature.startswith("inner")} == {"i1"}


@pytest.mark.skipif(not CODE, reason="before dspy 3.4 an interpreter is an option of the module")
@pytest.mark.filterwarnings(LEAVING)
@pytest.mark.parametrize("name", ["ProgramOfThought", "CodeAct"])
def test_an_interpreter_of_the_callers_own_is_no_input(everything, name):
    module = headrace.instrument(CODE[name].make(), "m")
    interpreter = dspy.LocalInterpreter()
    with dspy.context(lm=OfflineLM({**ANSWERS, **CODE_FIELDS})):
        assert module(interpreter, question="x").answer == "blue"
    assert everything.roots[0].input == {"question": "x"}
    interpreter.shutdown()
