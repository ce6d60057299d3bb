"""What a real dspy.LM does under a call: its cache, its retries, the adapter's second try. Each is billed as it was."""

import asyncio
import json

import dspy
import pytest

import headrace
from tests.support.openai_server import TOKENS, Reply, chat, in_turn
from tests.unit.headrace.ways.outcomes import aoutcome, outcome

COST = 4.65e-06
"""What DSPy says that the server's 11 and 5 tokens cost on the model that it gives itself out for."""


def ask():
    return dspy.Predict("question -> answer")


def billed(call):
    cost = None if call.cost_usd is None else pytest.approx(call.cost_usd)
    return (call.lm_calls, call.cache_hits, call.tokens_input, call.tokens_output, cost)


@pytest.fixture
def cache(tmp_path):
    """Give dspy a cache of this test's own; put the former one back."""
    before = dspy.cache
    dspy.configure_cache(
        enable_disk_cache=True, enable_memory_cache=True, disk_cache_dir=tmp_path / "cache", disk_size_limit_bytes=10**6
    )
    yield dspy.cache
    close = getattr(dspy.cache.disk_cache, "close", None)
    if close is not None:
        close()
    dspy.cache = before
    dspy.clients.DSPY_CACHE = before


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_real_call_is_billed_as_dspy_bills_it(everything, real_lm, asynchronous):
    lm, _ = real_lm(chat(answer="blue"))
    program = headrace.instrument(ask(), "ask")
    with dspy.context(lm=lm):
        result = asyncio.run(program.acall(question="x")) if asynchronous else program(question="x")
    assert result.answer == "blue"
    (call,) = everything.calls
    assert billed(call) == (1, 0, *TOKENS, pytest.approx(lm.history[-1]["cost"]))
    assert call.cost_usd == pytest.approx(COST)
    assert call.model == "openai/gpt-4o-mini"


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("tier", ["memory", "disk"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_hit_in_dspys_own_cache_costs_nothing(everything, real_lm, asynchronous, tier):
    lm, server = real_lm(chat(answer="blue"), cache=True)
    program = headrace.instrument(ask(), "ask")
    with dspy.context(lm=lm):
        for _ in range(2):
            if tier == "disk":
                dspy.cache.reset_memory_cache()
            result = asyncio.run(program.acall(question="x")) if asynchronous else program(question="x")
            assert result.answer == "blue"
    first, second = everything.calls
    assert len(server.requests) == 1
    assert billed(first) == (1, 0, *TOKENS, pytest.approx(COST))
    assert billed(second) == (1, 1, 0, 0, pytest.approx(0))
    assert second.output == first.output


@pytest.mark.usefixtures("cache")
def test_a_program_whose_first_half_is_cached_is_billed_for_the_second(everything, real_lm):
    class Two(dspy.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = ask(), ask()

        def forward(self, question, other):
            return self.two(question=self.one(question=question).answer + other)

    lm, _ = real_lm(chat(answer="blue"), cache=True)
    program = headrace.instrument(Two(), "two")
    with dspy.context(lm=lm):
        program(question="x", other="1")
        program(question="x", other="2")
    assert [billed(root) for root in everything.roots] == [
        (2, 0, 2 * TOKENS[0], 2 * TOKENS[1], pytest.approx(2 * COST)),
        (2, 1, *TOKENS, pytest.approx(COST)),
    ]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_retry_below_dspy_is_one_call(everything, real_lm, asynchronous):
    lm, server = real_lm(in_turn(Reply(status=500), {"answer": "blue"}), num_retries=2)
    program = headrace.instrument(ask(), "ask")
    with dspy.context(lm=lm):
        result = asyncio.run(program.acall(question="x")) if asynchronous else program(question="x")
    assert result.answer == "blue"
    assert len(server.requests) == 2
    assert billed(everything.calls[0]) == (1, 0, *TOKENS, pytest.approx(COST))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_lm_that_fails_raises_what_it_raised(everything, real_lm, asynchronous, status):
    def told(program):
        lm, server = real_lm(in_turn(Reply(status=status)))
        with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
            run = aoutcome(program.acall, question="x") if asynchronous else outcome(program, question="x")
        return run.raised, len(server.requests)

    plain = told(ask())
    assert plain[0] is not None
    assert told(headrace.instrument(ask(), "ask")) == plain
    (call,) = everything.calls
    assert (call.success, call.output) == (False, {})
    assert call.error_type == plain[0].partition(":")[0]
    assert call.error == plain[0].partition(": ")[2]


JSON_ANSWER = Reply(json.dumps({"answer": "blue"}))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_second_try_with_the_json_adapter_is_billed_too(everything, real_lm, asynchronous):
    def told(program):
        lm, server = real_lm(in_turn(Reply("no field of that name"), JSON_ANSWER))
        with dspy.context(lm=lm):
            run = aoutcome(program.acall, question="x") if asynchronous else outcome(program, question="x")
        return run, len(server.requests)

    plain = told(ask())
    assert plain[0].result["fields"] == {"answer": "blue"}
    assert plain[1] == 2
    assert told(headrace.instrument(ask(), "ask")) == plain
    (call,) = everything.calls
    assert billed(call) == (2, 0, 2 * TOKENS[0], 2 * TOKENS[1], pytest.approx(2 * COST))
    assert (call.success, call.output) == (True, {"answer": "blue"})


def test_both_tries_are_billed_to_the_predictor_and_to_the_program_around_it(everything, real_lm):
    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask, self.again = ask(), ask()

        def forward(self, question):
            return self.again(question=self.ask(question=question).answer)

    lm, _ = real_lm(in_turn(Reply("no field of that name"), JSON_ANSWER, {"answer": "green"}))
    with dspy.context(lm=lm):
        headrace.instrument(Outer(), "outer")(question="x")
    assert [(call.signature, call.lm_calls) for call in everything.calls] == [
        ("outer.ask", 2),
        ("outer.again", 1),
        ("outer", 3),
    ]


@pytest.mark.parametrize("adapter", [dspy.JSONAdapter, dspy.XMLAdapter])
def test_with_another_adapter(everything, real_lm, adapter):
    text = {"JSONAdapter": '{"answer": "blue"}', "XMLAdapter": "<answer>blue</answer>"}[adapter.__name__]
    lm, _ = real_lm(in_turn(Reply(text)))
    with dspy.context(lm=lm, adapter=adapter()):
        assert headrace.instrument(ask(), "ask")(question="x").answer == "blue"
    assert everything.calls[0].output == {"answer": "blue"}
    assert everything.calls[0].tokens_input == TOKENS[0]


def test_an_adapter_that_asks_two_models_is_billed_for_both(everything, real_lm):
    lm, _ = real_lm(in_turn(Reply("It is blue.")))
    extracting, _ = real_lm(chat(answer="blue"))
    with dspy.context(lm=lm, adapter=dspy.TwoStepAdapter(extracting)):
        assert headrace.instrument(ask(), "ask")(question="x").answer == "blue"
    assert billed(everything.calls[0]) == (2, 0, 2 * TOKENS[0], 2 * TOKENS[1], pytest.approx(2 * COST))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_several_completions_are_one_call_and_the_first_is_the_output(everything, real_lm, asynchronous):
    def told(program):
        lm, _ = real_lm(chat(answer="blue"))
        given = {"question": "x", "config": {"n": 3}}
        with dspy.context(lm=lm):
            return aoutcome(program.acall, **given) if asynchronous else outcome(program, **given)

    plain = told(ask())
    assert told(headrace.instrument(ask(), "ask")) == plain
    (call,) = everything.calls
    assert (call.input, call.output, call.lm_calls) == ({"question": "x"}, {"answer": "blue"}, 1)
