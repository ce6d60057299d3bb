"""An optimizer of DSPy by its name, given what it takes of what a cycle has.

MIPROv2 gets its trials; GEPA as many calls of the program as these would take; any other what its constructor and its
compile name. Further arguments are `optimization.optimizer_options`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.config.optimization import Optimization
from headrace.errors import UsageError
from headrace_consumers.cycle.lms import one_line
from headrace_consumers.versions.sources.target import load_object

__all__ = ["Materials", "Prepared", "prepared"]

_MINIBATCH: Final = 35
"""MIPROv2's own size of a minibatch, beyond which a candidate is first tried on so many examples."""
_CANDIDATES: Final = 10
_FULL_EVERY: Final = 5
_EXTRAS: Final = {"optuna": "pip install 'headrace[optimize]'"}


@dataclass(frozen=True, slots=True)
class Materials:
    """What an optimizer may be given.

    Attributes:
        metric: (example, prediction, trace) -> score.
        feedback_metric: with the arguments of GEPA, which wants words.
        prompt_lm: proposes instructions; None: the program's.
        task_lm: the program's; None: as it is configured.
        trainset: examples to learn from.
        valset: to choose by.
        log_folder: where an optimizer keeps its state, from which it goes on.
    """

    metric: Callable[..., Any]
    feedback_metric: Callable[..., Any]
    prompt_lm: Any
    task_lm: Any
    trainset: list[Any]
    valset: list[Any]
    log_folder: Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """An optimizer, ready.

    Attributes:
        compile: given the program, returns a better one.
        evaluations: how many evaluations it will make; None: it does not say.
    """

    compile: Callable[[Any], Any]
    evaluations: int | None


def prepared(settings: Optimization, materials: Materials) -> Prepared:
    """Return the optimizer that the configuration names.

    Raises:
        UsageError: there is none such, a package is missing, or it does not take an option.
    """
    found = _class_of(settings.optimizer)
    constructor, compiling = _parameters(found.__init__), _parameters(found.compile)
    options = dict(settings.optimizer_options)
    _insist_on_options(settings.optimizer, options, constructor, compiling)
    offered, compiled = _offers(settings, materials, options, constructor)
    made_of = {name: value for name, value in {**offered, **options}.items() if name in constructor}
    compiled_with = {name: value for name, value in {**compiled, **options}.items() if name in compiling}
    compiled_with = {name: value for name, value in compiled_with.items() if name not in made_of or name in compiled}
    optimizer = _made(settings.optimizer, found, made_of)

    def compile_(program: Any) -> Any:
        try:
            return optimizer.compile(program, **compiled_with)
        except ImportError as error:
            raise _missing(settings.optimizer, error) from error

    trials = compiled_with.get("num_trials")
    return Prepared(compile_, None if trials is None else _evaluations(trials, compiled_with))


def _class_of(name: str) -> Any:
    import dspy
    import dspy.teleprompt

    if ":" in name:
        found = load_object("optimization.optimizer", name)
    else:
        found = getattr(dspy, name, None) or getattr(dspy.teleprompt, name, None)
        if found is None:
            raise UsageError(
                f"optimization.optimizer {name}: DSPy has no such optimizer; e.g. MIPROv2, GEPA, SIMBA, COPRO, "
                "BootstrapFewShotWithRandomSearch, or package.module:Class"
            )
    if not isinstance(found, type) or not callable(getattr(found, "compile", None)):
        raise UsageError(f"optimization.optimizer {name}: is no optimizer, it has no compile")
    if name == "MIPROv2":
        try:
            import optuna  # noqa: F401  # the question is whether it can be
        except ImportError as error:
            raise _missing(name, error) from error
    return found


def _offers(
    settings: Optimization, materials: Materials, options: Mapping[str, Any], constructor: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the constructor and compile are offered."""
    is_gepa = settings.optimizer == "GEPA"
    offered = {
        "metric": materials.feedback_metric if is_gepa else materials.metric,
        "num_threads": settings.threads,
        "seed": settings.seed,
        "prompt_model": materials.prompt_lm or materials.task_lm,
        "task_model": materials.task_lm,
        "reflection_lm": materials.prompt_lm or materials.task_lm,
        "max_errors": len(materials.trainset) + len(materials.valset) + 1,
        "track_stats": False,
    }
    compiled: dict[str, Any] = {"trainset": materials.trainset, "valset": materials.valset}
    is_batched = len(materials.valset) > _MINIBATCH
    if settings.optimizer == "MIPROv2":
        if "auto" not in options:
            compiled["num_trials"] = settings.trials
            offered |= {"auto": None, "num_candidates": _CANDIDATES}
        compiled |= {"minibatch": is_batched, "minibatch_size": min(_MINIBATCH, len(materials.valset))}
        compiled["minibatch_full_eval_steps"] = _FULL_EVERY
    elif is_gepa:
        if not {"auto", "max_full_evals", "max_metric_calls"} & options.keys():
            offered["max_metric_calls"] = settings.trials * min(_MINIBATCH, len(materials.valset))
        offered["log_dir"] = str(materials.log_folder)
    else:
        compiled["num_trials"] = settings.trials
        compiled["eval_kwargs"] = {
            "num_threads": settings.threads,
            "display_progress": False,
            "display_table": False,
        }
        if "num_candidate_programs" in constructor:
            offered["num_candidate_programs"] = settings.trials
    return offered, compiled


def _insist_on_options(
    name: str, options: Mapping[str, Any], constructor: frozenset[str], compiling: frozenset[str]
) -> None:
    if unknown := sorted(options.keys() - constructor - compiling):
        takes = ", ".join(sorted((constructor | compiling) - {"self", "student", "trainset", "valset", "metric"}))
        raise UsageError(f"optimization.optimizer_options: {name} does not take {', '.join(unknown)}; it takes {takes}")


def _made(name: str, found: Any, arguments: Mapping[str, Any]) -> Any:
    try:
        return found(**arguments)
    except ImportError as error:
        raise _missing(name, error) from error
    except (TypeError, ValueError, AssertionError) as error:
        raise UsageError(
            f"optimization.optimizer {name}: {one_line(error)}; see optimization.optimizer_options"
        ) from error


def _missing(name: str, error: ImportError) -> UsageError:
    package = (error.name or "").partition(".")[0]
    if not package:
        package = next((each for each in _EXTRAS if each in str(error)), "")
    how = _EXTRAS.get(package, f"pip install {package}" if package else "install it")
    return UsageError(f"optimization.optimizer {name}: needs {package or one_line(error)}, which is not there: {how}")


def _evaluations(trials: int, compiled_with: Mapping[str, Any]) -> int:
    """Return how many evaluations MIPROv2 makes: the default program, the trials, and full ones in between."""
    if not compiled_with.get("minibatch"):
        return 1 + trials
    every = int(compiled_with["minibatch_full_eval_steps"])
    return 1 + trials + trials // every + 1 + bool(trials % every)


def _parameters(function: Any) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters) - {"self", "args", "kwargs"}
