"""Filters and scorers of the user's own: plain callables that the configuration names as ``package.module:object``.

    filter: record -> bool, False rejects it        scorer: record -> 0 to 1

A record is a mapping of the interaction's fields, with input, output and attributes as objects. What a callable raises
stops the consumer before anything of the batch is written: a filter that fails must neither let a record pass nor
lose it. Its message may quote the payload, so only its type and place are told.
"""

import importlib
import json
import math
import traceback
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from headrace.config import Filters, Thresholds
from headrace.errors import ConfigError
from headrace_consumers.dataset.errors import OwnCallableError
from headrace_schemas import CanonicalizationError, canonical

__all__ = ["BUILT_IN", "Own", "load_callable", "own_of", "readable"]

BUILT_IN: Final = frozenset({"fields", "legacy"})

Record: TypeAlias = Mapping[str, Any]

_OBJECTS: Final = ("input", "output", "attributes")


class Own:
    """The user's own callables for one signature.

    Args:
        thresholds: names them.

    Raises:
        ConfigError: one cannot be imported or called.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._min_quality = thresholds.min_quality_score
        scorer = thresholds.scorer
        self._scorer = None if scorer in BUILT_IN else (scorer, load_callable(scorer))
        self._filters = [(path, load_callable(path)) for path in thresholds.own_filters]

    @property
    def scores(self) -> bool:
        """Whether the score is one of these."""
        return self._scorer is not None

    def __bool__(self) -> bool:
        return self.scores or bool(self._filters)

    def judge(self, record: Record, quality: float) -> tuple[str | None, float]:
        """Return why a record that passes all else is rejected (None: it passes), and its score.

        Args:
            record: as the schema has it, JSON in texts.
            quality: its score so far.

        Raises:
            OwnCallableError: one of the callables failed.
        """
        shown = readable(record)
        if self._scorer is not None:
            path, scorer = self._scorer
            quality = _score(path, _called(path, scorer, shown), shown)
            if quality < self._min_quality:
                return "quality", quality
        for path, keeps in self._filters:
            answer = _called(path, keeps, shown)
            if not isinstance(answer, bool):
                raise OwnCallableError(_line(path, f"returned {type(answer).__name__}, expected bool", shown))
            if not answer:
                return path, quality
        return None, quality


def own_of(filters: Filters) -> tuple[Own, dict[str, Own]]:
    """Return the user's callables for most signatures, and for those that differ.

    Raises:
        ConfigError: one cannot be imported or called.
    """
    return Own(filters.default), {name: Own(filters.for_signature(name)) for name in filters.signatures}


def load_callable(path: str) -> Callable[[Record], Any]:
    """Import what ``package.module:object`` names.

    Raises:
        ConfigError: it cannot be imported, or cannot be called.
    """
    module_name, _, name = path.partition(":")
    try:
        found: Any = reduce(getattr, name.split("."), importlib.import_module(module_name))
    except Exception as error:  # whatever a module does while it is imported
        raise ConfigError(
            f"filters: {path}: cannot be imported ({type(error).__name__}: {' '.join(str(error).split())[:200]}); "
            "install its package, or name its folder in PYTHONPATH"
        ) from error
    if not callable(found):
        raise ConfigError(f"filters: {path}: found {type(found).__name__}, expected something that can be called")
    return found  # type: ignore[no-any-return]


def readable(record: Record) -> Record:
    """Return a record with input, output and attributes as objects; what it holds is the callables' to read only."""
    return MappingProxyType({**record, **{name: _object(record[name]) for name in _OBJECTS}})


def _object(text: str) -> Any:
    try:
        value = canonical.loads(text)
    except CanonicalizationError:  # JSON all the same, or it would be a dead letter
        value = None
    return value if isinstance(value, dict) else json.loads(text)


def _called(path: str, own: Callable[[Record], Any], record: Record) -> Any:
    try:
        return own(record)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"raised {type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        raise OwnCallableError(_line(path, what, record)) from error


def _score(path: str, answer: Any, record: Record) -> float:
    if isinstance(answer, bool) or not isinstance(answer, int | float) or not 0 <= answer <= 1:
        is_number = isinstance(answer, int | float) and not isinstance(answer, bool) and math.isfinite(answer)
        found = f"{answer:g}" if is_number else type(answer).__name__
        raise OwnCallableError(_line(path, f"returned {found}, expected a number from 0 to 1", record))
    return float(answer)


def _line(path: str, what: str, record: Record) -> str:
    return (
        f"filters: {path} {what} for the record with event_id {record['event_id']!r}; its batch is not committed and "
        "nothing is lost. Mend it and start again"
    )
