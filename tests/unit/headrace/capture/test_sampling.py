"""Who is captured: by the request's hash alone, and the root decides for everything inside."""

import subprocess
import sys
import uuid
from types import SimpleNamespace

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace
from headrace.capture import sampling
from headrace.capture.sampling import new_request_id, share_of, to_unicode
from headrace_schemas import keys
from tests.unit.headrace.capture.offline import Echo, OfflineLM, Program

REQUESTS = [f"request-{n}" for n in range(400)]


def is_sampled(request_id, rate):
    _, _, threshold = share_of(SimpleNamespace(rate_of=lambda _: rate), "qa")
    return keys.sampling_digest(request_id) < threshold


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_request_sampled_at_one_rate_is_sampled_at_every_higher_one(request_id, one, other):
    low, high = sorted((one, other))
    assert is_sampled(request_id, low) <= is_sampled(request_id, high)
    assert not is_sampled(request_id, 0.0)
    assert is_sampled(request_id, 1.0)


class Own(str):
    """A text with methods of its own."""

    __slots__ = ()

    def __str__(self):
        raise AssertionError("was asked")

    isascii = encode = __getitem__ = __str__


class Saying:
    def __str__(self):
        return Own("said")


def test_texts_of_a_kind_of_their_own_become_plain_ones():
    assert [type(to_unicode(value)) for value in (Own("é"), Saying())] == [str, str]
    assert (to_unicode(Own("é")), to_unicode(Saying())) == ("é", "said")


@given(st.text())
def test_text_of_any_kind_becomes_unicode(text):
    assert to_unicode(text).encode("utf-8").decode("utf-8") == to_unicode(text)


def test_what_is_no_text_is_named_by_its_str_and_lone_surrogates_are_replaced():
    assert to_unicode(42) == "42"
    assert to_unicode("a\ud800b") == "a?b"
    assert to_unicode("é") == "é"


def test_fresh_request_ids_are_random_uuids():
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    for request_id in ids:
        parsed = uuid.UUID(request_id)
        assert (parsed.version, parsed.variant, parsed.hex) == (4, uuid.RFC_4122, request_id)


def test_a_forked_child_and_a_restored_snapshot_have_ids_of_their_own():
    state = sampling._random.getstate()
    here = new_request_id()
    sampling._random.setstate(state)
    assert new_request_id() != here
    forking = """if True:
        import os
        from headrace.capture import sampling
        sampling.time.time_ns = lambda: 0  # what is left is the generator's own
        child = os.fork()
        if child:
            os.waitpid(child, 0)  # one line after the other
        print(sampling.new_request_id(), flush=True)
    """
    done = subprocess.run([sys.executable, "-c", forking], capture_output=True, text=True, check=True, timeout=60)
    assert len(set(done.stdout.split())) == 2


def test_exactly_the_requests_below_the_rate_are_captured(at):
    pipeline = at(25)
    echo = headrace.instrument(Echo())
    for request_id in REQUESTS:
        with headrace.request(request_id):
            echo(value=request_id)
    expected = [r for r in REQUESTS if keys.is_below_rate(keys.sampling_hash(r), 0.25)]
    assert [call.request_id for call in pipeline.calls] == expected
    assert 0 < len(expected) < len(REQUESTS)
    assert {call.inclusion_probability for call in pipeline.calls} == {0.25}


def test_at_rate_zero_nothing_is_captured(at):
    pipeline = at(0)
    echo = headrace.instrument(Echo())
    for _ in range(100):
        echo(value=1)
    assert pipeline.calls == []


def test_without_a_request_each_call_is_one_of_its_own(at):
    pipeline = at(50)
    echo = headrace.instrument(Echo())
    for _ in range(400):
        echo(value=1)
    assert 100 < len(pipeline.calls) < 300  # 10 standard deviations to either side
    assert len({call.request_id for call in pipeline.calls}) == len(pipeline.calls)


def sampled_and_not(rate):
    sampled = next(r for r in REQUESTS if is_sampled(r, rate))
    return sampled, next(r for r in REQUESTS if not is_sampled(r, rate))


