"""Exceptions that are the host's although our code catches them: what a signal handler raised while it was running.

Python runs a signal handler between two instructions of whatever the main thread is at. A time limit (Celery's
SoftTimeLimitExceeded, RQ's JobTimeoutException) that is up while we capture is raised inside our `try`, and has to
reach the host as if its own line had been interrupted. It is known by its traceback: below our frame is the handler's.

What `PyThreadState_SetAsyncExc` raises, in any thread, leaves no such frame and is not told apart.
"""

import dis
import functools
import inspect
import signal
from collections.abc import Iterator
from itertools import pairwise
from types import CodeType, FrameType, MethodType, TracebackType
from typing import Any

__all__ = ["came_from_a_signal", "pass_on"]


def pass_on(error: BaseException) -> None:
    """Raise what a signal handler raised; return where our code, or what it called, failed by itself."""
    if came_from_a_signal(error):
        raise error


def came_from_a_signal(error: BaseException) -> bool:
    """Tell whether an exception was raised by a signal handler of the host's."""
    entries = [*_entries(error.__traceback__)]
    if isinstance(error, KeyboardInterrupt) and entries and not _is_raised_in(entries[-1]):
        return True
    frames = [trace.tb_frame for trace in entries]
    if len(frames) < 2:  # noqa: PLR2004  # the interrupted one and the handler's
        return False
    if any(_got_the_frame_below(frame, below) for below, frame in pairwise(frames)):
        return True
    handlers = _handlers()
    return any(frame.f_code in handlers for frame in frames[1:])


def _entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_raised_in(trace: TracebackType) -> bool:
    """Tell whether a line of Python raised it: Python's own handler of Ctrl-C has no frame, and raises between two."""
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] in {"RAISE_VARARGS", "RERAISE"}


def _got_the_frame_below(frame: FrameType, below: FrameType) -> bool:
    """Tell whether a function was given a number and the frame that it interrupted, as signal handlers are.

    By this also a handler is known that put another one in its place before it raised.
    """
    code, values = frame.f_code, frame.f_locals
    given: list[Any] = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & inspect.CO_VARARGS:
        more = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        given.extend(more if type(more) is tuple else ())
    return any(its is below and issubclass(type(number), int) for number, its in pairwise(given))


def _handlers() -> set[CodeType]:
    """Return the code of the handlers that are installed."""
    return {code for number in signal.valid_signals() if (code := _code_of(signal.getsignal(number))) is not None}


def _code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if isinstance(handler, MethodType):
        handler = handler.__func__
    if not hasattr(handler, "__code__"):
        handler = inspect.getattr_static(type(handler), "__call__", None)
    code = getattr(handler, "__code__", None)
    return code if isinstance(code, CodeType) else None
