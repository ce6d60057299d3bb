"""Quality: late feedback that calls an output bad, and outputs that are empty, refusals or no faithful form.

    known     the quality of a call: the consumer's score, or the mean of what people said later
    unknown   the share of output fields that hold something; halved where a text reads like a refusal

The better of examples is a matter for `headrace dataset cut --judge-lm`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict

__all__ = ["QUALITY", "heuristic"]

_NAME: Final = "quality"
_SLICE: Final = 20_000
_REFUSAL: Final = re.compile(
    r"\A\W*(?:(?:i'?m|i am) (?:sorry|unable|afraid)|sorry,? (?:but )?i|as an? (?:ai|(?:large )?language model)"
    r"|i (?:can ?no|ca)n?'?t (?:help|assist|comply|answer|do that)|i (?:must|have to) decline)",
    re.IGNORECASE,
)
_LOST: Final = re.compile(r"<unencodable [^<>]*>|<cycle>|<too deep>")
_REFUSED: Final = 0.5


def heuristic(outputs: dict[str, Any]) -> tuple[float, str]:
    """Return a score from 0 to 1, and what it is for.

    Args:
        outputs: a value a field, JSON.
    """
    if not outputs:
        return 0.0, "no output"
    if any(_LOST.search(text) for text in _texts(outputs)):
        return 0.0, "an output has no faithful form"
    filled = [name for name, value in outputs.items() if value not in (None, "", [], {})]
    score = len(filled) / len(outputs)
    if any(_REFUSAL.match(text) for text in _texts(outputs)):
        return score * _REFUSED, "reads like a refusal"
    empty = sorted(set(outputs) - set(filled))
    return score, f"empty: {', '.join(name[:80] for name in empty)}" if empty else ""


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    least = context.thresholds.min_quality
    known = examples.select("example_id", "quality").filter(pl.col("quality") < least)
    found = [(example_id, f"quality {quality:.2f}") for example_id, quality in known.iter_rows()]
    found += _guessed(examples, least)
    lowest = examples["quality"].min()
    offenders = pl.DataFrame(found, schema=OFFENDERS, orient="row")
    what = f"{len(found):,} examples have a quality below {least:g}"
    figure = float(lowest) if isinstance(lowest, int | float) else None
    return Verdict(_NAME, least, figure, is_passed=not found, what=what, offenders=offenders)


def _guessed(examples: pl.DataFrame, least: float) -> Iterator[tuple[str, str]]:
    unknown = examples.select("example_id", "outputs", "quality").filter(pl.col("quality").is_null())
    for part in unknown.iter_slices(_SLICE):
        for example_id, outputs, _ in part.iter_rows():
            score, reason = heuristic(json.loads(outputs))
            if score < least:
                yield example_id, f"quality {score:.2f} by its looks: {reason}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


QUALITY: Final = Gate(_NAME, "examples", _judge)
