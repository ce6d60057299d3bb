"""Which calls inside a sampled one get a record, whose they are, and which LM calls they account for."""

import asyncio
import inspect
import re
import threading

import dspy
import pytest
from dspy.utils.callback import with_callbacks

import headrace
from tests.unit.headrace.capture.offline import ANSWERS, OfflineLM, Program


def number_in_prompt(entry):
    """An LM whose calls cost as many tokens as the prompt's number says, so that each can be told from the others."""
    found = re.findall(r"#(\d+)", str(entry["messages"][-1]["content"]))
    return int(found[0]), 0


class FanOut(dspy.Module):
    """Calls its predictor for each item, in threads."""

    def __init__(self, threads=4):
        super().__init__()
        self.ask = dspy.Predict("question -> answer")
        self.threads = threads

    def forward(self, numbers):
        pairs = [(self.ask, {"question": f"#{number}"}) for number in numbers]
        answers = dspy.Parallel(num_threads=self.threads, disable_progress_bar=True)(pairs)
        return dspy.Prediction(answers=[answer.answer for answer in answers])

    async def aforward(self, numbers):
        answers = await asyncio.gather(*(self.ask.acall(question=f"#{number}") for number in numbers))
        return dspy.Prediction(answers=[answer.answer for answer in answers])


def test_inner_predictors_are_children_of_the_root(everything):
    headrace.instrument(Program(), "qa", "v7")(question="x")
    generate, judge, root = everything.calls
    assert (generate.signature, judge.signature, root.signature) == ("qa.generate.predict", "qa.judge", "qa")
    assert root.parent_event_id is None
    assert generate.parent_event_id == judge.parent_event_id == root.event_id
    assert len({call.event_id for call in everything.calls}) == 3
    assert {(call.module_name, call.module_version) for call in everything.calls} == {("qa", "v7")}
    assert {call.request_id for call in everything.calls} == {root.request_id}
    assert {call.program_hash for call in everything.calls} == {root.program_hash}
    assert judge.input == {"answer": "blue"}
    assert judge.output == {"score": 0.5}


def test_each_record_counts_the_lm_calls_inside_it(everything):
    headrace.instrument(Program(), "qa")(question="x")
    generate, judge, root = everything.calls
    assert [(call.lm_calls, call.tokens_input, call.tokens_output) for call in (generate, judge)] == [(1, 7, 3)] * 2
    assert (root.lm_calls, root.tokens_input, root.tokens_output, root.cost_usd) == (2, 14, 6, 0.5)


def test_a_module_that_is_one_predictor_has_one_record(everything):
    headrace.instrument(dspy.ChainOfThought("question -> answer"), "cot")(question="x")
    (call,) = everything.calls
    assert (call.signature, call.lm_calls) == ("cot.predict", 1)
    assert call.output == {"reasoning": "because", "answer": "blue"}


