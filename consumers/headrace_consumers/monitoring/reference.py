"""docs/reference/metrics.md, out of the list of all metrics.

python -m headrace_consumers.monitoring.reference > docs/reference/metrics.md
"""

import sys
from collections.abc import Iterator

from headrace_consumers.monitoring.catalogue import SUBJECTS
from headrace_consumers.monitoring.metric import Metric

__all__ = ["reference"]

_HEAD = """\
# Metrics

Made from `consumers/headrace_consumers/monitoring/catalogue/`; edit there, then `make reference`.

Names and buckets are OpenTelemetry's for generative AI where it has one, as Prometheus writes them (`gen_ai_...`), and
`headrace_...` elsewhere. Where the figures come from:

- **statistics**: exact counters of all calls, sampled or not.
- **usage**: sums over the sampled calls in the statistics, each weighed by 1 / sampling rate: estimates for all calls.
- **interactions**: the sampled records, each weighed by 1 / inclusion probability: estimates for all calls.
- **own**: what the process counts of itself.

How the totals stay true over restarts, and what late totals are: docs/metrics.md.
"""


def reference() -> str:
    """Return the page, Markdown."""
    return _HEAD + "".join(f"\n## {heading}\n{''.join(map(_section, metrics))}" for heading, metrics in SUBJECTS)


def _section(metric: Metric) -> str:
    return f"\n### `{metric.name}`\n\n" + "\n".join(_lines(metric)) + "\n"


def _lines(metric: Metric) -> Iterator[str]:
    yield f"{metric.help} {metric.comment}".strip()
    yield ""
    yield f"- {metric.kind}, unit `{metric.unit}`, from {metric.source}"
    yield f"- labels: {', '.join(f'`{label}`' for label in metric.labels) or 'none'}"
    if metric.bounds:
        yield f"- buckets: {', '.join(f'{bound:g}' for bound in metric.bounds)}"
    yield f"- served by {', '.join(f'`{server}`' for server in metric.served_by)}"


if __name__ == "__main__":
    sys.stdout.write(reference())
