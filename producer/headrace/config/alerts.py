"""When somebody is told: the windows and limits of the Prometheus rules that `headrace alerts render` writes.

The thresholds of success, latency and cost are in `quality_thresholds`.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from headrace.config.section import Positive, Section

__all__ = ["Alerts", "BurnRate"]

Seconds: TypeAlias = Annotated[int, Field(ge=1, le=30 * 86_400)]


class BurnRate(Section):
    """Failures use up the error budget (1 - min_success_rate) so many times faster than is sustainable.

    Both windows must say so: the long one that it matters, the short one that it still goes on.
    """

    factor: Positive = Field(description="How many times faster.")
    long_s: Seconds = Field(description="The long window, s.")
    short_s: Seconds = Field(description="The short window, s.")
    severity: Literal["critical", "warning"] = Field("critical", description="Its label `severity`.")

    @model_validator(mode="after")
    def _ordered(self) -> "BurnRate":
        if self.short_s >= self.long_s:
            raise ValueError(
                f"alerts.burn_rates: found short_s {self.short_s}, expected less than long_s {self.long_s}"
            )
        return self


class Alerts(Section):
    """The rules for Prometheus."""

    window_s: Seconds = Field(900, description="Success rate, latency and cost are judged over so long, s.")
    for_s: int = Field(60, ge=0, le=86_400, description="They must be bad for so long before an alert fires, s.")
    min_calls: int = Field(50, ge=1, description="With fewer calls in the window nothing fires.")
    min_bad_calls: int = Field(
        3, ge=1, description="Nor with fewer failed, slow or dear calls: at 50 calls one alone is over 1%."
    )
    burn_rates: tuple[BurnRate, ...] = Field(
        (
            BurnRate(factor=14.4, long_s=3_600, short_s=300),
            BurnRate(factor=6, long_s=6 * 3_600, short_s=1_800),
            BurnRate(factor=1, long_s=3 * 86_400, short_s=6 * 3_600, severity="warning"),
        ),
        description="When failures use up the error budget too fast; the SRE workbook's windows. Empty: never.",
    )
    max_lag_s: Seconds = Field(300, description="Alert if a consumer is so far behind, s.")
    max_dead_letters: int = Field(0, ge=0, description="Alert if more are written in a window.")
    producer_silent_s: Seconds = Field(300, description="Alert if a producer has told nothing for so long, s.")
    spool_growing_s: Seconds = Field(900, description="Alert if a producer's spool has grown for so long, s.")
    dataset_window_s: Seconds = Field(
        6 * 3_600, description="Whether the dataset grows, and what filters reject, is judged over so long, s."
    )
    max_rejected_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="Alert if one reason rejects more of a signature's records."
    )
    min_disk_free_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="Alert if less of a consumer's disk is free."
    )
    runbook_url: str = Field(
        "docs/operations.md",
        pattern=r"^[^\s#\"'{}]+$",
        description="Where your people find operations.md; an alert's annotation adds its section.",
    )