def test_a_module_that_hands_other_inputs_to_its_only_predictor_has_both_records(everything):
    class Rewrites(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = dspy.Predict("question -> answer")

        def forward(self, question):
            self.ask(question="".join(question))  # equal, though perhaps another object
            return self.ask(question=question.upper())

    headrace.instrument(Rewrites(), "qa")(question="why so")
    child, root = everything.calls
    assert (child.signature, child.input, child.parent_event_id) == ("qa.ask", {"question": "WHY SO"}, root.event_id)
    assert (root.signature, root.input, root.lm_calls) == ("qa.ask", {"question": "why so"}, 2)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_concurrent_calls_inside_one_root_account_each_for_its_own(everything, asynchronous):
    fan_out, numbers = headrace.instrument(FanOut(), "fan"), list(range(100, 140))
    with dspy.context(lm=OfflineLM(tokens=number_in_prompt)):
        if asynchronous:
            asyncio.run(fan_out.acall(numbers=numbers))
        else:
            fan_out(numbers=numbers)
    (root,) = everything.roots
    children = everything.inside(root)
    assert sorted(call.tokens_input for call in children) == numbers
    assert all(call.input == {"question": f"#{call.tokens_input}"} for call in children)
    assert (root.tokens_input, root.lm_calls) == (sum(numbers), len(numbers))


def test_concurrent_roots_do_not_mix(everything):
    ask, numbers = headrace.instrument(dspy.Predict("question -> answer"), "ask"), list(range(200, 240))

    async def all_at_once():
        await asyncio.gather(*(ask.acall(question=f"#{number}") for number in numbers))

    with dspy.context(lm=OfflineLM(tokens=number_in_prompt)):
        asyncio.run(all_at_once())
        ask.batch(
            [dspy.Example(question=f"#{number}").with_inputs("question") for number in numbers],
            num_threads=4,
            disable_progress_bar=True,
        )
    assert sorted(call.tokens_input for call in everything.roots) == sorted(numbers * 2)
    assert all(call.input == {"question": f"#{call.tokens_input}"} for call in everything.calls)
    assert len({call.request_id for call in everything.calls}) == 80


def test_a_call_in_a_raw_thread_is_a_root_of_its_own(everything):
    ask = headrace.instrument(dspy.Predict("question -> answer"), "ask")
    lm, answers = OfflineLM(), []

    def work():
        with dspy.context(lm=lm):
            answers.append(ask(question="x").answer)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert answers == ["blue"]
    assert len(everything.roots) == 1


def test_a_nested_instrumented_module_is_a_child_under_its_own_name(everything):
    inner = headrace.instrument(Program(), "inner", "v2")

    class Outer(dspy.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner
            self.sum_up = dspy.Predict("answer -> summary")

        def forward(self, question):
            return self.sum_up(answer=self.inner(question=question).answer)

    headrace.instrument(Outer(), "outer", "v1")(question="x")
    (root,) = everything.roots
    (nested,) = everything.named("inner")
    assert nested.parent_event_id == root.event_id
    assert (nested.module_name, nested.module_version, nested.lm_calls) == ("inner", "v2", 2)
    assert [(call.signature, call.module_version) for call in everything.inside(nested)] == [
        ("inner.generate.predict", "v2"),
        ("inner.judge", "v2"),
    ]
    assert (root.lm_calls, root.cost_usd) == (3, 0.75)
    assert everything.named("outer.sum_up")[0].parent_event_id == root.event_id


def test_a_module_that_calls_itself_is_its_own_child(everything):
    class Countdown(dspy.Module):
        def forward(self, n):
            return dspy.Prediction(n=self(n=n - 1).n if n else 0)

    headrace.instrument(Countdown(), "countdown")(n=2)
    innermost, middle, root = everything.calls
    assert [call.input["n"] for call in (root, middle, innermost)] == [2, 1, 0]
    assert (innermost.parent_event_id, middle.parent_event_id) == (middle.event_id, root.event_id)


def test_an_agent_records_its_steps_and_the_modules_that_its_tools_call(everything):
    expert = headrace.instrument(dspy.Predict("question -> answer"), "expert")

    def consult(question: str) -> str:
        """Ask the expert."""
        return expert(question=question).answer

    agent = headrace.instrument(dspy.ReAct("question -> answer", tools=[consult], max_iters=1), "agent")
    steps = {"next_thought": "ask", "next_tool_name": "consult", "next_tool_args": '{"question": "inner"}'}
    with dspy.context(lm=OfflineLM({**ANSWERS, **steps})):
        agent(question="outer")
    (root,) = everything.roots
    assert root.signature == "agent"
    assert (root.lm_calls, root.input) == (3, {"question": "outer"})
    assert [call.signature for call in everything.inside(root)] == [
        "agent.react",
        "expert.self",
        "agent.extract.predict",
    ]
    assert everything.named("expert.self")[0].module_name == "expert"


def test_copies_that_best_of_n_calls_go_by_the_names_of_their_originals(everything):
    best = dspy.BestOfN(dspy.ChainOfThought("question -> answer"), N=2, reward_fn=lambda *_: 0.0, threshold=1.0)
    headrace.instrument(best, "best")(question="x")
    (root,) = everything.roots
    assert [call.signature for call in everything.inside(root)] == ["best.module.predict"] * 2
    assert root.lm_calls == 2


def test_predictors_put_in_place_later_or_made_during_the_call_have_names(everything):
    class MakesItsOwn(Program):
        def forward(self, question):
            dspy.Predict("question -> answer")(question=question)
            return super().forward(question)

    program = headrace.instrument(MakesItsOwn(), "qa")
    program.judge = dspy.Predict("answer -> score: float")
    program(question="x")
    assert [call.signature for call in everything.calls] == ["qa.dynamic", "qa.generate.predict", "qa.judge", "qa"]


def test_an_error_inside_that_the_program_survives_is_a_failed_child_of_a_success(everything):
    class Survives(Program):
        def forward(self, question):
            try:
                with dspy.context(lm=OfflineLM(error=TimeoutError("late"))):
                    self.generate(question=question)
            except Exception:
                return dspy.Prediction(answer="none")

    headrace.instrument(Survives(), "qa")(question="x")
    child, root = everything.calls
    assert (child.success, child.output, root.success) == (False, {}, True)
    assert "late" in child.error


def test_a_second_lm_call_after_an_answer_that_cannot_be_parsed_is_counted(everything):
    with dspy.context(lm=OfflineLM({"score": "not a number"})), pytest.raises(dspy.utils.exceptions.AdapterParseError):
        headrace.instrument(dspy.Predict("answer -> score: float"), "judge")(answer="x")
    (call,) = everything.calls
    assert (call.success, call.lm_calls, call.tokens_input) == (False, 2, 14)
    assert call.error_type == "AdapterParseError"


def test_a_cache_hit_costs_nothing(everything):
    with dspy.context(lm=OfflineLM(cached=True)):
        headrace.instrument(Program(), "qa")(question="x")
    assert [(c.lm_calls, c.cache_hits, c.cost_usd, c.tokens_input, c.tokens_output) for c in everything.calls] == [
        (1, 1, 0.0, 0, 0),
        (1, 1, 0.0, 0, 0),
        (2, 2, 0.0, 0, 0),
    ]


class UnheardLM(OfflineLM):
    """Tells no callback of its calls, as LMs of one's own did before dspy 3.2.1."""

    __call__ = inspect.unwrap(OfflineLM.__call__)


@pytest.mark.parametrize("lm", [OfflineLM, UnheardLM])
@pytest.mark.parametrize("settings", [{"disable_history": True}, {"max_history_size": 0}])
@pytest.mark.filterwarnings("ignore:Passing OpenAI-style message:DeprecationWarning")
def test_without_history_usage_is_unknown_rather_than_zero(everything, settings, lm):
    program = headrace.instrument(Program(), "qa")
    with dspy.context(lm=lm(), **settings):
        program(question="x")
    for call in everything.calls:
        assert call.success
        assert (call.tokens_input, call.tokens_output, call.cost_usd) == (None, None, None)
        assert (call.model, call.lm_calls, call.cache_hits) == (None, None, None)


def test_history_switched_off_for_a_part_leaves_that_part_and_the_root_unknown(everything):
    class PartlyInTheDark(Program):
        def forward(self, question):
            with dspy.context(disable_history=True):
                answer = self.generate(question=question).answer
            return self.judge(answer=answer)

    headrace.instrument(PartlyInTheDark(), "qa")(question="x")
    dark, lit, root = everything.calls
    assert (dark.lm_calls, lit.lm_calls, root.lm_calls) == (None, 1, None)


@pytest.mark.filterwarnings("ignore:Passing OpenAI-style message:DeprecationWarning")
def test_an_lm_that_no_callback_hears_of_is_counted_by_its_history(everything):
    program = headrace.instrument(Program(), "qa")
    with dspy.context(lm=UnheardLM()):
        program(question="x")
    assert [call.lm_calls for call in everything.calls] == [1, 1, 2]


def test_a_history_of_one_entry_is_enough(everything):
    program = headrace.instrument(Program(), "qa")
    with dspy.context(max_history_size=1):
        program(question="x")
    assert everything.roots[0].lm_calls == 2


@pytest.mark.filterwarnings("ignore:Passing OpenAI-style message:DeprecationWarning")
def test_an_lm_that_asks_another_lm_is_known_by_the_other_ones_entry(everything):
    class Delegates(OfflineLM):
        @with_callbacks
        def __call__(self, prompt=None, *, messages=None, **kwargs):
            return self.other(prompt, messages=messages, **kwargs)

    lm = Delegates()
    lm.other = OfflineLM(cost_usd=2.0)
    with dspy.context(lm=lm):
        headrace.instrument(dspy.Predict("question -> answer"), "qa")(question="x")
    assert (everything.calls[0].lm_calls, everything.calls[0].cost_usd) == (1, 2.0)


def test_models_are_listed_sorted_and_once(everything):
    class TwoModels(Program):
        def forward(self, question):
            for name in ("zeta", "alpha", "zeta"):
                lm = OfflineLM()
                lm.model = name
                with dspy.context(lm=lm):
                    self.judge(answer=question)

    headrace.instrument(TwoModels(), "qa")(question="x")
    assert everything.roots[0].model == "alpha,zeta"


def test_a_predictor_called_with_another_signature_keeps_its_identity(everything):
    ask = headrace.instrument(dspy.Predict("question -> answer"), "ask")
    ask(question="x")
    ask(question="x", signature=dspy.Signature("question -> answer, score: float"), config={"temperature": 0.5})
    first, second = everything.calls
    assert (first.signature, first.fields_hash) == (second.signature, second.fields_hash)
    assert first.input == second.input == {"question": "x"}
