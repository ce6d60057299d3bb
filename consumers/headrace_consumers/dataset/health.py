"""`/healthz`, `/readyz` and `/metrics`: how the consumer stands, over HTTP, for supervisors and Prometheus.

Its own thread answers, so that a loop that hangs is told of. Reads only; nothing of a record is in the answers.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from headrace.config import Config
from headrace_consumers.dataset.figures import Figures
from headrace_consumers.dataset.status import HealthLimits, Status, judge
from headrace_consumers.monitoring.guard import Guard
from headrace_consumers.monitoring.server import LOOK, Answer, of_json, serve

__all__ = ["Health", "health_of", "serve_health"]

log = structlog.get_logger("headrace.dataset")


class Health:
    """The last status that the loop told.

    Args:
        limits: what is too much.
        clock: seconds, monotonic; the loop's.
        figures: what the loop counts; None: there is no /metrics.
        now_ms: Unix time.
    """

    def __init__(
        self,
        limits: HealthLimits,
        clock: Callable[[], float],
        figures: Figures | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._figures = figures
        self._now_ms = now_ms
        self._limits = limits
        self._clock = clock
        self._status = Status(turned_at=clock())

    def tell(self, status: Status) -> None:
        """Take in how the loop stands now."""
        self._status = status  # one reference, replaced at once: a reader sees the one or the other

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the HTTP status and body for a path."""
        if path not in {"/healthz", "/readyz"}:
            return 404, {"problems": ["ask for /healthz, /readyz or /metrics"]}
        verdict = judge(self._status, self._clock(), self._limits)
        is_well = verdict.is_healthy if path == "/healthz" else verdict.is_ready
        return (200 if is_well else 503), {"ok": is_well, **verdict.body}

    def respond(self, path: str, accept: str) -> Answer:
        """Return what is sent for a path."""
        if path in {"/metrics", LOOK} and self._figures is not None:
            page = self._figures.page(
                self._status, self._limits, now=self._clock(), now_ms=self._now_ms(), is_scrape=path != LOOK
            )
            return Answer(200, *page.render(accept))
        return of_json(*self.answer(path))


@contextlib.contextmanager
def health_of(
    config: Config, clock: Callable[[], float], figures: Figures, setting: str = "health_port"
) -> Iterator[Health]:
    """Yield what the loop tells its status to; probes are answered meanwhile, if the configuration wants it.

    Args:
        config: the whole configuration.
        clock: seconds, monotonic; the loop's.
        figures: what the loop counts.
        setting: the port's name in the configuration, told where it cannot be had.

    Raises:
        ConfigError: the address cannot be bound, or a token or certificate cannot be read.
    """
    dataset = config.dataset
    limits = HealthLimits(dataset.health_stalled_s, dataset.health_failing_s, dataset.max_batch_records)
    health = Health(limits, clock, figures)
    if dataset.health_port is None:
        yield health
        return
    with serve_health(health, dataset.health_host, dataset.health_port, setting, Guard(config)):
        yield health


@contextlib.contextmanager
def serve_health(
    health: Health, host: str, port: int, setting: str = "health_port", guard: Guard | None = None
) -> Iterator[int]:
    """Answer probes while the context is open; yield the port.

    Args:
        health: is asked.
        host: the address to bind.
        port: 0 takes a free one.
        setting: its name in the configuration.
        guard: says who may see what, and encrypts.

    Raises:
        ConfigError: the address cannot be bound.
    """
    names = {"setting": f"dataset.{setting}", "host_setting": "dataset.health_host"}
    with serve(health.respond, host, port, **names, guard=guard) as bound:
        scheme = "http" if guard is None or guard.context() is None else "https"
        log.info("health", address=f"{scheme}://{host}:{bound}/healthz")
        yield bound
