"""A metric as a cycle calls it: what it reads, what it may return, how it ends the work."""

import dspy
import pytest

from headrace.config.optimization import Optimization
from headrace.errors import UsageError
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.metric import GuardedMetric, metric_of
from headrace_consumers.versions.sources.target import target_of


class EndedError(Exception):
    """A thread would not return here."""


def _raise():
    raise EndedError


@pytest.fixture
def ending():
    return Ending(_raise)


@pytest.fixture
def example():
    return dspy.Example(ticket="where is it", queue="shipping", dspy_uuid="e1").with_inputs("ticket")


class Sort(dspy.Signature):
    ticket: str = dspy.InputField()
    queue: str = dspy.OutputField()


ANSWER = dspy.Prediction(queue="shipping")

READING = {
    "attribute": lambda gold, _: gold.queue == "shipping",
    "item": lambda gold, _: gold["queue"] == "shipping",
    "get": lambda gold, _: gold.get("queue") == "shipping",
    "labels": lambda gold, _: len(gold.labels()) > 0,
    "to dict": lambda gold, _: "queue" in gold.toDict(),
    "items": lambda gold, _: len(list(gold.items())) > 0,
    "values": lambda gold, _: len(list(gold.values())) > 0,
    "a copy": lambda gold, _: gold.copy().queue == "shipping",
    "stars": lambda gold, _: dict(**gold)["queue"] == "shipping",
}
NOT_READING = {
    "nothing": lambda _, __: True,
    "an input": lambda gold, _: gold.ticket != "",
    "inputs": lambda gold, _: len(gold.inputs()) == 1,
    "the prediction": lambda _, found: found.queue != "",
    "whether a label is there": lambda gold, _: "queue" in gold,
}


@pytest.mark.parametrize("name", READING)
def test_a_metric_that_looks_at_a_label_is_noticed(name, example, ending):
    metric = GuardedMetric("m", READING[name], frozenset({"queue"}), ending)
    assert metric(example, ANSWER) == 1
    assert metric.reads_labels


@pytest.mark.parametrize("name", NOT_READING)
def test_a_metric_that_looks_at_none_reads_none(name, example, ending):
    metric = GuardedMetric("m", NOT_READING[name], frozenset({"queue"}), ending)
    assert metric(example, ANSWER) == 1
    assert not metric.reads_labels
    assert example.queue == "shipping"


def test_a_metric_gets_as_many_arguments_as_it_takes(example, ending):
    def three(_gold, _found, trace=None):
        return 1.0 if trace is None else 0.0

    def five(*given):
        return dspy.Prediction(score=0.5, feedback=f"of {len(given)}")

    assert GuardedMetric("m", three, frozenset(), ending)(example, ANSWER) == 1.0
    found = GuardedMetric("m", five, frozenset(), ending)(example, ANSWER, None, "p", [])
    assert (found.score, found.feedback) == (0.5, "of 5")


def test_a_reflecting_optimizer_is_told_what_was_wanted(example, ending):
    metric = GuardedMetric("m", lambda gold, found: gold.queue == found.queue, frozenset({"queue"}), ending)
    told = metric.with_feedback(example, dspy.Prediction(queue="billing"))
    assert told.score == 0.0
    assert "{'queue': 'shipping'}" in told.feedback


@pytest.mark.parametrize(
    ("metric", "line"),
    [
        (lambda *_: {}["secret words"], "the metric m raised KeyError at test_metric.py:"),
        (lambda *_: "good", "the metric m returned str, expected a number from 0 up"),
        (lambda *_: float("nan"), "the metric m returned nan, expected a number"),
        (lambda *_: -1, "the metric m returned -1, expected a number"),
    ],
)
def test_a_metric_that_fails_ends_the_work_in_one_line(metric, line, example, ending):
    with pytest.raises(EndedError):
        GuardedMetric("m", metric, frozenset(), ending)(example, ANSWER)
    failure = ending.wait().failure
    assert failure.startswith(line)
    assert "secret words" not in failure


def test_only_the_first_end_counts(ending):
    with pytest.raises(EndedError):
        ending.stopped("cost")
    ending.finished(1)
    assert ending.wait().stopped == "cost"


def test_a_metric_is_found_by_its_name(ending, example):
    target = target_of(None, Sort)
    own = metric_of(Optimization(metric="dspy.evaluate:answer_exact_match"), target, _raise, ending)
    assert own.__name__ == "dspy.evaluate:answer_exact_match"
    auto = metric_of(Optimization(), target, _raise, ending)
    assert auto(example, ANSWER) == 1
    assert auto.reads_labels


def test_the_judge_reads_no_label_and_an_answer_out_of_bounds_is_bounded(ending, example):
    asked = []

    def judge(**parts):
        asked.append(parts)
        return dspy.Prediction(score=1.7)

    metric = metric_of(
        Optimization(metric="judge", judge_criteria="short"), target_of(None, Sort), lambda: (judge, None), ending
    )
    assert metric(example, ANSWER) == 1.0
    assert not metric.reads_labels
    assert asked[0]["inputs"] == {"ticket": "where is it"}
    assert asked[0]["outputs"] == {"queue": "shipping"}
    assert (asked[0]["criteria"], "queue" in asked[0]["task"]) == ("short", True)


def test_a_metric_that_is_not_there_is_one_line(ending):
    target = target_of(None, Sort)
    with pytest.raises(UsageError, match=r"optimization\.metric nowhere\.at:all: cannot be imported"):
        metric_of(Optimization(metric="nowhere.at:all"), target, _raise, ending)
    with pytest.raises(UsageError, match=r"found str, expected a function"):
        metric_of(Optimization(metric="dspy:__name__"), target, _raise, ending)
