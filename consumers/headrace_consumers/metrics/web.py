"""`/metrics`, `/healthz` and `/readyz` of the metrics consumer."""

from collections.abc import Callable, Sequence
from typing import Final

from headrace_consumers.metrics.exposition import page_of
from headrace_consumers.metrics.offsets import Offsets
from headrace_consumers.metrics.standing import Standing, judge
from headrace_consumers.metrics.state import State
from headrace_consumers.monitoring.catalogue.samples import COST_BOUNDS_USD
from headrace_consumers.monitoring.server import LOOK, Answer, of_json

__all__ = ["Web"]

_COMMIT_S: Final = 0.5
"""While partitions come and go the loop is busy elsewhere; a scrape has no time to wait for that."""


class Web:
    """Answers requests.

    Args:
        state: what is shown.
        offsets: asked to commit what is shown.
        clock: seconds, monotonic; the loop's.
        now_ms: Unix time.
        bounds_usd: of the cost histogram.
    """

    def __init__(
        self,
        state: State,
        offsets: Offsets,
        clock: Callable[[], float],
        now_ms: Callable[[], int],
        bounds_usd: Sequence[float] = COST_BOUNDS_USD,
    ) -> None:
        self._state = state
        self._offsets = offsets
        self._clock = clock
        self._now_ms = now_ms
        self._bounds_usd = bounds_usd
        self._standing = Standing(turned_at=clock())

    def tell(self, standing: Standing) -> None:
        """Take in how the loop stands now."""
        self._standing = standing  # one reference, replaced at once

    def answer(self, path: str, accept: str) -> Answer:
        """Return what is sent for a path."""
        if path in {"/metrics", LOOK}:
            shown = self._state.look() if path == LOOK else self._state.show()
            page = page_of(shown, self._standing, now=self._clock(), now_ms=self._now_ms(), bounds_usd=self._bounds_usd)
            body, content_type = page.render(accept)
            if path == LOOK:
                return Answer(200, body, content_type)
            # Before it is sent: who is killed in between has lost a scrape rather than shown it twice.
            return Answer(200, body, content_type, lambda: self._offsets.ask(shown.positions, _COMMIT_S))
        if path not in {"/healthz", "/readyz"}:
            return of_json(404, {"problems": ["ask for /metrics, /healthz or /readyz"]})
        is_healthy, is_ready, body_ = judge(self._standing, self._clock())
        is_well = is_healthy if path == "/healthz" else is_ready
        return of_json(200 if is_well else 503, {"ok": is_well, **body_})
