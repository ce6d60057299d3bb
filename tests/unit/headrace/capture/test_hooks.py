"""A recorded call is heard where it has something to tell, and nobody else's callbacks notice."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import dspy
import pytest
from dspy.utils.callback import ACTIVE_CALL_ID, BaseCallback
from packaging.version import Version

import headrace
from tests.unit.headrace.capture.offline import DSPY, Program


class Listener(BaseCallback):
    """Writes down every hook that DSPy calls, each call by the number of its place in the order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, int | None]] = []
        self._numbers: dict[str | None, int | None] = {None: None}

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        def hear(call_id: str, **_: Any) -> None:
            number = self._numbers.setdefault(call_id, len(self._numbers))
            self.heard.append((name, number, self._numbers.get(ACTIVE_CALL_ID.get())))

        return hear


class Probe(dspy.Module):
    """Tells by what number DSPy knows the call it is in: None where nobody listens."""

    def forward(self) -> dspy.Prediction:
        return dspy.Prediction(number=ACTIVE_CALL_ID.get())


class ProbingAdapter(dspy.ChatAdapter):
    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[str | None] = []

    def parse(self, signature: Any, completion: str) -> Any:
        self.numbers.append(ACTIVE_CALL_ID.get())
        return super().parse(signature, completion)


@contextmanager
def listening_to(what: str, program: Program) -> Iterator[Listener]:
    listener = Listener()
    adapter = dspy.ChatAdapter(callbacks=[listener] if what == "the adapter" else [])
    if what == "the root":
        program.callbacks = [listener]
    elif what == "a predictor":
        program.judge.callbacks = [listener]
    with dspy.context(adapter=adapter, callbacks=[listener] if what == "everything" else []):
        yield listener


def test_the_root_and_modules_without_a_record_cost_no_hook(everything):
    class Outer(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Probe()

        def forward(self) -> dspy.Prediction:
            return dspy.Prediction(numbers=[ACTIVE_CALL_ID.get(), self.inner().number])

    assert headrace.instrument(Outer(), "outer")().numbers == [None, None]
    assert len(everything.calls) == 1


def test_an_adapter_costs_no_hook(everything):
    adapter = ProbingAdapter()
    with dspy.context(adapter=adapter):
        headrace.instrument(dspy.Predict("question -> answer"), "one")(question="why?")
    assert adapter.numbers == [None]
    assert everything.calls[0].lm_calls == 1


class NumberedLM(dspy.BaseLM):
    """Tells by what number DSPy knows the call around each of its answers; calls and records are DSPy's own."""

    def __init__(self) -> None:
        super().__init__(model="offline/numbered", cache=False)
        self.numbers: list[str | None] = []

    def forward(self, *_: Any, **__: Any) -> Any:
        self.numbers.append(ACTIVE_CALL_ID.get())
        fields = {"reasoning": "so", "answer": "blue", "score": "0.5", "completed": ""}
        text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items())
        message = SimpleNamespace(content=text, tool_calls=None, reasoning_content=None)
        return SimpleNamespace(
            model=self.model,
            choices=[SimpleNamespace(message=message, finish_reason="stop")],
            usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        )


HEARD = pytest.mark.skipif(Version("3.2.1") > DSPY, reason="no hook tells of an LM of one's own")


class SilentLM(NumberedLM):
    """Leaves no entry in any history."""

    def update_history(self, entry: Any) -> None:
        pass


@pytest.mark.filterwarnings("ignore:Implementing custom LMs:DeprecationWarning")
def test_an_lm_that_dspy_records_costs_no_hook(everything):
    with dspy.context(lm=(lm := NumberedLM())):
        headrace.instrument(dspy.Predict("question -> answer"), "one")(question="why?")
        headrace.instrument(Program(), "program")(question="why?")
    assert lm.numbers[0] is None
    assert None not in lm.numbers[1:]  # there it is the predictor's
    assert [(call.signature, call.lm_calls, call.tokens_input) for call in everything.calls] == [
        ("one.self", 1, 7),
        ("program.generate.predict", 1, 7),
        ("program.judge", 1, 7),
        ("program", 2, 14),
    ]


@HEARD
@pytest.mark.filterwarnings("ignore:Implementing custom LMs:DeprecationWarning")
def test_usage_is_unknown_where_an_lm_keeps_its_calls_to_itself(everything):
    with dspy.context(lm=(lm := SilentLM())):
        headrace.instrument(Program(), "program")(question="why?")
    assert len(lm.numbers) == 2
    assert [(call.lm_calls, call.tokens_input, call.cost_usd) for call in everything.calls] == [(None, None, None)] * 3


@HEARD
@pytest.mark.filterwarnings("ignore:Implementing custom LMs:DeprecationWarning")
@pytest.mark.parametrize("settings", [{"disable_history": True}, {"max_history_size": 0}])
def test_usage_is_unknown_where_the_history_is_switched_off_inside_a_call(everything, settings):
    class Dark(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ask = dspy.Predict("question -> answer")

        def forward(self, text: str) -> dspy.Prediction:
            with dspy.context(**settings):
                return self.ask(question=text)

    with dspy.context(lm=NumberedLM()):
        headrace.instrument(Dark(), "dark")(text="why?")
    assert [call.lm_calls for call in everything.calls] == [None, None]


@pytest.mark.parametrize("what", ["everything", "the root", "a predictor", "the adapter"])
def test_other_callbacks_hear_what_they_would_without_capture(everything, what):
    with listening_to(what, plain := Program()) as listener:
        plain(question="why?")
    with listening_to(what, watched := headrace.instrument(Program(), "program")) as beside_capture:
        watched(question="why?")
    assert listener.heard
    assert beside_capture.heard == listener.heard
    assert len(everything.calls) == 3


@pytest.mark.parametrize("what", ["everything", "the root", "a predictor", "the adapter"])
def test_records_are_the_same_whoever_else_listens(everything, what):
    with listening_to(what, program := headrace.instrument(Program(), "program")):
        program(question="why?")
    (root,) = everything.roots
    assert root.lm_calls == 2
    assert [child.lm_calls for child in everything.inside(root)] == [1, 1]
    assert sorted(child.signature for child in everything.inside(root)) == ["program.generate.predict", "program.judge"]


def test_whoever_else_adds_up_the_callbacks_finds_the_recording(everything):
    class Adding(dspy.Module):
        def forward(self) -> dspy.Prediction:
            return dspy.Prediction(found=[type(each).__name__ for each in dspy.settings.callbacks + []])  # noqa: RUF005

    assert headrace.instrument(Adding(), "adding")().found == ["Recording"]
    assert len(everything.calls) == 1