class Outer(dspy.Module):
    """Calls an instrumented module, in a request of its own if it has one."""

    def __init__(self, inner, request_id=None, threads=None):
        super().__init__()
        self.inner, self.request_id, self.threads = inner, request_id, threads

    def forward(self, question):
        if self.threads:
            pairs = [(self.inner, {"question": question})] * self.threads
            return dspy.Parallel(num_threads=self.threads, disable_progress_bar=True)(pairs)[0]
        if self.request_id is None:
            return self.inner(question=question)
        with headrace.request(self.request_id):
            return self.inner(question=question)


@pytest.mark.parametrize("threads", [None, 3])
def test_inside_a_call_that_is_not_sampled_nothing_is(at, threads):
    pipeline = at(50)
    outer = headrace.instrument(Outer(headrace.instrument(Program(), "inner"), threads=threads), "outer")
    for _ in range(60):
        outer(question="x")
    assert pipeline.roots
    assert {call.signature for call in pipeline.roots} == {"outer"}
    assert len(pipeline.named("inner")) == len(pipeline.roots) * (threads or 1)


def test_a_request_inside_a_call_does_not_decide_again(at):
    pipeline, (sampled, unsampled) = at(50), sampled_and_not(0.5)
    inner = headrace.instrument(Program(), "inner")
    with headrace.request(unsampled):
        headrace.instrument(Outer(inner, request_id=sampled), "outer")(question="x")
    assert pipeline.calls == []
    with headrace.request(sampled):
        headrace.instrument(Outer(inner, request_id=unsampled), "outer")(question="x")
    assert {call.request_id for call in pipeline.calls} == {sampled}
    assert len(pipeline.calls) == 4


def test_inside_a_module_that_is_not_instrumented_a_call_is_a_root(everything):
    Outer(headrace.instrument(Program(), "inner"))(question="x")
    assert [call.signature for call in everything.roots] == ["inner"]


def test_all_calls_of_one_request_are_captured_or_none_in_every_thread(at):
    pipeline = at(50)
    program, examples = headrace.instrument(Echo()), [dspy.Example(value=n).with_inputs("value") for n in range(4)]
    for request_id in REQUESTS[:40]:
        with headrace.request(request_id):
            program.batch(examples, num_threads=2, disable_progress_bar=True)
    expected = [r for r in REQUESTS[:40] if is_sampled(r, 0.5)]
    assert sorted(call.request_id for call in pipeline.calls) == sorted(expected * 4)


def test_nothing_is_captured_inside_suppress(everything):
    program = headrace.instrument(Program(), "qa")
    with headrace.suppress(), headrace.request("r"):
        program(question="x")
        program.batch([dspy.Example(question="x").with_inputs("question")] * 2, disable_progress_bar=True)
    assert everything.calls == []
    program(question="x")
    assert len(everything.calls) == 3


def test_a_part_of_a_captured_call_can_be_suppressed(everything):
    class Guarded(Program):
        def forward(self, question):
            with headrace.suppress():
                answer = self.generate(question=question).answer
            return self.judge(answer=answer)

    headrace.instrument(Guarded(), "qa")(question="x")
    assert [call.signature for call in everything.calls] == ["qa.judge", "qa"]
    assert everything.roots[0].lm_calls == 2


def evaluate(program, **options):
    devset = [dspy.Example(question=str(n)).with_inputs("question") for n in range(3)]
    options = {"num_threads": 2, "display_progress": False, **options}
    return dspy.Evaluate(devset=devset, metric=lambda *_: 1.0, **options)(program)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_evaluation_is_no_traffic(everything, threads):
    program = headrace.instrument(Program(), "qa")
    assert evaluate(program, num_threads=threads).score == 100.0
    evaluate(Outer(program, threads=2))
    assert everything.calls == []
    program(question="x")
    assert len(everything.roots) == 1


def test_an_evaluation_that_fails_ends_the_suppression(everything):
    program = headrace.instrument(Program(), "qa")
    with dspy.context(lm=OfflineLM(error=ValueError("no"))), pytest.raises(Exception, match="cancelled"):
        evaluate(program, max_errors=1)
    assert everything.calls == []
    program(question="x")
    assert len(everything.roots) == 1


def test_an_evaluation_inside_a_captured_call_adds_its_cost_and_no_records(everything):
    class Checks(Program):
        def forward(self, question):
            evaluate(self.judge_alone)
            return dspy.Prediction(answer=question)

    program = Checks()
    program.judge_alone = dspy.Predict("question -> answer")
    headrace.instrument(program, "qa")(question="x")
    assert [(call.signature, call.lm_calls) for call in everything.calls] == [("qa", 3)]
