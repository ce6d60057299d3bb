"""The rule file of a configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace.config import Config, check_latency_thresholds
from headrace_consumers.metrics.alerts.burn_rate import burn_rates, never_reached, windows
from headrace_consumers.metrics.alerts.consumers import consumers
from headrace_consumers.metrics.alerts.counted import counted
from headrace_consumers.metrics.alerts.dataset import dataset
from headrace_consumers.metrics.alerts.producers import producers
from headrace_consumers.metrics.alerts.quality import quality
from headrace_consumers.metrics.alerts.render import render
from headrace_consumers.metrics.alerts.rollouts import rollouts
from headrace_consumers.metrics.alerts.rule import Alert, Group

__all__ = ["RuleFile", "alerts_of", "groups_of", "rule_file"]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What Prometheus reads.

    Attributes:
        text: YAML.
        alerts: how many alerting rules it has.
        recordings: how many recording rules.
        notes: what the configuration asks for and is not in it, a line each.
        lacks: what an alert lacks where it is judged or read, a line each.
    """

    text: str
    alerts: int
    recordings: int
    notes: tuple[str, ...]
    lacks: tuple[str, ...]


def rule_file(config: Config, runbook_link: str | None = None) -> RuleFile:
    """Return the rules of a configuration.

    Args:
        config: the whole configuration.
        runbook_link: what the alerts link instead where `alerts.runbook_url` is no URL; may be a template.

    Raises:
        ConfigError: a threshold that cannot be watched exactly.
    """
    groups = groups_of(config)
    has_url = "://" in config.alerts.runbook_url
    link = config.alerts.runbook_url if has_url or runbook_link is None else runbook_link
    rules = [rule for group in groups for rule in group.rules]
    found = alerts_of(groups)
    return RuleFile(
        text=render(groups, link),
        alerts=len(found),
        recordings=len(rules) - len(found),
        notes=tuple(never_reached(config.quality_thresholds.min_success_rate, config.alerts.burn_rates)),
        lacks=tuple(_lacks(config, has_link=link != config.alerts.runbook_url or has_url)),
    )


def groups_of(config: Config) -> list[Group]:
    """Return the groups of rules, none of them empty.

    Raises:
        ConfigError: a threshold that cannot be watched exactly.
    """
    check_latency_thresholds(config)
    alerts, thresholds = config.alerts, config.quality_thresholds
    own_s = alerts.window_s
    by_window = counted({own_s, *windows(alerts)})
    # What is judged is counted beside it; a long window has an interval of its own.
    beside = by_window.pop(own_s).rules if by_window[own_s].interval_s is None else ()
    groups = [
        *by_window.values(),
        quality(thresholds, alerts, beside),
        burn_rates(thresholds.min_success_rate, alerts),
        consumers(alerts),
        producers(alerts),
        dataset(alerts, config.filters.environments),
        rollouts(),
    ]
    return [group for group in groups if group.rules]


def alerts_of(groups: Sequence[Group]) -> list[Alert]:
    """Return the alerting rules."""
    return [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]


def _lacks(config: Config, *, has_link: bool) -> Iterator[str]:
    """Yield a line for each setting that leaves an alert without what it reads, or without its link."""
    if not config.metrics.samples:
        yield "metrics.samples is false, so nothing tells what a call cost: HeadraceCostHigh never fires"
    if config.dataset.health_port is None:
        yield (
            "dataset.health_port is not set: Prometheus sees no row that is written, so HeadraceDatasetStalled fires "
            "although the table grows; set it, and let it be scraped"
        )
    if not has_link:
        yield (
            f"alerts.runbook_url is {config.alerts.runbook_url}, no URL, so the links of alerts lead nowhere; set it, "
            "or let Prometheus serve the runbook: --runbook FILE"
        )
