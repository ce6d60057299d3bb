"""An optimizer of DSPy by its name: what it is given, and what is said where it cannot be had."""

from pathlib import Path

import dspy
import pytest

from headrace.config.optimization import Optimization
from headrace.errors import UsageError
from headrace_consumers.cycle.optimizers import Materials, prepared

LM = dspy.LM("openai/none")


def materials(examples=40):
    one = dspy.Example(q="q", a="a").with_inputs("q")
    return Materials(
        metric=lambda *_: 1.0,
        feedback_metric=lambda _gold, _found, _trace, _name, _of: 1.0,
        prompt_lm=LM,
        task_lm=LM,
        trainset=[one] * examples,
        valset=[one] * examples,
        log_folder=Path("nowhere"),
    )


@pytest.fixture
def compiled(monkeypatch):
    """Compile with MIPROv2's own compile written down instead of done."""
    given = {}

    class Kept(dspy.MIPROv2):
        def compile(self, student, **arguments):
            given.update(vars(self) | arguments)
            return student

    Kept.compile.__signature__ = __import__("inspect").signature(dspy.MIPROv2.compile)
    monkeypatch.setattr(dspy, "MIPROv2", Kept)
    return given


def test_miprov2_has_fifty_trials_and_the_splits_by_default(compiled):
    found = prepared(Optimization(), materials())
    found.compile("program")
    assert (compiled["num_trials"], compiled["auto"], compiled["minibatch"]) == (50, None, True)
    assert (compiled["minibatch_size"], len(compiled["trainset"]), len(compiled["valset"])) == (35, 40, 40)
    assert (compiled["num_threads"], compiled["seed"]) == (4, 9)
    assert found.evaluations == 1 + 50 + 11


def test_a_small_validation_split_is_used_as_a_whole(compiled):
    found = prepared(Optimization(trials=7, threads=2, seed=3), materials(20))
    found.compile("program")
    assert (compiled["num_trials"], compiled["minibatch"], compiled["num_threads"], compiled["seed"]) == (
        7,
        False,
        2,
        3,
    )
    assert found.evaluations == 8


def test_options_go_to_the_constructor_or_to_compile(compiled):
    options = {"num_candidates": 3, "minibatch_size": 11, "max_bootstrapped_demos": 1}
    prepared(Optimization(optimizer_options=options), materials()).compile("program")
    assert (compiled["num_candidates"], compiled["minibatch_size"], compiled["max_bootstrapped_demos"]) == (3, 11, 1)


def test_auto_makes_the_trials_its_own_affair(compiled):
    prepared(Optimization(optimizer_options={"auto": "light"}), materials()).compile("program")
    assert (compiled["auto"], "num_trials" in compiled) == ("light", False)


def test_gepa_gets_words_and_as_many_calls_as_the_trials_would_take():
    found = prepared(Optimization(optimizer="GEPA", trials=10), materials(20))
    assert found.evaluations is None
    optimizer = next(
        cell.cell_contents for cell in found.compile.__closure__ if isinstance(cell.cell_contents, dspy.GEPA)
    )
    assert (optimizer.max_metric_calls, optimizer.log_dir) == (200, "nowhere")
    asked = optimizer.reflection_lm
    if asked is not LM:  # DSPy 3.0 puts a function around it
        (asked,) = (cell.cell_contents for cell in asked.__closure__)
    assert asked is LM


@pytest.mark.parametrize("name", ["BootstrapFewShotWithRandomSearch", "SIMBA", "COPRO", "LabeledFewShot", "InferRules"])
def test_others_are_found_by_name(name):
    options = {"SIMBA": {"bsize": 20}}.get(name, {})
    prepared(Optimization(optimizer=name, optimizer_options=options), materials())


def test_one_of_the_users_own_is_found_too():
    prepared(Optimization(optimizer="dspy.teleprompt:LabeledFewShot"), materials())


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"optimizer": "Unheard"}, "optimization.optimizer Unheard: DSPy has no such optimizer"),
        ({"optimizer": "Predict"}, "optimization.optimizer Predict: is no optimizer"),
        ({"optimizer": "nowhere:X"}, "optimization.optimizer nowhere:X: cannot be imported"),
        (
            {"optimizer_options": {"num_trails": 3}},
            "optimization.optimizer_options: MIPROv2 does not take num_trails; it takes ",
        ),
        ({"optimizer_options": {"auto": "huge"}}, "optimization.optimizer MIPROv2: Invalid value for auto"),
    ],
)
def test_what_cannot_be_had_is_one_line(settings, line):
    with pytest.raises(UsageError) as raised:
        prepared(Optimization(**settings), materials())
    assert str(raised.value).startswith(line)
    assert "\n" not in str(raised.value)


def test_a_missing_extra_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(
        UsageError, match=r"MIPROv2: needs optuna, which is not there: pip install 'headrace\[optimize\]'"
    ):
        prepared(Optimization(), materials())
