"""A part of a page that may fail by itself: then one line stands in its place, and the rest of the page is there."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import polars as pl
import pyarrow as pa
import structlog
from deltalake.exceptions import DeltaError

from headrace.errors import HeadraceError
from headrace_consumers.dataset.delta.error_line import one_line

__all__ = ["FAULTS", "Part", "part", "trouble"]

Value = TypeVar("Value")

FAULTS: Final = (Exception, pl.exceptions.PanicException)
"""What a part may raise. A panic of polars is no Exception; it panics where a file is shorter than its log says."""
_FRAMES: Final = 3
log = structlog.get_logger("headrace.ui")


@dataclass(frozen=True, slots=True)
class Part(Generic[Value]):
    """What came of a part.

    Attributes:
        value: what is shown; None: there is nothing, see `problem`.
        problem: why, in one line; empty: it is well.
    """

    value: Value | None
    problem: str = ""


def part(work: Callable[[], Value]) -> Part[Value]:
    """Return what `work` returns, or in one line why it does not."""
    try:
        return Part(work())
    except FAULTS as error:
        return Part(None, trouble(error))


def trouble(error: BaseException) -> str:
    """Return an error in one line; one that is nobody's fault but ours goes to the log, without its message.

    A message may quote what was read, and no payload is ever logged: the places in the code do.
    """
    if isinstance(error, HeadraceError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and not isinstance(error, pa.ArrowException) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    if isinstance(error, DeltaError | pl.exceptions.PolarsError | pa.ArrowException | OSError):
        return f"cannot be read ({one_line(error)}); headrace dataset verify tells what is wrong"
    if isinstance(error, pl.exceptions.PanicException):
        return "a file cannot be read, it is cut short or damaged; headrace dataset verify tells which"
    log.error("a part of a page failed", error=type(error).__name__, places=_places(error))
    return f"unexpected {type(error).__name__}: the log of headrace ui names the place; please report it"


def _places(error: BaseException) -> list[str]:
    places, at = [], error.__traceback__
    while at is not None:
        places.append(f"{os.path.relpath(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}")
        at = at.tb_next
    return places[-_FRAMES:]
