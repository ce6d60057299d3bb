"""The one list of all metrics, in the order of the reference: a file a subject."""

from typing import Final

from headrace_consumers.monitoring.catalogue.calls import CALLS
from headrace_consumers.monitoring.catalogue.consumers import CONSUMERS
from headrace_consumers.monitoring.catalogue.dataset import DATASET
from headrace_consumers.monitoring.catalogue.producers import PRODUCERS
from headrace_consumers.monitoring.catalogue.rollouts import ROLLOUTS
from headrace_consumers.monitoring.catalogue.samples import SAMPLES
from headrace_consumers.monitoring.catalogue.service import SERVICE
from headrace_consumers.monitoring.metric import Metric

__all__ = ["METRICS", "SUBJECTS", "metric"]

SUBJECTS: Final[tuple[tuple[str, tuple[Metric, ...]], ...]] = (
    ("Calls", CALLS),
    ("Sampled calls", SAMPLES),
    ("Producers and the loss ledger", PRODUCERS),
    ("The dataset", DATASET),
    ("Rollouts", ROLLOUTS),
    ("Every consumer", CONSUMERS),
    ("A service's own registry", SERVICE),
)
"""Heading -> its metrics."""

METRICS: Final[tuple[Metric, ...]] = tuple(each for _, metrics in SUBJECTS for each in metrics)
"""All of them."""

_BY_NAME: Final = {each.name: each for each in METRICS}


def metric(name: str) -> Metric:
    """Return the metric of a name.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]
