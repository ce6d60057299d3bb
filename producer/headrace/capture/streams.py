"""A call that returns a generator ends when that is consumed, closed, or abandoned: not when it is returned.

The caller gets a generator of the same kind, which takes each step of the module's own inside the settings of its call,
and between the steps leaves the caller's settings as they are. `send`, `throw`, `close`, the value it returns and what
it raises pass through. Other iterators are returned as they are, and their call has ended then.
"""

from __future__ import annotations

import json
import weakref
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, Protocol

import dspy

from headrace.capture.values import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractContextManager

__all__ = ["STREAMS", "Collected", "watched"]

STREAMS: Final = frozenset({GeneratorType, AsyncGeneratorType})


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
    made: Any = _steps(stream, call) if isinstance(stream, GeneratorType) else _async_steps(stream, call)
    made.__name__, made.__qualname__ = stream.__name__, stream.__qualname__
    # For one that is abandoned before its first step, whose frame never runs.
    weakref.finalize(made, call.end_stream, GeneratorExit()).atexit = False
    return made


def _steps(inner: Any, call: Streaming) -> Generator[Any, Any, Any]:
    step: Callable[[Any], Any] = inner.send
    given: Any = None
    while True:
        try:
            with call.step():
                item = step(given)
        except StopIteration as stop:
            call.end_stream(None)
            return stop.value
        except BaseException as error:
            call.end_stream(error)
            raise
        call.collect(item)
        try:
            step, given = inner.send, (yield item)
        except GeneratorExit as closed:
            try:
                with call.step():
                    inner.close()
            except BaseException as error:
                call.end_stream(error)
                raise
            call.end_stream(closed)
            raise
        except BaseException as thrown:
            step, given = inner.throw, thrown


async def _async_steps(inner: Any, call: Streaming) -> AsyncGenerator[Any, Any]:
    step: Callable[[Any], Any] = inner.asend
    given: Any = None
    while True:
        try:
            with call.step():
                item = await step(given)
        except StopAsyncIteration:
            call.end_stream(None)
            return
        except BaseException as error:
            call.end_stream(error)
            raise
        call.collect(item)
        try:
            step, given = inner.asend, (yield item)
        except GeneratorExit as closed:
            try:
                with call.step():
                    await inner.aclose()
            except BaseException as error:
                call.end_stream(error)
                raise
            call.end_stream(closed)
            raise
        except BaseException as thrown:
            step, given = inner.athrow, thrown


class Collected:
    """What a stream yielded, for its record: no more than a field may hold.

    Args:
        max_bytes: of what is kept; a little more is, so that the record is cut and marked as any other too long.

    Attributes:
        last: the last item, in any case.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: list[Any] = []
        self._size = 0
        self._left_out = 0
        self.last: Any = None

    def add(self, item: Any) -> None:
        """Keep an item as it is now."""
        self.last = item
        if self._size > self._max_bytes:
            self._left_out += 1
            return
        kept = item if isinstance(item, str) else to_json({"": item})[""]
        self._items.append(kept)
        self._size += len(kept) if isinstance(kept, str) else len(json.dumps(kept))

    def output(self) -> Any:
        """Return the call's output: the Prediction at the end, as DSPy's own streams have it; else all text, else all.

        A Prediction is what the program answers; what came before are its pieces.
        """
        if isinstance(self.last, dspy.Example):
            return self.last
        if all(isinstance(item, str) for item in self._items):
            return "".join(self._items)
        return [*self._items, f"<{self._left_out} more>"] if self._left_out else list(self._items)
