"""The metric of a cycle: found by its name, called as its author wants it, and stopping the work where it fails."""

import inspect
import math
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from headrace.capture.values import to_json
from headrace.config.optimization import METRICS, Optimization
from headrace.errors import UsageError
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.lms import GO_ON, is_of_lm, one_line
from headrace_consumers.cycle.typed_metric import typed_metric
from headrace_consumers.cycle.watched_example import watched
from headrace_consumers.versions.sources.target import Target, load_object

__all__ = ["GuardedMetric", "metric_of"]

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class GuardedMetric:
    """A metric as optimizers and evaluations call it.

    Args:
        name: as the configuration has it.
        metric: what is called.
        outputs: the example's outputs.
        ending: told when the metric fails; the thread that called it does not return then.
    """

    def __init__(self, name: str, metric: Callable[..., Any], outputs: frozenset[str], ending: Ending) -> None:
        self.__name__ = name
        self._name = name
        self._metric = metric
        self._outputs = outputs
        self._ending = ending
        self._takes = _arguments(metric)
        self._reading = threading.Event()

    @property
    def reads_labels(self) -> bool:
        """Whether the metric has looked at an example's outputs."""
        return self._reading.is_set()

    def __call__(
        self, gold: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> Any:
        """Return the metric's own answer: a number from 0, or in a trace what it said."""
        example = watched(gold, self._outputs, self._reading.set)
        given = (example, prediction, trace, pred_name, pred_trace)[: self._takes]
        try:
            found = self._metric(*given)
        except Exception as error:
            if is_of_lm(error):
                self._ending.failed(f"the LM of the metric {self._name}: {one_line(error)}; {GO_ON}")
            self._ending.failed(f"the metric {self._name} raised {_told(error)}; mend it, and start the run again")
        score = found if isinstance(found, bool | int | float) else getattr(found, "score", None)
        if not isinstance(score, bool | int | float) or not math.isfinite(score) or score < 0:
            shown = type(found).__name__ if score is None or not isinstance(score, int | float) else f"{score!r}"
            self._ending.failed(
                f"the metric {self._name} returned {shown}, expected a number from 0 up; mend it, and start the run "
                "again"
            )
        return found if trace is not None and isinstance(found, bool) else _as_score(found, float(score))

    def with_feedback(
        self, gold: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> Any:
        """Return the score with words for an optimizer that reflects on them."""
        import dspy

        found = self(gold, prediction, trace, pred_name, pred_trace)
        if getattr(found, "feedback", None):
            return found
        score = float(getattr(found, "score", found))
        wanted = {name: gold.get(name) for name in sorted(self._outputs) if name in gold}
        words = (
            f"The score is {score:g}." if score >= 1 or not wanted else f"The score is {score:g}. Wanted was: {wanted}"
        )
        return dspy.Prediction(score=score, feedback=words)


def metric_of(
    settings: Optimization, target: Target, judge: Callable[[], tuple[Any, Any]], ending: Ending
) -> GuardedMetric:
    """Return the metric that the configuration names.

    Args:
        settings: what holds for the signature.
        target: the signature's fields.
        judge: makes the judging program and its LM, where one is asked for.
        ending: see GuardedMetric.

    Raises:
        UsageError: it cannot be imported or called.
    """
    name = settings.metric
    outputs = frozenset(target.outputs)
    if name == "judge":
        found: Callable[..., Any] = _judging(*judge(), target, settings.judge_criteria)
    elif name in METRICS:
        found = typed_metric(list(target.outputs), name)  # type: ignore[arg-type]  # the rest are its manners
    else:
        found = load_object("optimization.metric", name)
        if not callable(found):
            raise UsageError(f"optimization.metric {name}: found {type(found).__name__}, expected a function")
    return GuardedMetric(name, found, outputs, ending)


def _judging(program: Any, lm: Any, target: Target, criteria: str) -> Callable[..., Any]:
    """Return a metric by which an LM scores the prediction; it reads no label."""
    import dspy

    task = target.described()

    def judge(example: Any, prediction: Any, trace: Any = None) -> float | bool:
        inputs = {name: to_json(value) for name, value in example.inputs().items()}
        outputs = {name: to_json(getattr(prediction, name, None)) for name in target.outputs}
        try:
            with dspy.context(lm=lm):
                answer = program(task=task, criteria=criteria, inputs=inputs, outputs=outputs)
        except Exception as error:
            if "AdapterParseError" not in {kind.__name__ for kind in type(error).__mro__}:
                raise
            return 0.0  # an answer that cannot be read vouches for nothing
        score = min(1.0, max(0.0, float(answer.score)))
        return score >= _GOOD if trace is not None else score

    return judge


_GOOD: Final = 0.9
"""A bootstrapped demo is one that the judge finds so good."""


def _as_score(found: Any, score: float) -> Any:
    return found if getattr(found, "feedback", None) is not None else score


def _arguments(metric: Callable[..., Any]) -> int:
    """Return how many of (example, prediction, trace, pred_name, pred_trace) a metric takes."""
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(metric).parameters
    except (TypeError, ValueError):
        return 3
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters.values()):
        return 5
    return max(2, min(5, sum(each.kind in _POSITIONAL for each in parameters.values())))


def _told(error: Exception) -> str:
    """Return the error's kind and place; its message may quote somebody's words."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
