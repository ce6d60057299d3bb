"""Instruments each module that the service's own code makes, as it is made; what DSPy makes for itself is left alone.

| made                                         | instrumented                                        |
|----------------------------------------------|-----------------------------------------------------|
| by the service's code                        | yes, under its class's name                         |
| inside the making of another module          | no: it is a part, recorded inside the other's calls |
| by DSPy's code (optimizers, adapters)        | no                                                  |
| as a copy, from a pickle, by `dspy.load`     | no                                                  |
| inside `headrace.suppress`, Evaluate, compile| no; nor are calls captured there                    |

One method is replaced, the one that makes instances of `dspy.Module`; and each optimizer's `compile`, to suppress.
"""

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import dspy
from dspy.teleprompt.teleprompt import Teleprompter

from headrace import runtime
from headrace.capture import scope, wrapper
from headrace.capture.marks import mark_of
from headrace.errors import UsageError
from headrace.interruption import pass_on

__all__ = ["autolog", "default_name"]

_MAKER: Final[Any] = type(dspy.Module)
_OURS: Final = "_headrace_autolog"
_NOT_THE_SERVICES: Final = ("dspy", "gepa")
"""Packages whose modules are no traffic."""


class _Making(threading.local):
    """Whether this thread is making a module already."""

    inside = False


class _Switch:
    """What is replaced stays so: another library may have wrapped it since.

    Attributes:
        version: of the modules made from here on; None: autolog is off.
    """

    version: str | None = None


_making: Final = _Making()
_switch: Final = _Switch()


def autolog(*, enabled: bool, version: str) -> None:
    """See `headrace.autolog`."""
    if not (isinstance(version, str) and version):
        raise UsageError(f"autolog: version must be a string that is not empty, found {version!r}")
    _switch.version = version if enabled else None
    if not enabled:
        return
    if not hasattr(_MAKER.__call__, _OURS):
        _MAKER.__call__ = _making_instrumented(_MAKER.__call__)
    for optimizer in _subclasses(Teleprompter):
        compiling = optimizer.__dict__.get("compile")
        if compiling is not None and not hasattr(compiling, _OURS):
            optimizer.compile = _suppressed(compiling)


def default_name(module: Any) -> str:
    """Return the name of a module's records: its class's; with the signature's for DSPy's own, e.g. ``Predict-Ask``.

    An inline signature goes by its fields: ``Predict-question-answer``.
    """
    kind = type(module)
    name = str(kind.__name__)
    if not _is_of(_NOT_THE_SERVICES, kind.__module__):
        return name
    predictors = module.predictors()
    signature = getattr(module, "signature", None) or (predictors[0].signature if predictors else None)
    if signature is None:
        return name
    declared = signature.__name__
    return "-".join([name, declared] if declared != "StringSignature" else [name, *signature.fields])


def _making_instrumented(plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def make(cls: Any, *args: Any, **kwargs: Any) -> Any:
        version = _switch.version
        if version is None or _making.inside:
            return plain(cls, *args, **kwargs)
        _making.inside = True
        try:
            made = plain(cls, *args, **kwargs)
        finally:
            _making.inside = False
        try:
            if _is_traffic(made, sys._getframe(1).f_globals.get("__name__", "")):  # noqa: SLF001  # its documented name
                wrapper.instrument(made, default_name(made), version)
        except Exception as error:
            pass_on(error)
            runtime.current().tell_of(error)
        return made

    setattr(make, _OURS, True)
    return make


def _is_traffic(made: Any, made_in: str) -> bool:
    return (
        isinstance(made, dspy.Module)
        and mark_of(made) is None
        and not _is_of(_NOT_THE_SERVICES, made_in)
        and not scope.current_scope().suppressed
    )


def _is_of(packages: tuple[str, ...], module: str) -> bool:
    return module.partition(".")[0] in packages


def _suppressed(compiling: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(compiling)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _switch.version is None:
            return compiling(self, *args, **kwargs)
        with scope.suppress():
            return compiling(self, *args, **kwargs)

    setattr(run, _OURS, True)
    return run


def _subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)
