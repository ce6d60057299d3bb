"""Asking a DSPy program, and what its failures mean.

an LM that cannot be used (no answer, no key, no quota)     everything stops, at once, in one line
an answer that cannot be read, a prompt that is refused     that one question gave nothing
several of these in a row                                   everything stops: the next would fail as well
"""

import contextlib
import inspect
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from headrace.errors import HeadraceError, UsageError
from headrace_consumers.versions.sources.target import load_object

__all__ = ["Asker", "LMError", "QuestionError", "asked_quietly", "open_lm", "open_program"]

FAILURES_IN_A_ROW: Final = 5

_HARMLESS: Final = frozenset({"LMInvalidRequestError", "BadRequestError"})
"""The provider did not like this prompt: too long, against a policy."""

_OF_LMS: Final = ("litellm", "openai", "httpx", "httpcore")
_UNREADABLE: Final = frozenset({"AdapterParseError", "ValidationError", "JSONDecodeError"})
_LONGEST: Final = 200


class LMError(HeadraceError):
    """The LM cannot be used; what was made before is kept, and the same command goes on from there."""


class QuestionError(Exception):
    """One question gave no answer.

    Attributes:
        reason: a short word to count by: unreadable, refused, program_failed.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Asker:
    """A program with the LM that it runs on.

    Args:
        program: a dspy.Module, its class, or a function; called with those of a question's parts that it takes.
        lm: a dspy.LM, or None: the one that the program or dspy.settings has.
        max_calls: no question is asked after so many calls of the LM; None: no limit.
        options: how the command line's options for it begin.

    Attributes:
        calls: of the LM so far.

    Raises:
        UsageError: the program cannot be called, or there is no LM.
    """

    def __init__(self, program: Any, lm: Any, *, max_calls: int | None = None, options: str = "--") -> None:
        import dspy

        if isinstance(program, type):
            program = program()
        elif isinstance(program, dspy.Signature):
            raise UsageError(f"{options}program: found a signature's instance; name its class, a module or a function")
        if not callable(program):
            raise UsageError(f"{options}program: found {type(program).__name__}, expected something that can be called")
        self._program = program
        self._takes = _parameters(program)
        self._lm = lm
        self._max_calls = max_calls
        self._options = options
        self._failures = 0
        self.calls = 0
        if lm is None and not _has_lm(program):
            raise UsageError(
                f"{options}lm: no LM is configured; give {options}lm MODEL, e.g. openai/gpt-4o-mini, "
                "or call dspy.configure(lm=...) where the program is defined"
            )

    @property
    def is_spent(self) -> bool:
        """Whether the LM was called as often as it may be."""
        return self._max_calls is not None and self.calls >= self._max_calls

    @property
    def model(self) -> str | None:
        """The name of the LM, as far as it is known."""
        import dspy

        lm = self._lm or dspy.settings.lm
        if lm is None:
            lm = next((each.lm for each in _predictors(self._program) if each.lm is not None), None)
        return getattr(lm, "model", None)

    def ask(self, **parts: Any) -> Any:
        """Return the program's answer.

        Raises:
            QuestionError: this question gave none.
            LMError: no question will.
        """
        import dspy

        import headrace

        settings: dict[str, Any] = {"callbacks": [*(dspy.settings.callbacks or []), _counter(self)]}
        if self._lm is not None:
            settings["lm"] = self._lm
        given = parts if self._takes is None else {name: each for name, each in parts.items() if name in self._takes}
        try:
            with dspy.context(**settings), headrace.suppress():
                answer = self._program(**given)
        except Exception as error:
            raise self._failure(error) from error
        self._failures = 0
        return answer

    def _failure(self, error: Exception) -> Exception:
        kinds = {each.__name__ for each in type(error).__mro__}
        named = f"{self._options}lm {self.model}" if self.model else f"{self._options}program"
        if kinds & _HARMLESS:
            reason, said = "refused", _one_line(error)
        elif _UNREADABLE & kinds:
            reason, said = "unreadable", type(error).__name__  # its message quotes the answer
        elif "LMError" in kinds or isinstance(error, OSError) or type(error).__module__.startswith(_OF_LMS):
            return LMError(f"{named}: {_one_line(error)}; what was made is kept: start it again once the LM answers")
        else:
            last = traceback.extract_tb(error.__traceback__)[-1]
            reason, said = "program_failed", f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            return LMError(
                f"{named}: {self._failures} questions in a row gave nothing, the last: {reason} ({said}); "
                "what was made is kept. Try another model or program"
            )
        return QuestionError(reason, said)


def open_lm(model: str | None, api_base: str | None, options: str = "--") -> Any:
    """Return a dspy.LM; None without a model's name. Keys are where DSPy looks for them, e.g. OPENAI_API_KEY.

    Its answers are not taken from DSPy's cache: who asks again wants others.

    Raises:
        UsageError: there is no such kind of model, or an address without a model.
    """
    import dspy

    if model is None:
        if api_base is not None:
            raise UsageError(f"{options}api-base: needs {options}lm MODEL")
        return None
    try:
        return dspy.LM(model, cache=False, **({} if api_base is None else {"api_base": api_base}))
    except Exception as error:
        raise UsageError(f"{options}lm {model}: {_one_line(error)}") from error


def open_program(path: str, options: str = "--") -> Any:
    """Return what ``package.module:object`` names; a signature's class becomes a dspy.ChainOfThought.

    Raises:
        UsageError: it cannot be imported.
    """
    import dspy

    found = load_object(f"{options}program", path)
    is_signature = isinstance(found, type) and issubclass(found, dspy.Signature)
    return dspy.ChainOfThought(found) if is_signature else found


@contextlib.contextmanager
def asked_quietly() -> Iterator[None]:
    """Keep the loggers of DSPy and of what it calls from the terminal: what matters of it is told in one line."""
    with ExitStack() as undone:
        for name in ("dspy", "LiteLLM", "httpx"):
            logger = logging.getLogger(name)
            undone.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        yield


def _counter(asker: Asker) -> Any:
    from dspy.utils.callback import BaseCallback

    class Counter(BaseCallback):  # type: ignore[misc]  # DSPy is untyped
        def on_lm_start(self, call_id: str, instance: Any, inputs: Mapping[str, Any]) -> None:
            del call_id, instance, inputs
            asker.calls += 1

    return Counter()


def _predictors(program: Any) -> list[Any]:
    import dspy

    return list(program.predictors()) if isinstance(program, dspy.Module) else []


def _has_lm(program: Any) -> bool:
    """Tell whether some LM is configured; a program without predictors of its own may bring one."""
    import dspy

    predictors = _predictors(program)
    return dspy.settings.lm is not None or not predictors or any(each.lm is not None for each in predictors)


def _parameters(program: Any) -> frozenset[str] | None:
    """Return the names of the keywords that a program takes; None: whatever it is given."""
    import dspy

    if isinstance(program, dspy.Predict):
        return frozenset(program.signature.input_fields)
    if isinstance(program, dspy.ChainOfThought):
        return frozenset(program.predict.signature.input_fields)
    forward = getattr(type(program), "forward", None) if isinstance(program, dspy.Module) else None
    parameters = inspect.signature(program if forward is None else forward).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return None
    return frozenset(each.name for each in parameters)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text[: _LONGEST - 3] + "..." if len(text) > _LONGEST else text) or type(error).__name__
