"""The functions a service calls. What needs dspy is imported when it is first called, not with `import headrace`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from headrace import runtime
from headrace.errors import UsageError
from headrace.errors import require_dspy as _require_dspy

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from headrace.capture.scope import Request
    from headrace.config import Config
    from headrace.ledger import Stats
    from headrace.policy import Sampling

__all__ = [
    "acall_agent_module",
    "acall_module_with_sampling",
    "autolog",
    "call_agent_module",
    "call_module_with_sampling",
    "configure",
    "feedback",
    "flush",
    "instrument",
    "instrument_all",
    "pseudonym",
    "request",
    "set_sampling",
    "shutdown",
    "stats",
    "suppress",
]

M = TypeVar("M")


def configure(
    path: str | os.PathLike[str] | None = None,
    *,
    redactors: Sequence[Callable[[str], str]] = (),
    **overrides: Mapping[str, Any],
) -> Config:
    """Configure capture for this process, in place of any earlier configuration.

    What was captured before is delivered first, for at most the old configuration's `telemetry.exit_timeout_s`.
    Thread-safe.

    Args:
        path: a JSON file; else the file that HEADRACE_CONFIG names; else the defaults, with which capture is off.
        redactors: your own, in order: each is given every text of a record and returns what leaves in its place. They
            run on background threads, before the rules of `redaction.kinds`. A record on which one raises, or on
            which they take longer than `redaction.redactor_timeout_s`, is dropped and counted.
        overrides: sections of the configuration, e.g. ``telemetry={"enabled": True, "sampling_rate_pct": 25}``.

    Returns:
        The configuration in effect.

    Raises:
        ConfigError: one line that names the key, what was found, what is expected. Nothing has changed then.
        UsageError: a redactor that cannot be called.
    """
    for redactor in redactors:
        if not callable(redactor):
            raise UsageError(f"headrace.configure: redactors: found a {type(redactor).__name__}, expected a callable")
    return runtime.configure(path, overrides, redactors)


def instrument(
    module: M,
    name: str | None = None,
    version: str = "baseline",
    *,
    success: Callable[[Any], object] | None = None,
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

    Returns:
        The same module.

    Raises:
        UsageError: not an instance of dspy.Module.
        DSPyMissingError: dspy is not installed.
    """
    _require_dspy()
    from headrace.capture import wrapper

    instrumented = wrapper.instrument(module, name, version, success=success)
    runtime.say_if_off(runtime.current())
    return instrumented


def instrument_all(program: M, name: str | None = None, version: str = "baseline") -> M:
    """Instrument a program and every module inside it, each as ``<name>.<path>``, e.g. ``qa.generate``.

    Beside what `instrument` does, each part has counters of its own. Its records have the same signature, so datasets
    go on. A part that was instrumented by itself keeps its name; a module put in place later is recorded as with
    `instrument`.

    Args:
        program: any instance of dspy.Module.
        name: the `module_name` of its records; else the name of its class.
        version: the `module_version` of the program and its parts.

    Returns:
        The same program.

    Raises:
        UsageError: not an instance of dspy.Module.
        DSPyMissingError: dspy is not installed.
    """
    _require_dspy()
    from headrace.capture import parts

    parts.instrument_all(program, name, version)
    runtime.say_if_off(runtime.current())
    return program


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
    _require_dspy()
    from headrace.capture import autolog as making

    making.autolog(enabled=enabled, version=version)
    if enabled:
        runtime.say_if_off(runtime.current())


def request(
    request_id: object = None,
    *,
    subject_id: object = None,
    attributes: Mapping[str, Any] | None = None,
    traceparent: str | None = None,
    consent: bool = True,
) -> AbstractContextManager[Request]:
    """Return a context manager: calls inside belong to one request and are captured all or none.

        with headrace.request(request_id, subject_id=user) as request:
            answer = program(question=question)
            reply(answer, request.request_id)

    In sync and async code alike. A nested request has an id of its own; the subject and attributes it does not give
    are the outer one's. Inside a captured call nothing is decided anew.

    Args:
        request_id: `str()` of it; a fresh one where it is None or empty.
        subject_id: whose data it is, for erasure.
        attributes: labels of your own for the records.
        traceparent: the caller's place in a trace, as W3C Trace Context writes it, for records made while no
            OpenTelemetry span is active; one that is malformed is ignored.
        consent: False (None, 0): the calls inside are counted, but nothing of them is captured, by sampling or by a
            keep rule; requests inside cannot take that back. A call that is being captured already, around this, keeps
            its own inputs and outputs: open the request around the outermost call.

    Raises:
        UsageError: attributes that are no mapping.
        DSPyMissingError: dspy is not installed.
    """
    _require_dspy()
    from headrace.capture import scope

    return scope.request(
        request_id, subject_id=subject_id, attributes=attributes, traceparent=traceparent, consent=consent
    )


def pseudonym(subject_id: object) -> str:
    """Return what stands for a subject in this configuration's records, e.g. to find them for erasure.

    Keyed where `redaction.pseudonym_key` is set, a plain hash otherwise. No subject id leaves as it is.

    Raises:
        ConfigError: the key cannot be read.
    """
    from headrace.key_material import pseudonym_key
    from headrace.redaction import subject_pseudonym

    return subject_pseudonym(str(subject_id), pseudonym_key(runtime.current().config))


def suppress() -> AbstractContextManager[None]:
    """Return a context manager inside which no call is captured, e.g. for health checks and load tests.

    Raises:
        DSPyMissingError: dspy is not installed.
    """
    _require_dspy()
    from headrace.capture import scope

    return scope.suppress()


