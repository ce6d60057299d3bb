"""A call that returns a generator ends when that is consumed, closed, or abandoned: not when it is returned.

The caller gets a generator of the same kind, which takes each step of the module's own inside the settings of its call,
and between the steps leaves the caller's settings as they are. `send`, `throw`, `close`, the value it returns and what
it raises pass through. Other iterators are returned as they are, and their call has ended then.
"""

from __future__ import annotations

import weakref
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

import dspy

from headrace.capture.budget import Budget
from headrace.capture.values import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractContextManager

__all__ = ["STREAMS", "Collected", "watched"]

STREAMS: Final = frozenset({GeneratorType, AsyncGeneratorType})
_EACH: Final = 8
"""Bytes of a number, or a key with its quotes."""


class Streaming(Protocol):
    """The call that a stream belongs to."""

    def step(self) -> AbstractContextManager[Any]:
        """Return a context manager around each step."""

    def collect(self, item: Any) -> None:
        """Take note of what was yielded. Never raises."""

    def end_stream(self, error: BaseException | None) -> None:
        """End the call, once. Never raises."""


def watched(stream: Any, call: Streaming) -> Any:
    """Return a generator that does as `stream` and ends its call."""
    step = _Step(call)
    made: Any = _steps(stream, step) if isinstance(stream, GeneratorType) else _async_steps(stream, step)
    made.__name__, made.__qualname__ = stream.__name__, stream.__qualname__
    step.watch(made)
    return made


class _Step:
    """Around each step of a stream: the settings of its call, and the call's end with the stream's.

    Args:
        call: that the stream belongs to.
    """

    def __init__(self, call: Streaming) -> None:
        self._call = call
        self._abandoned: Any = None
        self.collect = call.collect

    def watch(self, made: Any) -> None:
        """End the call where what the caller got is abandoned, even before its first step, when no line of it runs."""
        self._abandoned = weakref.finalize(made, self._call.end_stream, GeneratorExit())
        self._abandoned.atexit = False

    def __enter__(self) -> None:
        self._settings = self._call.step()
        self._settings.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settings.__exit__(kind, error, trace)
        if error is not None:
            self.end(None if isinstance(error, StopIteration | StopAsyncIteration) else error)

    def end(self, error: BaseException | None) -> None:
        """End the call; what comes after changes nothing."""
        if self._abandoned is not None:
            self._abandoned.detach()
        self._call.end_stream(error)


def _steps(inner: Any, step: _Step) -> Generator[Any, Any, Any]:
    act: Callable[[Any], Any] = inner.send
    given: Any = None
    while True:
        try:
            with step:
                item = act(given)
        except StopIteration as stop:
            return stop.value
        step.collect(item)
        try:
            act, given = inner.send, (yield item)
        except GeneratorExit as closed:
            with step:
                inner.close()
            step.end(closed)
            raise
        except BaseException as thrown:
            act, given = inner.throw, thrown


async def _async_steps(inner: Any, step: _Step) -> AsyncGenerator[Any, Any]:
    act: Callable[[Any], Any] = inner.asend
    given: Any = None
    while True:
        try:
            with step:
                item = await act(given)
        except StopAsyncIteration:
            return
        step.collect(item)
        try:
            act, given = inner.asend, (yield item)
        except GeneratorExit as closed:
            with step:
                await inner.aclose()
            step.end(closed)
            raise
        except BaseException as thrown:
            act, given = inner.athrow, thrown


class Collected:
    """What a stream yielded, for its record: no more than a field may hold.

    Args:
        max_bytes: of what is kept; a little more is, so that the record is cut and marked as any other too long.

    Attributes:
        last: the last item, in any case.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._budget = Budget(max_bytes)
        self._items: list[Any] = []
        self._size = 0
        self._left_out = 0
        self.last: Any = None

    @property
    def is_cut(self) -> bool:
        """Whether an item was too much to be copied."""
        return self._budget.is_cut

    def add(self, item: Any) -> None:
        """Keep an item as it is now."""
        self.last = item
        if self._size > self._max_bytes or self.is_cut:
            self._left_out += 1
            return
        kept = item if isinstance(item, str) else to_json(item, self._budget)
        self._items.append(kept)
        self._size += _length(kept)

    def output(self) -> Any:
        """Return the call's output: the Prediction at the end, as DSPy's own streams have it; else all text, else all.

        A Prediction is what the program answers; what came before are its pieces.
        """
        if isinstance(self.last, dspy.Example):
            return self.last
        if all(isinstance(item, str) for item in self._items):
            return "".join(self._items)
        return [*self._items, f"<{self._left_out} more>"] if self._left_out else list(self._items)


def _length(kept: Any) -> int:
    """Return about how long a value's JSON is; what is asked for has few parts, and its texts are not read."""
    if isinstance(kept, str):
        return len(kept)
    if isinstance(kept, dict):
        return _EACH + sum(_EACH + _length(item) for item in kept.values())
    return _EACH + sum(map(_length, kept)) if isinstance(kept, list) else _EACH
