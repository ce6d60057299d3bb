"""The ways of watching a DSPy program that are compared. Each is set up once, in a process of its own."""

import contextlib
import importlib.metadata
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["UNLIKELY_PCT", "WAYS", "MissingPeerError", "Watched", "route", "version_of"]

UNLIKELY_PCT: Final = 1e-9
"""No call of a run is sampled at this rate, and all are hashed."""


class MissingPeerError(Exception):
    """A peer is not installed; `str()` says how to."""


@dataclass
class Watched:
    """A program under watch.

    Attributes:
        program: what to call.
        drain: waits until what was recorded has been exported, so that no round pays for the one before.
        within: is open while a round is measured.
        account: tells at the end what was recorded, so that nobody is fast by dropping.
        twin: the same program, not watched, in the same process; two processes differ by a few per cent for good.
            None where watching patches DSPy, so that nothing in the process is unwatched.
    """

    program: Any
    drain: Callable[[], object] = lambda: None
    within: Callable[[], AbstractContextManager[object]] = nullcontext
    account: Callable[[], dict[str, Any]] = dict
    twin: Any = None


def _bare(program: Any, folder: Path) -> Watched:
    del folder
    return Watched(program)


def _noop_callback(program: Any, folder: Path) -> Watched:
    import dspy
    from dspy.utils.callback import BaseCallback

    del folder
    dspy.configure(callbacks=[BaseCallback()])
    return Watched(program)


def _mlflow(program: Any, folder: Path) -> Watched:
    """Exports in the background, MLflow's default, to a database file."""
    mlflow = _peer("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("bench", artifact_location=str(folder / "artifacts")))
    mlflow.dspy.autolog()

    def drain() -> None:
        mlflow.flush_trace_async_logging()

    def account() -> dict[str, Any]:
        found = mlflow.search_traces(return_type="list", max_results=100_000, include_spans=False)
        return {"traces stored": len(found)}

    return Watched(program, drain, account=account)


def _openinference(program: Any, folder: Path) -> Watched:
    """Exports in batches in the background, OpenTelemetry's way for production, to an exporter that only counts."""
    del folder
    instrumentation = _peer("openinference.instrumentation.dspy")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Counting(SpanExporter):
        spans = 0

        def export(self, spans: Any) -> Any:
            self.spans += len(spans)
            return SpanExportResult.SUCCESS

    exporter, provider = Counting(), TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=20_000))
    instrumentation.DSPyInstrumentor().instrument(tracer_provider=provider)
    return Watched(program, provider.force_flush, account=lambda: {"spans exported": exporter.spans})


def _headrace(
    rate_pct: float | None, *, in_request: bool = False, is_routed: bool = False
) -> Callable[[Any, Path], Watched]:
    def watch(program: Any, folder: Path) -> Watched:
        import headrace

        kafka = os.environ.get("BENCH_KAFKA")
        headrace.configure(
            telemetry={
                "enabled": rate_pct is not None,
                "sampling_rate_pct": rate_pct or 0,
                "log_file_path": str(folder / "calls.jsonl"),
            },
            **({"kafka": {"bootstrap_servers": kafka, "producer_options": {"log_level": 0}}} if kafka else {}),
        )
        twin = program.deepcopy()
        watched = headrace.instrument(program, "bench")
        if is_routed:
            route(watched)

        def drain() -> None:
            if not kafka:  # one that is away is waited for in vain
                headrace.flush(600)

        def account() -> dict[str, Any]:
            stats = headrace.stats()
            if not stats.balanced:
                raise SystemExit(f"the ledger does not balance: {stats}")
            return {"sampled": stats.sampled, "delivered": stats.delivered, "dropped": dict(stats.dropped)}

        within = (lambda: headrace.request("bench")) if in_request else nullcontext
        return Watched(watched, drain, within, account, twin)

    return watch


def route(program: Any) -> None:
    """Give nearly every request the candidate of a rollout: the program itself, told by call."""
    from headrace.capture import wrapper
    from headrace.capture.marks import mark_of
    from headrace.capture.program import predictors_of
    from headrace.programs import program_of
    from headrace.routing.fitting import fitted
    from headrace.routing.route import AS_DEPLOYED, Route, Routing

    mark = mark_of(program)
    if mark is None:
        raise SystemExit("not instrumented")
    wrapper.route(program)
    told = fitted(program_of(program, module="bench", version="v2"), program) if predictors_of(program) else {}
    candidate = Route(version="v2", told=told)
    mark.routing = Routing.comparing("r1", 0.999999, 1, candidate=candidate, baseline=AS_DEPLOYED)


def _peer(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPeerError(f"{module} is not installed: pip install 'headrace[bench]'") from error


WAYS: Final[Mapping[str, Callable[[Any, Path], Watched]]] = {
    "bare": _bare,
    "no-op callback": _noop_callback,
    "MLflow autolog": _mlflow,
    "OpenInference": _openinference,
    "headrace, off": _headrace(None),
    "headrace, unsampled": _headrace(UNLIKELY_PCT),
    "headrace, unsampled, in a request": _headrace(UNLIKELY_PCT, in_request=True),
    "headrace, routed": _headrace(UNLIKELY_PCT, is_routed=True),
    "headrace, sampled": _headrace(100),
}


def version_of(*distributions: str) -> str:
    """Return "name 1.2, other 3.4" of those that are installed."""
    found = []
    for name in distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join(found)