def feedback(
    request_id: object = None,
    *,
    score: float | None = None,
    label: str | None = None,
    comment: str | None = None,
    correction: Mapping[str, Any] | None = None,
    module: str | None = None,
    subject_id: object = None,
) -> bool:
    """Say how good the answer to a request was, at once or days later, from this process or another.

        headrace.feedback(request_id, score=1.0, label="thumbs_up")
        headrace.feedback(request_id, score=0.0, correction={"category": "billing"}, comment="wrong queue")

    Feedback is never sampled: it is published for requests that were captured and for those that were not, as long as
    telemetry is on (and not inside `suppress`). It needs no dspy. Comment, correction, label and subject are redacted
    as a call's inputs are, off this thread. Inside its own request, if that was opened with ``consent=False``, only
    score, label and module leave; later nobody knows of that, so leave the rest out yourself. It counts in `stats` as
    captured calls do. Never blocks.

    Args:
        request_id: the id that the call had, `str()` of it; inside an open `request`, by default its id.
        score: 0 (bad) to 1 (good).
        label: a short name of your own, e.g. ``thumbs_up``.
        comment: in words; beyond `telemetry.max_field_bytes` it is cut and marked.
        correction: the output fields as they should have been; likewise.
        module: the module it is about, as named in `instrument`; by default the whole request.
        subject_id: whose data it is, for erasure; by default the open request's, where that is the request.

    Returns:
        Whether it was queued; False where telemetry is off, or where it is dropped, and counted.

    Raises:
        UsageError: an argument that cannot be used, or none of score, label, comment and correction.
    """
    from headrace.capture.feedback import give

    return give(
        runtime.current(),
        request_id,
        score=score,
        label=label,
        comment=comment,
        correction=correction,
        module=module,
        subject_id=subject_id,
    )


def set_sampling(
    module: str | None = None, *, rate_pct: float | None = None, enabled: bool | None = None, reset: bool = False
) -> Sampling:
    """Change at which rate calls are captured, from the next call on, until the process ends or is configured anew.

    A setting of a module comes before one of all modules; of a call of this function and an order on the control topic,
    the later holds, and both come before the configuration. What is switched off for all is off for each. Thread-safe,
    and not carried to other processes, except forked children.

    Args:
        module: the name it is instrumented under; None: all modules of which nothing of their own was said.
        rate_pct: percentage of requests, 0 (counted, none captured) to 100; None leaves it.
        enabled: False: neither captured nor counted, as if not instrumented; None leaves it.
        reset: take earlier calls about this module back first.

    Returns:
        What holds now.

    Raises:
        UsageError: an argument that cannot be used. Nothing has changed then.
    """
    if module is not None and not (isinstance(module, str) and module):
        raise UsageError(f"set_sampling: module must be a string that is not empty, found {module!r}")
    is_number = isinstance(rate_pct, int | float) and not isinstance(rate_pct, bool)
    if rate_pct is not None and not (is_number and 0 <= rate_pct <= 100):  # noqa: PLR2004  # percent
        raise UsageError(f"set_sampling: rate_pct must be a number from 0 to 100, found {rate_pct!r}")
    if enabled is not None and not isinstance(enabled, bool):
        raise UsageError(f"set_sampling: enabled must be True, False or None, found {enabled!r}")
    policy = runtime.change(
        runtime.current(),
        lambda policy: policy.after_call(module, rate_pct=rate_pct, enabled=enabled, reset=reset),
    )
    return policy.sampling(module)


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until what was captured so far is delivered, on disk or dropped, and the counters are published.

    For places that may freeze or kill the process without its exit functions: at the end of a Lambda handler, in a
    preStop hook, before `os._exit`. An ordinary exit flushes by itself.

    Args:
        timeout_s: how long, in seconds.

    Returns:
        Whether that was so in time.
    """
    return runtime.current().pipeline.flush(timeout_s)


def shutdown(timeout_s: float = 5.0) -> bool:
    """Deliver what was captured so far, keep on disk what the broker does not take, and capture nothing after.

    For what ends a process without its exit functions: a SIGTERM handler, a preStop hook, before `os._exit`. Else exit
    does this by itself. `configure` begins anew.

    Args:
        timeout_s: for all of it.

    Returns:
        Whether nothing was lost by it; a second call returns True at once.
    """
    return runtime.current().pipeline.close(timeout_s)


def stats() -> Stats:
    """Return this process's ledger: sampled + adopted = delivered + spooled + in_flight + sum(dropped.values())."""
    return runtime.current().pipeline.stats()


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
    _require_dspy()
    from headrace.capture import calls

    return calls.call_module(module_name, version, inputs, request_id)


def call_agent_module(module_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Call the newest module that was instrumented under a name; see `call_module_with_sampling`."""
    _require_dspy()
    from headrace.capture import calls

    return calls.call_module(module_name, None, inputs, None)


async def acall_module_with_sampling(
    module_name: str, version: str, inputs: Mapping[str, Any], request_id: object = None
) -> dict[str, Any]:
    """Await a module by name and version; see `call_module_with_sampling`."""
    _require_dspy()
    from headrace.capture import calls

    return await calls.acall_module(module_name, version, inputs, request_id)


async def acall_agent_module(module_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Await the newest module of a name; see `call_module_with_sampling`."""
    _require_dspy()
    from headrace.capture import calls

    return await calls.acall_module(module_name, None, inputs, None)
