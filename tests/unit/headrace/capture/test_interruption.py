"""What a signal handler raises while our code runs reaches the host, wherever in our code that is."""

import dis
import functools
import gc
import inspect
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dspy
import pytest
from dspy.dsp.utils.settings import thread_local_overrides
from dspy.utils.exceptions import AdapterParseError

import headrace
from headrace import runtime
from headrace.capture.marks import mark_of
from headrace.capture.success import Unsuccessful
from headrace.config import load
from headrace.delivery import Pipeline
from headrace.interruption import came_from_a_signal, pass_on
from tests.unit.headrace.capture.offline import Echo, KeepingPipeline, Program

OURS = str(Path(headrace.__file__).parent)


class TimeLimitError(Exception):
    """As Celery's SoftTimeLimitExceeded: an Exception."""


def plain(_signum, _frame):
    raise TimeLimitError


def forgets_its_arguments(signum, frame):
    del signum, frame
    raise TimeLimitError


def deeper(signum, _frame):
    plain(signum, None)


def takes_any(*_):
    raise TimeLimitError


def puts_another_in_its_place(_signum, _frame):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    raise TimeLimitError


class Limit:
    def reached(self, signum, frame):
        del signum, frame
        raise TimeLimitError

    def __call__(self, signum, frame):
        del signum, frame
        raise TimeLimitError


def with_more(more, signum, frame):
    del signum, frame
    raise TimeLimitError(more)


HANDLERS = [
    plain,
    forgets_its_arguments,
    deeper,
    takes_any,
    puts_another_in_its_place,
    Limit().reached,
    Limit(),
    functools.partial(with_more, 1),
]


@pytest.fixture(autouse=True)
def _no_finalizers() -> Iterator[None]:
    """What is raised in a finalizer Python itself does not pass on."""
    gc.disable()
    yield
    gc.enable()


def caught(call) -> Exception:
    try:
        call()
    except (TimeLimitError, ValueError) as error:
        return error
    raise AssertionError


@contextmanager
def handled_by(handler) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


CHECKED = {"RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD"}
"""The instructions after which Python runs signal handlers."""


@contextmanager
def struck_at(number: int) -> Iterator[Callable[[], bool]]:
    """Raise the signal at the so manieth place in our code at which one may come; yields whether it came to that."""
    left = number
    latest: dict[object, str] = {}

    def trace(frame, event, _):
        nonlocal left
        name = frame.f_code.co_filename
        if not name.startswith(OURS) or name.endswith("interruption.py") or left <= 0:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            before = latest.get(frame, "")
            latest[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            left -= before in CHECKED or before.startswith("POP_JUMP_BACKWARD")
            if left == 0:
                signal.raise_signal(signal.SIGALRM)
        elif event == "return":
            latest.pop(frame, None)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lambda: left <= 0
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: getattr(handler, "__name__", type(handler).__name__))
def test_what_a_handler_raised_is_known(handler):
    with handled_by(handler):
        error = caught(lambda: signal.raise_signal(signal.SIGALRM))
        assert came_from_a_signal(error)
        with pytest.raises(TimeLimitError):
            pass_on(error)


def test_what_our_code_raised_is_not():
    def fails_given_a_frame(_number, _frame):
        raise TimeLimitError

    with handled_by(plain):
        error = caught(lambda: fails_given_a_frame(1, None))
    assert not came_from_a_signal(error)
    pass_on(error)


def test_what_a_handler_s_own_calls_raise_is_theirs():
    errors = []
    with handled_by(lambda *_: errors.append(caught(lambda: int("x")))):
        signal.raise_signal(signal.SIGALRM)
    assert [came_from_a_signal(error) for error in errors] == [False]


def reached_the_host(call) -> bool:
    try:
        call()
    except TimeLimitError:
        return True
    return False


def fails(program) -> None:
    with pytest.raises(KeyError):
        program(value=KeyError("x"))


DSPY_SWALLOWS = "except Exception" in inspect.getsource(dspy.ChatAdapter.__call__)
"""Before dspy 3.4 its adapter takes whatever is raised inside an LM call for an answer that cannot be parsed."""


def ways_of_calling():
    plain_call = headrace.instrument(Echo(), "echo", success=lambda output: output)
    nested = headrace.instrument(Program(), "qa")
    yield "echo", lambda: plain_call(value={"a": [1, {2}], "b": Limit()})
    yield "echo that raises", lambda: fails(plain_call)
    yield "program", lambda: nested(question="x")
    yield "stream", lambda: list(plain_call(value=(item for item in "ab")))
    yield "feedback", lambda: headrace.feedback("r", score=1, correction={"a": 1})


