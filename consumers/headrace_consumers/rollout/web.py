"""`/metrics`, `/healthz` and `/readyz` of the rollout consumer."""

from collections.abc import Callable, Mapping
from typing import Final

from headrace_consumers.monitoring.about import add_build
from headrace_consumers.monitoring.catalogue import consumers, rollouts
from headrace_consumers.monitoring.page import Page
from headrace_consumers.monitoring.server import LOOK, Answer, of_json
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.standing import Standing, judge
from headrace_schemas.rollouts import BASELINE, CANDIDATE

__all__ = ["Web", "page_of"]

_NAME: Final = "rollout"


class Web:
    """Answers requests.

    Args:
        clock: seconds, monotonic; the loop's.
        rates: what became of a sampling rate -> how often; grows.
    """

    def __init__(self, clock: Callable[[], float], rates: Mapping[str, int]) -> None:
        self._clock = clock
        self._rates = rates
        self._standing = Standing(turned_at=clock())

    def tell(self, standing: Standing) -> None:
        """Take in how the loop stands now."""
        self._standing = standing  # one reference, replaced at once

    def answer(self, path: str, accept: str) -> Answer:
        """Return what is sent for a path."""
        if path in {"/metrics", LOOK}:
            body, content_type = page_of(self._standing, self._clock(), self._rates).render(accept)
            return Answer(200, body, content_type)
        if path not in {"/healthz", "/readyz"}:
            return of_json(404, {"problems": ["ask for /metrics, /healthz or /readyz"]})
        is_healthy, is_ready, body_ = judge(self._standing, self._clock())
        is_well = is_healthy if path == "/healthz" else is_ready
        return of_json(200 if is_well else 503, {"ok": is_well, **body_})


def page_of(standing: Standing, now: float, rates: Mapping[str, int]) -> Page:
    """Return the page.

    Args:
        standing: how the loop stands.
        now: seconds, monotonic.
        rates: what became of a sampling rate -> how often.
    """
    page = Page()
    is_healthy, is_ready, _ = judge(standing, now)
    add_build(page, _NAME)
    page.add(consumers.HEALTHY, is_healthy, _NAME)
    page.add(consumers.READY, is_ready, _NAME)
    page.add(consumers.KAFKA_SILENT, standing.kafka_silent_s, _NAME)
    page.add(rollouts.ACTING, standing.is_acting)
    if standing.written_at_ms is not None:
        page.add(consumers.LAST_COMMIT, standing.written_at_ms / 1000, _NAME)
    for topic, count in standing.read.items():
        page.add(consumers.RECORDS, count, topic)
    for (topic, reason), count in standing.unreadable.items():
        page.add(consumers.UNREADABLE, count, topic, reason)
    for (what, guard), count in sorted(standing.decisions.items()):
        page.add(rollouts.DECISIONS, count, what, guard)
    for what, count in sorted(dict(rates).items()):
        page.add(rollouts.SAMPLING_RATES, count, what)
    if not standing.is_cut_off:
        for (topic, partition), (records, age_s) in sorted(standing.lags.items()):
            for metric, lag in ((consumers.LAG_RECORDS, records), (consumers.LAG_SECONDS, age_s)):
                if lag is not None:
                    page.add(metric, lag, topic, str(partition))
    if standing.is_acting:  # else the one that acts tells of them
        for experiment in standing.state.experiments.values():
            _add_rollout(page, experiment)
    return page


def _add_rollout(page: Page, experiment: Experiment) -> None:
    whose = (experiment.environment, experiment.module, experiment.rollout_id)
    for state in rollouts.STATES:
        page.add(rollouts.STATE, experiment.state == state, *whose, state)
    page.add(rollouts.SHARE, experiment.share, *whose)
    page.add(rollouts.STAGE, len(experiment.stages), *whose)
    page.add(rollouts.CHANGED, experiment.changed_at_ms / 1000, *whose)
    if not (experiment.has_counts or experiment.is_comparing):
        return
    for arm, version in ((CANDIDATE, experiment.candidate), (BASELINE, experiment.baseline)):
        counted = [stage.candidate if arm == CANDIDATE else stage.baseline for stage in experiment.stages]
        page.add(rollouts.ARM_CALLS, sum(each.calls for each in counted), *whose, arm, version.version)
        page.add(rollouts.ARM_FAILURES, sum(each.failures for each in counted), *whose, arm, version.version)
        latency = counted[-1].latency
        if latency is not None:
            page.add(rollouts.ARM_LATENCY, latency.mean, *whose, arm, version.version)
