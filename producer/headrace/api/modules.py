"""Which modules are captured, and calling them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from headrace import runtime
from headrace.errors import require_dspy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "acall_agent_module",
    "acall_module_with_sampling",
    "autolog",
    "call_agent_module",
    "call_module_with_sampling",
    "instrument",
    "instrument_all",
]

M = TypeVar("M")


def instrument(
    module: M,
    name: str | None = None,
    version: str = "baseline",
    *,
    success: Callable[[Any], object] | None = None,
    router: bool = False,
) -> M:
    """Capture a sample of a module's calls. The module itself is changed; copies of it are not captured.

    While capture is off the calls pass through, and a later `configure` switches them on. Instrumenting a module again
    replaces its name, version and predicate.

    A call that returns a generator or async generator ends when that is consumed, closed or abandoned.

    Args:
        module: any instance of dspy.Module.
        name: the `module_name` of its records; else the name of its class.
        version: the `module_version` of its records.
        success: a quick function of what a call returned (for a stream: of the last item it yielded), called on the
            caller's thread at the end of each call, sampled or not. A false result makes the call an error, in records
            and counters, of the type ``Unsuccessful``; the caller notices nothing. If it raises, the call counts as
            without it, and the log says so once.
        router: let the rollouts of the control topic say which version of its instructions and demos each request
            gets; see docs/rollout.md. Of an instance that serves many requests: each is fitted by itself.

    Returns:
        The same module.

    Raises:
        UsageError: not an instance of dspy.Module.
        DSPyMissingError: dspy is not installed.
    """
    require_dspy()
    from headrace.capture import wrapper

    instrumented = wrapper.instrument(module, name, version, success=success)
    current = runtime.current()
    if router:
        _route(instrumented, current)
    runtime.say_if_off(current)
    return instrumented


def instrument_all(program: M, name: str | None = None, version: str = "baseline", *, router: bool = False) -> M:
    """Instrument a program and every module inside it, each as ``<name>.<path>``, e.g. ``qa.generate``.

    Beside what `instrument` does, each part has counters of its own. Its records have the same signature, so datasets
    go on. A part that was instrumented by itself keeps its name; a module put in place later is recorded as with
    `instrument`.

    Args:
        program: any instance of dspy.Module.
        name: the `module_name` of its records; else the name of its class.
        version: the `module_version` of the program and its parts.
        router: as in `instrument`, of the program; its parts count under the version and arm of the call around them.

    Returns:
        The same program.

    Raises:
        UsageError: not an instance of dspy.Module.
        DSPyMissingError: dspy is not installed.
    """
    require_dspy()
    from headrace.capture import parts

    parts.instrument_all(program, name, version)
    current = runtime.current()
    if router:
        _route(program, current)
    runtime.say_if_off(current)
    return program


def _route(module: Any, current: runtime.Runtime) -> None:
    from headrace.routing import starting

    starting.route(module, current)


def autolog(*, enabled: bool = True, version: str = "baseline") -> None:
    """Instrument every module that the service's own code makes from here on, under the name of its class.

    Call it before the programs are made. Parts of a module are recorded inside its calls; copies, optimizers and
    evaluations are not captured; a program from `dspy.load` is not either: `instrument` it.

    Args:
        enabled: False ends it; what was instrumented stays so.
        version: the `module_version` of the records.

    Raises:
        DSPyMissingError: dspy is not installed.
    """
    require_dspy()
    from headrace.capture import autolog as making

    making.autolog(enabled=enabled, version=version)
    if enabled:
        runtime.say_if_off(runtime.current())


def call_module_with_sampling(
    module_name: str, version: str, inputs: Mapping[str, Any], request_id: object = None
) -> dict[str, Any]:
    """Call the module that was instrumented under a name and version, in a request.

    Args:
        module_name: its name.
        version: its version.
        inputs: its input fields.
        request_id: as in `request`; None leaves the call to the open request.

    Returns:
        The output fields; a module that returns no Prediction has the one field ``output``.

    Raises:
        UsageError: no such module, or inputs that are no mapping.
        Exception: whatever the module raises.
    """
    require_dspy()
    from headrace.capture import calls

    return calls.call_module(module_name, version, inputs, request_id)


def call_agent_module(module_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Call the newest module that was instrumented under a name; see `call_module_with_sampling`."""
    require_dspy()
    from headrace.capture import calls

    return calls.call_module(module_name, None, inputs, None)


async def acall_module_with_sampling(
    module_name: str, version: str, inputs: Mapping[str, Any], request_id: object = None
) -> dict[str, Any]:
    """Await a module by name and version; see `call_module_with_sampling`."""
    require_dspy()
    from headrace.capture import calls

    return await calls.acall_module(module_name, version, inputs, request_id)


async def acall_agent_module(module_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Await the newest module of a name; see `call_module_with_sampling`."""
    require_dspy()
    from headrace.capture import calls

    return await calls.acall_module(module_name, None, inputs, None)
