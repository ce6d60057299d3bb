"""The metrics that come with Headrace: how like the example's outputs a prediction is, field by field.

| type of the output             | exact                        | fuzzy (and auto)                              |
|--------------------------------|------------------------------|-----------------------------------------------|
| bool, int, Enum, date and so on | equal                        | equal                                         |
| float                          | equal to 1e-9 of the larger  | equal to 1e-6 of the larger                   |
| str                            | equal, without case, blanks and punctuation | F1 of the words               |
| list, tuple, set               | each item, in order; a set in any | F1 of the items, each by its likeness    |
| dict, dataclass, model         | each member                  | the mean over the members of either           |

auto is exact for texts of at most five words, which are rather a name than a sentence, and fuzzy for the rest. The
score is the mean over the outputs. F1 of the words is that of SQuAD (Rajpurkar et al., 2016, section 6.1).
"""

import dataclasses
import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel

from headrace.capture.values import to_json

__all__ = ["Manner", "likeness", "typed_metric"]

Manner: TypeAlias = Literal["auto", "exact", "fuzzy"]

_NAME_WORDS: Final = 5
_EXACT: Final = 1e-9
_FUZZY: Final = 1e-6
_PASSES: Final = 1 - 1e-9
"""What a bootstrapped demo must score."""

_PUNCTUATION: Final = str.maketrans(dict.fromkeys(string.punctuation, " "))
_ADDED_BY_DSPY: Final = frozenset({"reasoning", "trajectory"})


def typed_metric(outputs: Sequence[str], manner: Manner) -> Callable[..., float | bool]:
    """Return a metric over the output fields of a signature.

    Args:
        outputs: their names; those that DSPy adds do not count where there are others.
        manner: auto, exact or fuzzy.
    """
    counted = [name for name in outputs if name not in _ADDED_BY_DSPY] or list(outputs)

    def metric(example: Any, prediction: Any, trace: Any = None) -> float | bool:
        scores = [likeness(example.get(name), getattr(prediction, name, None), manner) for name in counted]
        score = sum(scores) / len(scores)
        return score >= _PASSES if trace is not None else score

    return metric


def likeness(wanted: Any, got: Any, manner: Manner) -> float:
    """Return how like two values are, from 0 to 1."""
    wanted, got = _opened(wanted), _opened(got)
    if isinstance(wanted, Enum) or isinstance(got, Enum):
        return float(wanted == got)
    if isinstance(wanted, str) and isinstance(got, str):
        return _texts(wanted, got, manner)
    if isinstance(wanted, bool) or isinstance(got, bool):
        return float(wanted is got)
    if isinstance(wanted, int | float) and isinstance(got, int | float):
        return float(math.isclose(wanted, got, rel_tol=_EXACT if manner == "exact" else _FUZZY))
    if isinstance(wanted, AbstractSet) and isinstance(got, AbstractSet):
        score = _matched(list(wanted), list(got), manner)
        return float(score == 1) if manner == "exact" else score
    if isinstance(wanted, list) and isinstance(got, list):
        return _lists(wanted, got, manner)
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        return _members(wanted, got, manner)
    return float(type(wanted) is type(got) and to_json(wanted) == to_json(got))


def _opened(value: Any) -> Any:
    """Return a value whose parts can be compared: a dataclass or model as its members, a tuple as a list."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return value


def _texts(wanted: str, got: str, manner: Manner) -> float:
    left, right = _words(wanted), _words(got)
    if not left or not right:  # nothing but punctuation, or nothing
        return float(wanted.strip() == got.strip())
    if manner == "exact" or (manner == "auto" and len(left) <= _NAME_WORDS):
        return float(left == right)
    common = (Counter(left) & Counter(right)).total()
    return 2 * common / (len(left) + len(right))


def _lists(wanted: list[Any], got: list[Any], manner: Manner) -> float:
    if manner == "exact":
        return float(
            len(wanted) == len(got)
            and all(likeness(one, other, manner) == 1 for one, other in zip(wanted, got, strict=True))
        )
    return _matched(wanted, got, manner)


def _matched(wanted: list[Any], got: list[Any], manner: Manner) -> float:
    """Return the F1 of two lists, whatever their order: the most alike are paired first."""
    if not wanted or not got:
        return float(not wanted and not got)
    pairs = sorted(
        ((likeness(one, other, manner), i, j) for i, one in enumerate(wanted) for j, other in enumerate(got)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    used: tuple[set[int], set[int]] = (set(), set())
    total = 0.0
    for score, i, j in pairs:
        if i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            total += score
    return 2 * total / (len(wanted) + len(got))


def _members(wanted: Mapping[Any, Any], got: Mapping[Any, Any], manner: Manner) -> float:
    names = {*wanted, *got}
    if not names:
        return 1.0
    scores = [likeness(wanted[name], got[name], manner) if name in wanted and name in got else 0.0 for name in names]
    return float(min(scores) == 1) if manner == "exact" else sum(scores) / len(scores)


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_PUNCTUATION)
    return re.findall(r"\S+", plain)
