"""A program on a split: a score an example; and what an optimizer evaluates meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace_consumers.cycle.artefacts import Trial
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.lms import GO_ON, is_of_lm, one_line
from headrace_consumers.cycle.spending import Spending, Taken

__all__ = ["Evaluated", "Evaluations", "evaluated", "recorder"]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of it.

    Attributes:
        scores: example id -> score; 0 where the program raised.
        failed: on how many it raised.
    """

    scores: dict[str, float]
    failed: int

    @property
    def mean(self) -> float | None:
        """The mean score; None: there are no examples."""
        return sum(self.scores.values()) / len(self.scores) if self.scores else None


def evaluated(
    program: Any,
    examples: list[Any],
    metric: Callable[..., Any],
    *,
    threads: int,
    ending: Ending,
    on_scored: Callable[[int], object] = lambda _: None,
) -> Evaluated:
    """Evaluate a program on examples.

    An LM that cannot be asked ends the work: an example without an answer has no score. A program that raises has 0.

    Args:
        program: a dspy.Module.
        examples: with their ids as dspy_uuid.
        metric: (example, prediction) -> score.
        threads: so many examples at a time.
        ending: see above.
        on_scored: told how many have their score.
    """
    import dspy

    if not examples:
        return Evaluated({}, 0)
    failed: list[str] = []
    done: list[None] = []

    def answer(**inputs: Any) -> Any:
        try:
            return program(**inputs)
        except Exception as error:
            if is_of_lm(error):
                ending.failed(f"the LM did not answer a test example: {one_line(error)}; {GO_ON}")
            failed.append(type(error).__name__)
            raise

    def scored(example: Any, prediction: Any) -> float:
        found = metric(example, prediction)
        done.append(None)
        on_scored(len(done))
        return float(getattr(found, "score", found))

    evaluate = dspy.Evaluate(
        devset=examples,
        metric=scored,
        num_threads=threads,
        display_progress=False,
        max_errors=len(examples) + 1,
        failure_score=0.0,
    )
    results = evaluate(answer).results
    scores = {example.dspy_uuid: float(score) for example, _, score in results}
    return Evaluated(scores, len(failed))


@dataclass(slots=True)
class Evaluations:
    """What an optimizer has evaluated so far.

    Attributes:
        validation: how many examples a full evaluation has.
        trials: in their order.
        best: the best program of a full evaluation; None: there was none.
        best_score: its score.
        on_trial: told of each.
        on_taken: told of how many examples one was, and what it took of LMs.
    """

    validation: int
    on_trial: Callable[["Evaluations"], object] = lambda _: None
    on_taken: Callable[[int, Taken], object] = lambda *_: None
    trials: list[Trial] = field(default_factory=list)
    best: Any = None
    best_score: float | None = None

    def add(self, program: Any, examples: int, score: float) -> None:
        """Note an evaluation."""
        is_full = examples == self.validation
        self.trials.append(Trial(score=score, is_full=is_full, examples=examples))
        if is_full and (self.best_score is None or score > self.best_score):
            self.best, self.best_score = program, score
        self.on_trial(self)


def recorder(evaluations: Evaluations, spending: Spending) -> Any:
    """Return a callback of DSPy that notes each evaluation of a program, and what it took."""
    from dspy.utils.callback import BaseCallback

    class Recorder(BaseCallback):  # type: ignore[misc]  # DSPy is untyped
        def __init__(self) -> None:
            self._begun: dict[str, tuple[Any, int, Taken]] = {}

        def on_evaluate_start(self, call_id: str, instance: Any, inputs: Mapping[str, Any]) -> None:
            devset = inputs.get("devset") or instance.devset
            self._begun[call_id] = inputs.get("program"), len(devset), spending.of_task

        def on_evaluate_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
            program, examples, before = self._begun.pop(call_id, (None, 0, Taken()))
            score = getattr(outputs, "score", None)
            if exception is None and score is not None:
                evaluations.on_taken(examples, spending.of_task.since(before))
                evaluations.add(program, examples, float(score))

    return Recorder()
