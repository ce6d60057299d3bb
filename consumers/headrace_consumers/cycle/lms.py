"""The LMs of a cycle, and what their failures mean."""

from pathlib import Path
from typing import Any, Final

from headrace.config.optimization import Optimization
from headrace.errors import UsageError

__all__ = ["GO_ON", "cache_answers", "has_lm", "is_of_lm", "is_of_prompt", "model_of", "one_line", "opened_lm"]

GO_ON: Final = "start the run again once it answers: what it has answered is not asked again"

_OF_PROMPTS: Final = frozenset(
    {"LMInvalidRequestError", "BadRequestError", "ContextWindowExceededError", "InvalidRequestError"}
)
"""The provider did not like this prompt: too long, against a policy."""
_OF_LMS: Final = ("litellm", "openai", "httpx", "httpcore")
_LONGEST: Final = 200


def opened_lm(option: str, model: str | None, api_base: str | None) -> Any:
    """Return a dspy.LM; None without a model's name. Keys are where DSPy looks for them, e.g. OPENAI_API_KEY.

    Args:
        option: the configuration's key of the model.
        model: as dspy.LM names it.
        api_base: where it is served.

    Raises:
        UsageError: there is no such kind of model, or an address without a model.
    """
    import dspy

    if model is None:
        if api_base is not None:
            raise UsageError(f"{option}_api_base: needs {option}, the model's name")
        return None
    try:
        return dspy.LM(model, **({} if api_base is None else {"api_base": api_base}))
    except Exception as error:
        raise UsageError(f"{option} {model}: {one_line(error)}") from error


def cache_answers(folder: Path) -> None:
    """Keep the LMs' answers of this process in a folder of the run: one that was killed is not paid for again."""
    import dspy

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    dspy.configure_cache(enable_disk_cache=True, enable_memory_cache=True, disk_cache_dir=str(folder))


def has_lm(program: Any) -> bool:
    """Tell whether a program has an LM, of its own or by dspy.configure."""
    import dspy

    predictors = program.predictors()
    return dspy.settings.lm is not None or (bool(predictors) and all(each.lm is not None for each in predictors))


def model_of(settings: Optimization, program: Any) -> str | None:
    """Return the name of the program's LM, as far as it is known."""
    import dspy

    if settings.lm is not None:
        return settings.lm
    lm = dspy.settings.lm or next((each.lm for each in program.predictors() if each.lm is not None), None)
    return getattr(lm, "model", None)


def is_of_prompt(error: BaseException) -> bool:
    """Tell whether it is this one prompt that was refused."""
    return bool(_names(error) & _OF_PROMPTS)


def is_of_lm(error: BaseException) -> bool:
    """Tell whether the LM cannot be used: no answer, no key, no quota."""
    return not is_of_prompt(error) and ("LMError" in _names(error) or type(error).__module__.startswith(_OF_LMS))


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, not too long."""
    text = " ".join(str(error).split())
    return (text[: _LONGEST - 3] + "..." if len(text) > _LONGEST else text) or type(error).__name__


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