@pytest.mark.parametrize("rate_pct", [0, 100])
@pytest.mark.parametrize("way", ["echo", "echo that raises", "program", "stream", "feedback"])
def test_it_reaches_the_host_from_every_place_in_our_code(at, way, rate_pct):
    if way == "program" and rate_pct and DSPY_SWALLOWS:
        pytest.skip("dspy itself asks again, also of what interrupts its own lines")
    at(rate_pct)
    call = dict(ways_of_calling())[way]
    call()  # what is done once only
    lost, place = [], 0
    with handled_by(forgets_its_arguments):
        while True:
            place += 1
            with struck_at(place) as was_struck:
                reached = reached_the_host(call)
            if not was_struck():
                break
            if not reached:
                lost.append(place)
    assert place > 10
    assert lost == []


def test_a_call_after_an_interrupted_one_is_as_before(at):
    pipeline = at(100)
    program = headrace.instrument(Program(), "qa")
    with handled_by(plain):
        for line in range(1, 200, 7):
            with struck_at(line):
                reached_the_host(lambda: program(question="x"))
    assert dspy.settings.get("headrace") is None
    pipeline.calls.clear()
    program(question="y")
    assert [call.signature for call in pipeline.calls] == ["qa.generate.predict", "qa.judge", "qa"]
    assert pipeline.failures == []


def inside(opened, call):
    def run():
        with opened():
            call()

    return run


@pytest.mark.parametrize("way", ["echo", "echo that raises", "program", "request", "suppress"])
def test_no_setting_of_an_interrupted_call_or_request_is_left_in_place(at, way):
    at(100)
    ways = dict(ways_of_calling())
    ways["request"] = inside(lambda: headrace.request("r-1"), ways["echo"])
    ways["suppress"] = inside(headrace.suppress, ways["echo"])
    call = ways[way]
    call()
    before, left, place, is_over = thread_local_overrides.get(), [], 0, False
    # An older dspy asks again after most strikes, which takes long: of thousands of places every eleventh.
    step = 11 if way == "program" and DSPY_SWALLOWS else 1
    with handled_by(forgets_its_arguments):
        while not is_over:
            place += step
            with struck_at(place) as was_struck:
                try:
                    reached_the_host(call)
                except AdapterParseError:  # its second try, with the JSON adapter
                    assert DSPY_SWALLOWS
            if thread_local_overrides.get() is not before:
                left.append(place)
                thread_local_overrides.set(before)
            is_over = not was_struck()
    assert place > 10
    assert left == []


def test_the_ledger_balances_however_a_submit_is_interrupted(tmp_path):
    config = load(
        None,
        {"telemetry": {"enabled": True, "sampling_rate_pct": 100, "log_file_path": str(tmp_path / "calls.jsonl")}},
        {},
    )
    pipeline = Pipeline(config)
    previous = runtime.swap(runtime.Runtime(config, pipeline))
    try:
        program = headrace.instrument(Echo(), "echo")
        program(value=1)
        with handled_by(plain):
            for line in range(1, 400):
                with struck_at(line) as was_struck:
                    reached = reached_the_host(lambda: program(value=1))
                assert reached == was_struck()
        assert pipeline.flush(60)
        stats = pipeline.stats()
        assert (stats.balanced, stats.in_flight) == (True, 0)
        assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == stats.delivered
    finally:
        runtime.swap(previous)
        pipeline.close(5)


def test_a_timer_s_exceptions_all_reach_the_host(at):
    at(0)
    program = headrace.instrument(Echo(), "echo")
    raised = reached = calls = 0
    longest_s = 5e-3

    def handler(*_):
        nonlocal raised
        raised += 1
        raise TimeLimitError

    with handled_by(handler):
        while raised < 300 or not calls:
            before = raised
            if raised % 50 == 0 and not calls:  # each is interrupted: an older dspy, or a machine that is busy
                longest_s *= 2
            try:
                signal.setitimer(signal.ITIMER_REAL, 20e-6 + (raised % 50) / 50 * longest_s)
                while raised == before:
                    program(value=1)
                    calls += 1
            except TimeLimitError:
                reached += 1
    assert reached == raised


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_passes_as_ever(at, error):
    at(100)

    def handler(*_):
        raise error

    program = headrace.instrument(Program(), "qa")
    with handled_by(handler), struck_at(30), pytest.raises(error):
        program(question="x")


def test_our_own_failures_still_stay_ours(at):
    pipeline = at(100)
    assert isinstance(pipeline, KeepingPipeline)
    pipeline.broken = True
    with handled_by(plain):
        assert headrace.instrument(Echo(), "echo")(value=1) == 1
    assert pipeline.failures == ["capture_failed"]
    assert not came_from_a_signal(Unsuccessful())


class SaysError(Exception):
    def __init__(self, said):
        super().__init__()
        self.said = said

    def __str__(self):
        return self.said()


def exits():
    raise SystemExit(3)


def quits():
    raise KeyboardInterrupt


@pytest.mark.parametrize("said", [exits, quits])
def test_an_error_whose_text_ends_the_process_is_still_the_caller_s_error(everything, said):
    with pytest.raises(SaysError):
        headrace.instrument(Echo(), "echo")(value=SaysError(said))
    assert [call.error for call in everything.calls] == ["<no message>"]


