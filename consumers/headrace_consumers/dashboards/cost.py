"""Cost and tokens, estimated for all calls from the sampled ones: by model and module, with intervals."""

from collections.abc import Iterator
from typing import Final

from headrace.config import Config
from headrace_consumers.dashboards.calls import COLUMNS, INTERVAL, LEGEND, MODULE, SCOPE, VARIABLES
from headrace_consumers.dashboards.panel import Dashboard, Limit, Panel, Query, Row, Show
from headrace_consumers.dashboards.scope import OVERALL, POINT, or_zero, quantile, share
from headrace_consumers.dashboards.units import COUNT, DOLLARS, SHARE, a_second, an_hour, unit_of
from headrace_consumers.metrics.alerts.promql import number
from headrace_consumers.monitoring.catalogue.calls import COST, COST_UNKNOWN, LATE_COST, LATE_TOKENS, TOKENS
from headrace_consumers.monitoring.catalogue.samples import (
    CACHE_HITS,
    CALL_COST,
    LM_CALLS,
    QUALITY_COST,
    QUALITY_REQUESTS,
    QUALITY_TOKENS,
    TOKEN_USAGE,
)

__all__ = ["cost"]

_BEYOND_P99: Final = 0.01
_MODEL: Final = "gen_ai_request_model"
_TYPE: Final = "gen_ai_token_type"
_WHOSE: Final = ("module", "signature", "version")
_LEGEND: Final = "{{module}} {{signature}} {{version}}"
"""With the signature, for a call's records and those of the calls inside it are of one module."""
_DEAR: Final = ("HeadraceCostHigh",)
_ESTIMATED: Final = "Estimated for all calls from the sampled ones, each weighed by 1 / its chance to be sampled."
_NESTED: Final = (
    "A call's figure includes that of the calls inside it, which have lines of their own: do not add them up."
)


def cost(config: Config) -> Dashboard:
    """Return the dashboard.

    Args:
        config: its threshold of cost.
    """
    dear = Limit(config.quality_thresholds.max_cost_p99_usd)
    return Dashboard(
        uid="headrace-cost",
        title="Headrace: cost and tokens",
        description="What the calls of each module and model cost, estimated from the sample, and how sure that is.",
        variables=VARIABLES,
        rows=(
            Row("At a glance", (_each(dear),)),
            Row("Cost", tuple(_cost(dear))),
            Row("How sure the estimates are", tuple(_intervals())),
            Row("Tokens", tuple(_tokens())),
            Row("The cache, and what is not in these figures", tuple(_rest())),
        ),
        alerts='alertname="HeadraceCostHigh", module=~"$module", signature=~"$signature", environment=~"$environment"',
    )


def _each(dear: Limit) -> Panel:
    return Panel(
        title="Each module, signature and version",
        description=f"Over the chosen time. {_ESTIMATED} {_NESTED} Red: beyond the threshold of the alert.",
        show=Show.table,
        columns=COLUMNS,
        queries=(
            Query(SCOPE.increase(COST, MODULE), "Cost", DOLLARS),
            Query(SCOPE.hourly(COST, MODULE, OVERALL), "Cost an hour", DOLLARS),
            Query(quantile(0.99, SCOPE.buckets(CALL_COST, MODULE, OVERALL)), "p99 cost of a call", DOLLARS, dear),
            Query(SCOPE.increase(TOKENS, MODULE), "Tokens", COUNT),
            Query(
                share(
                    or_zero(SCOPE.rate(CACHE_HITS, MODULE, OVERALL), SCOPE.rate(LM_CALLS, MODULE, OVERALL)),
                    SCOPE.rate(LM_CALLS, MODULE, OVERALL),
                ),
                "Answered by the cache",
                SHARE,
            ),
        ),
        unit=COUNT,
        width=24,
        alerts=_DEAR,
    )


def _cost(dear: Limit) -> Iterator[Panel]:
    yield Panel(
        title="Cost an hour, by model",
        description=f"What an hour costs at this pace. {_ESTIMATED} {_NESTED}",
        show=Show.lines,
        queries=(Query(SCOPE.hourly(COST, (_MODEL, "module")), f"{{{{{_MODEL}}}}} {{{{module}}}}"),),
        unit=an_hour(COST),
        width=12,
    )
    yield Panel(
        title="Cost an hour, by module, signature and version",
        description=f"What an hour costs at this pace. {_ESTIMATED} {_NESTED}",
        show=Show.lines,
        queries=(Query(SCOPE.hourly(COST, MODULE), LEGEND),),
        unit=an_hour(COST),
        width=12,
    )
    yield Panel(
        title="What calls cost",
        description=f"Calls by their cost: the darker, the more of them. {_ESTIMATED} Calls of unknown cost are not "
        "in it; an answer out of the cache costs nothing. The calls inside a call stand here beside it: choose a "
        "signature to see one kind.",
        show=Show.heatmap,
        queries=(Query(SCOPE.buckets(CALL_COST), "{{le}}"),),
        unit=unit_of(CALL_COST),
        width=12,
    )
    yield Panel(
        title="Cost of a call: p50 and p99",
        description=f"Half of the calls, and one in a hundred, cost more. {_ESTIMATED} The line is the threshold of "
        "p99.",
        show=Show.lines,
        queries=tuple(
            Query(quantile(q, SCOPE.buckets(CALL_COST, MODULE)), f"p{100 * q:g} {LEGEND}") for q in (0.5, 0.99)
        ),
        unit=unit_of(CALL_COST),
        width=12,
        limit=dear,
        alerts=_DEAR,
    )
    # The weights are rounded, so of few calls a bucket may grow by more than all of them.
    within = share(SCOPE.within(CALL_COST, dear.value, _WHOSE), SCOPE.observations(CALL_COST, _WHOSE))
    yield Panel(
        title=f"Calls dearer than ${number(dear.value)}",
        description=f"Share of the calls that cost more than the threshold. {_ESTIMATED} Over 1% of them, and p99 is "
        "beyond the threshold.",
        show=Show.lines,
        queries=(Query(f"clamp_min(1 - {within}, 0)", _LEGEND),),
        unit=SHARE,
        width=24,
        height=6,
        limit=Limit(_BEYOND_P99),
        alerts=_DEAR,
    )


