"""How a call is given what it needs: by position, by keyword, with options of DSPy's own. Inputs are inputs only."""

import dspy
import pytest

import headrace
from tests.unit.headrace.capture.offline import OfflineLM
from tests.unit.headrace.ways.outcomes import aoutcome, outcome


class Takes(dspy.Module):
    def forward(self, question, style="plain", *more, limit=3, **rest):
        return dspy.Prediction(answer=[question, style, more, limit, rest])

    async def aforward(self, question, style="plain", *more, limit=3, **rest):
        return self.forward(question, style, *more, limit=limit, **rest)


CALLS = {
    "keywords": ((), {"question": "x", "limit": 5}, {"question": "x", "limit": 5}),
    "positions": (("x", "terse"), {}, {"question": "x", "style": "terse"}),
    "mixed": (("x",), {"style": "terse"}, {"question": "x", "style": "terse"}),
    "more": (("x", "terse", 1, 2), {}, {"question": "x", "style": "terse", "more": [1, 2]}),
    "rest": (("x",), {"other": 1}, {"question": "x", "other": 1}),
    "nothing": ((), {}, {}),
    "twice": (("x",), {"question": "y"}, {"question": "y"}),
    "DSPy's words as names of one's own": (
        ("x",),
        {"new_signature": 1, "_trace": 2},
        {"question": "x"},
    ),
}


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_arguments_arrive_as_given_and_are_recorded_by_name(everything, name, asynchronous):
    args, kwargs, inputs = CALLS[name]

    def told(module):
        return aoutcome(module.acall, *args, **kwargs) if asynchronous else outcome(module, *args, **kwargs)

    plain = told(Takes())
    assert _told_of(told(headrace.instrument(Takes(), "takes"))) == _told_of(plain)
    (call,) = everything.calls
    assert call.input == inputs
    assert call.success is (plain.raised is None)


def _told_of(result):
    return (result.result, result.raised)


class Options(dspy.Module):
    """Has inputs that are called what DSPy calls its options."""

    def forward(self, signature, demos, lm, config):
        return dspy.Prediction(answer=[signature, demos, lm, config])


def test_an_input_that_is_called_as_an_option_of_dspy_is_an_input(everything):
    given = {"signature": "s", "demos": ["d"], "lm": "gpt", "config": {"a": 1}}
    headrace.instrument(Options(), "options")(**given)
    assert everything.calls[0].input == given


DEMO = dspy.Example(question="2+2", answer="4")
OPTIONS = {
    "signature": lambda: {"signature": dspy.Signature("question -> answer, score: float")},
    "signature, text": lambda: {"signature": "question -> answer"},
    "demos": lambda: {"demos": [DEMO]},
    "config": lambda: {"config": {"temperature": 0.9, "rollout_id": 3}},
    "lm": lambda: {"lm": OfflineLM({"reasoning": "so", "answer": "green"})},
    "all": lambda: {
        "lm": OfflineLM({"reasoning": "so", "answer": "green"}),
        "demos": [DEMO],
        "config": {"temperature": 0.3},
    },
}


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", [dspy.Predict, dspy.ChainOfThought])
@pytest.mark.parametrize("name", OPTIONS)
def test_a_predictors_options_take_effect_and_are_no_inputs(everything, name, kind, asynchronous):
    signature = "question -> answer"
    if kind is dspy.ChainOfThought and name.startswith("signature"):
        signature = "question -> answer, reasoning"

    def told(module):
        given = {"question": "x", **OPTIONS[name]()}
        return aoutcome(module.acall, **given) if asynchronous else outcome(module, **given)

    plain = told(kind(signature))
    assert told(headrace.instrument(kind(signature), "ask")) == plain
    (call,) = everything.calls
    assert call.input == {"question": "x"}
    assert call.lm_calls in {1, 2}
    if "lm" in OPTIONS[name]():
        assert plain.result["fields"]["answer"] == call.output["answer"] == "green"


def test_an_lm_of_the_predictors_own_is_the_model_recorded(everything):
    ask, other = (
        headrace.instrument(dspy.Predict("question -> answer"), "ask"),
        OfflineLM({"reasoning": "so", "answer": "green"}),
    )
    other.model = "other"
    ask.set_lm(other)
    assert ask(question="x").answer == "green"
    with dspy.context(lm=OfflineLM()):
        ask(question="y")
    assert [call.model for call in everything.calls] == ["other", "other"]


def test_a_missing_and_a_superfluous_input_are_recorded_as_given(everything, caplog):
    ask = headrace.instrument(dspy.Predict("question, context -> answer"), "ask")
    with caplog.at_level(100):
        ask(question="x")
        ask(question="x", context="c", other=1)
    assert [call.input for call in everything.calls] == [
        {"question": "x"},
        {"question": "x", "context": "c", "other": 1},
    ]


def test_a_default_of_the_signature_is_not_what_the_caller_gave(everything):
    class Defaults(dspy.Signature):
        question: str = dspy.InputField()
        style: str = dspy.InputField(default="plain")
        answer: str = dspy.OutputField()

    headrace.instrument(dspy.Predict(Defaults), "ask")(question="x")
    assert everything.calls[0].input == {"question": "x"}


def test_positional_arguments_to_a_predictor_are_refused_as_before(everything):
    plain = outcome(dspy.Predict("question -> answer"), "x")
    assert outcome(headrace.instrument(dspy.Predict("question -> answer"), "ask"), "x") == plain
    assert plain.raised.startswith("ValueError: Positional arguments are not allowed")
    assert everything.calls[0].error_type == "ValueError"


def test_a_predictor_that_was_given_another_signature_later_is_recorded_by_the_one_it_had(everything):
    ask = headrace.instrument(dspy.Predict("question -> answer"), "ask")
    before = dspy.Signature("question -> answer")
    ask(question="x")
    ask.signature = before.with_instructions("Be brief.")
    ask(question="x")
    first, second = everything.calls
    assert (first.signature, first.fields_hash) == (second.signature, second.fields_hash)
    assert first.program_hash != second.program_hash
