"""Does a service with this configuration capture anything? Pure. The document: "No telemetry logs generated"."""

import re
from collections.abc import Iterator, Mapping

from headrace.config.telemetry import Telemetry
from headrace.control import ALL_MODULES, Override
from headrace.kill_switch import ENV_DISABLED
from headrace_consumers.doctor.result import Result, note, ok, wrong

__all__ = ["judge_capture", "judge_dspy", "judge_orders"]

_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")


def judge_capture(telemetry: Telemetry, *, is_killed: bool = False) -> Result:
    """Judge the switches and the rate; `is_killed`: HEADRACE_DISABLED is set here."""
    if is_killed:
        return wrong("capture", f"{ENV_DISABLED} is set here: nothing is captured", f"unset {ENV_DISABLED}")
    if not telemetry.enabled:
        return wrong(
            "capture",
            "telemetry.enabled is false: nothing is captured",
            "set it to true in the file, or HEADRACE_TELEMETRY__ENABLED=true for the service",
        )
    if telemetry.sampling_rate_pct == 0 and not any(m.sampling_rate_pct for m in telemetry.modules.values()):
        return wrong(
            "capture",
            "telemetry.sampling_rate_pct is 0: no request is captured",
            "raise it; 10 is the default, and `headrace sampling set` changes it while the service runs",
        )
    return ok("capture", f"on, {telemetry.sampling_rate_pct:g} % of requests, environment {telemetry.environment}")


def judge_orders(overrides: Mapping[str, Override]) -> Iterator[Result]:
    """Judge what the control topic says for this environment and service, by module."""
    for module, override in sorted(overrides.items()):
        whom = "all modules" if module == ALL_MODULES else f"module {module}"
        if override.enabled is False or override.rate_pct == 0:
            said = "off" if override.enabled is False else "at rate 0 %"
            yield note(
                "orders",
                f"an order holds {whom} {said}: nothing of it is captured",
                "`headrace sampling list` shows by whom, `headrace sampling unset` takes it back",
            )
        elif override.rate_pct is not None:
            yield ok("orders", f"an order sets {whom} to {override.rate_pct:g} %")


def judge_dspy(found: str | None, supported: str) -> Result:
    """Judge the installed DSPy.

    Args:
        found: its version; None where it is not installed here.
        supported: what is supported, e.g. ``<3.5,>=3.0``.
    """
    if found is None:
        return ok("DSPy", f"not installed here, which a consumer does not need; a service needs {supported}")
    if all(_holds(found, operator, bound) for operator, bound in _BOUND.findall(supported)):
        return ok("DSPy", f"{found}, within {supported}")
    return wrong(
        "DSPy", f"{found} is installed, tested is {supported}", "install a version within, or try it out in staging"
    )


def _holds(found: str, operator: str, bound: str) -> bool:
    version, limit = _numbers(found), _numbers(bound)
    return version >= limit if operator == ">=" else version < limit


def _numbers(version: str) -> tuple[int, ...]:
    matched = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in matched[0].split(".")) if matched else ()