def test_ctrl_c_in_the_text_of_an_error_passes(at):
    at(100)
    with handled_by_python(), pytest.raises(KeyboardInterrupt):
        headrace.instrument(Echo(), "echo")(value=SaysError(lambda: signal.raise_signal(signal.SIGINT)))


@contextmanager
def handled_by_python() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def settings_inside(call) -> object:
    """Return the settings that a call of a module runs in."""
    seen = []

    class Looks(Echo):
        def forward(self, value):
            seen.append(thread_local_overrides.get())
            return value

    call(headrace.instrument(Looks(), "looks"))
    return seen[0]


@pytest.fixture
def left_over() -> Iterator[Callable[[object], None]]:
    """Put settings in place, as an interrupted dspy.context does that is collected as garbage."""
    before = thread_local_overrides.get()
    yield thread_local_overrides.set
    thread_local_overrides.set(before)


def test_in_what_is_left_of_a_captured_call_calls_are_sampled_by_themselves(at, left_over):
    at(100)
    left = settings_inside(lambda looks: looks(value=1))
    for rate, count in ((0, 0), (100, 2)):
        pipeline = at(rate)
        left_over(left)
        echo = headrace.instrument(Echo(), "echo")
        echo(value=1)
        with headrace.request("refused", consent=False):
            echo(value=2)
        with headrace.request("r-1", subject_id="ann"):
            echo(value=3)
        assert [call.input["value"] for call in pipeline.roots] == [1, 3][:count]
        assert [call.subject_id for call in pipeline.calls] == [None, "ann"][:count]
        assert pipeline.failures == []


def test_in_what_is_left_of_a_call_that_was_not_captured_calls_are_sampled_by_themselves(at, left_over):
    at(0)
    left = settings_inside(lambda looks: looks(value=1))
    (inner,) = left["caller_modules"]
    assert type(inner).__name__ == "Looks"
    pipeline = at(100)
    left_over(left)
    echo = headrace.instrument(Echo(), "echo")
    echo(value=1)
    with headrace.request("r-1"):
        echo(value=2)
    assert [call.input["value"] for call in pipeline.roots] == [1, 2]
    assert thread_local_overrides.get()["caller_modules"] == []
    assert pipeline.failures == []


@pytest.mark.parametrize("rate", [0, 100])
def test_a_call_is_open_until_it_ends_however_it_ends(at, rate):
    at(rate)
    echo = headrace.instrument(Echo(), "echo")
    mark = mark_of(echo)
    echo(value=1)
    fails(echo)
    stream = echo(value=(item for item in "ab"))
    assert len(mark.open) == 1
    assert list(stream) == ["a", "b"]
    assert mark.open == []


def test_what_is_left_of_a_captured_call_takes_in_no_predictor_and_piles_nothing_up(at, left_over):
    pipeline = at(100)
    left = settings_inside(lambda looks: looks(value=1))
    pipeline.calls.clear()
    left_over(left)
    dspy.Predict("question -> answer")(question="x")
    assert pipeline.calls == []
    again = settings_inside(lambda looks: looks(value=1))
    assert [len(again[key]) for key in ("callbacks", "caller_modules")] == [1, 2]


def test_of_a_request_that_is_left_over_no_call_is_told(everything, left_over):
    echo = headrace.instrument(Echo(), "echo")
    for consent in (True, False):
        with headrace.request("over", subject_id="ann", consent=consent):
            left = thread_local_overrides.get()
        left_over(left)
        echo(value=1)
    with headrace.suppress():
        left = thread_local_overrides.get()
    left_over(left)
    echo(value=1)
    assert [call.subject_id for call in everything.calls] == [None, None, None]


@pytest.mark.parametrize("refusing", [lambda: headrace.request(consent=False), headrace.suppress])
def test_settings_of_before_that_come_back_inside_a_refusal_do_not_lift_it(everything, left_over, refusing):
    echo = headrace.instrument(Echo(), "echo")
    with headrace.request("around"):
        earlier = thread_local_overrides.get()
        with refusing():
            left_over(earlier)
            echo(value=1)
            before_all = settings_of_nothing()
            left_over(before_all)
            echo(value=2)
        left_over(earlier)
        echo(value=3)
    assert [(call.request_id, call.input) for call in everything.calls] == [("around", {"value": 3})]


def settings_of_nothing() -> object:
    return type(thread_local_overrides.get())(
        {key: value for key, value in thread_local_overrides.get().items() if key != "headrace"}
    )


def test_a_call_that_is_not_sampled_leaves_no_settings_of_dspy_s_in_place_when_interrupted(at):
    """In which the calls after it would be taken for calls inside it."""
    at(0)
    before = thread_local_overrides.get()

    class Interrupted(Echo):
        def __call__(self, *args, **kwargs):  # as dspy.context is between setting and trying
            del args, kwargs
            thread_local_overrides.set(type(before)({**before, "caller_modules": [self]}))
            signal.raise_signal(signal.SIGALRM)

    with handled_by(plain), pytest.raises(TimeLimitError):
        headrace.instrument(Interrupted(), "i")(value=1)
    assert thread_local_overrides.get() is before