def _intervals() -> Iterator[Panel]:
    bounds = (("lower", "{} from"), ("estimate", "{}"), ("upper", "{} to"))
    yield Panel(
        title="Mean cost and tokens of a call, with their intervals",
        description=INTERVAL,
        show=Show.table,
        columns=COLUMNS,
        queries=(
            *(
                Query(SCOPE.most(metric, MODULE, f'bound="{bound}"'), heading.format(what), unit_of(metric))
                for metric, what in ((QUALITY_COST, "Mean cost"), (QUALITY_TOKENS, "Mean tokens"))
                for bound, heading in bounds
            ),
            Query(SCOPE.total(QUALITY_REQUESTS, MODULE), "Sampled requests", COUNT),
        ),
        unit=COUNT,
        width=24,
        height=7,
    )
    for metric, title in ((QUALITY_COST, "Mean cost of a call"), (QUALITY_TOKENS, "Mean tokens of a call")):
        yield Panel(
            title=f"{title}, with its interval",
            description=f"{INTERVAL} Choose a module and a version to see one.",
            show=Show.lines,
            queries=(Query(SCOPE.of(metric), "{{module}} {{version}} {{bound}}"),),
            unit=unit_of(metric),
            width=12,
            faint=".* (lower|upper)",
        )


def _tokens() -> Iterator[Panel]:
    yield Panel(
        title="Tokens by model and kind",
        description=f"Tokens a second, of prompts (input) and answers (output). {_ESTIMATED} {_NESTED}",
        show=Show.lines,
        queries=(
            Query(
                SCOPE.rate(TOKENS, (_MODEL, _TYPE, "module")),
                f"{{{{{_MODEL}}}}} {{{{{_TYPE}}}}} {{{{module}}}}",
            ),
        ),
        unit=a_second(TOKENS),
        width=12,
    )
    yield Panel(
        title="Tokens of a call: p50 and p99",
        description=f"Half of the calls, and one in a hundred, take more. {_ESTIMATED}",
        show=Show.lines,
        queries=tuple(
            Query(
                quantile(q, SCOPE.buckets(TOKEN_USAGE, (*_WHOSE, _TYPE))),
                f"p{100 * q:g} {_LEGEND} {{{{{_TYPE}}}}}",
            )
            for q in (0.5, 0.99)
        ),
        unit=unit_of(TOKEN_USAGE),
        width=12,
    )


def _rest() -> Iterator[Panel]:
    asked = SCOPE.rate(LM_CALLS, _WHOSE)
    yield Panel(
        title="Calls of language models",
        description=f"A second, those that the cache answered too. {_ESTIMATED} {_NESTED}",
        show=Show.lines,
        queries=(Query(asked, _LEGEND),),
        unit=a_second(LM_CALLS),
        width=12,
    )
    yield Panel(
        title="Answered by the cache",
        description=f"Share of the calls of language models that DSPy's cache answered, at no cost. {_ESTIMATED}",
        show=Show.lines,
        queries=(Query(share(or_zero(SCOPE.rate(CACHE_HITS, _WHOSE), asked), asked), _LEGEND),),
        unit=SHARE,
        width=12,
    )
    yield Panel(
        title="Sampled calls of unknown cost",
        description="DSPy knows no price for their model, so they are missing from all cost here.",
        show=Show.bars,
        queries=(Query(SCOPE.increase(COST_UNKNOWN, (_MODEL, "module"), POINT), f"{{{{{_MODEL}}}}} {{{{module}}}}"),),
        unit=unit_of(COST_UNKNOWN),
        width=8,
        when_empty="every cost is known",
    )
    for metric, title in ((LATE_COST, "Cost told of late"), (LATE_TOKENS, "Tokens told of late")):
        yield Panel(
            title=title,
            description="Of calls that the metrics consumer heard of over 5 minutes late, after an outage; in no "
            "other figure here, for nobody knows when they were made.",
            show=Show.bars,
            queries=(Query(SCOPE.increase(metric, (_MODEL, "module"), POINT), f"{{{{{_MODEL}}}}} {{{{module}}}}"),),
            unit=unit_of(metric),
            width=8,
            when_empty="nothing came late",
        )
