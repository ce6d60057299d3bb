"""The rollout consumer, and by what a candidate goes up or back."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from headrace.config.section import Positive, Section, Share

__all__ = ["AdaptiveSampling", "Rollout", "RolloutStage"]


class RolloutStage(Section):
    """A share of the requests for the candidate, and what ends it."""

    share: Annotated[float, Field(gt=0, lt=1)] = Field(description="Of all requests, the candidate's.")
    min_calls: int = Field(200, ge=1, description="Calls of the candidate, before it goes further up.")
    min_s: float = Field(3600, ge=0, allow_inf_nan=False, description="Likewise time, s.")
    margin: Share = Field(
        0.05, description="It goes up once it is proven that at most this share of calls more fails than before."
    )


class AdaptiveSampling(Section):
    """Sampling rates that the rollout consumer orders, where examples are short or calls fail."""

    budget_per_s: Positive | None = Field(
        None, description="Sampled calls a second, of all modules together; null: it orders none."
    )
    examples: int = Field(200, ge=1, description="A signature that has so many lacks none.")
    least_pct: Annotated[float, Field(gt=0, le=100)] = Field(1, description="No rate is below it.")
    most_pct: Annotated[float, Field(gt=0, le=100)] = Field(100, description="No rate is above it.")
    window_s: Annotated[float, Field(ge=30, allow_inf_nan=False)] = Field(
        600, description="Calls are counted over so long, s."
    )
    every_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(300, description="It is done so often, s.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.least_pct > self.most_pct:
            raise ValueError(
                f"rollout.sampling.least_pct: found {self.least_pct:g}, expected at most most_pct, {self.most_pct:g}"
            )
        return self


class Rollout(Section):
    """Rollouts. A rollout keeps the plan that it was started with; what runs already is not changed by the file."""

    port: int = Field(9466, ge=1, le=65_535, description="Port of /metrics, /healthz and /readyz.")
    host: str = Field("127.0.0.1", min_length=1, description="The address that it listens on.")
    transactional_id: str = Field(
        "headrace-rollout",
        min_length=1,
        description="Who writes decisions takes this name on the broker, and whoever had it before can write no more.",
    )
    look_s: Positive = Field(5, description="How often the figures are looked at, s; a look costs no certainty.")
    stand_in_after_s: Positive = Field(
        60, description="A second controller takes over when the first has written nothing for so long, s."
    )
    feedback: bool = Field(default=True, description="Compare the scores of feedback too, where there are any.")
    stages: tuple[RolloutStage, ...] = Field(
        (
            RolloutStage(share=0.10, min_calls=200, min_s=3600, margin=0.05),
            RolloutStage(share=0.25, min_calls=300, min_s=3600, margin=0.03),
            RolloutStage(share=0.50, min_calls=500, min_s=7200, margin=0.02),
        ),
        min_length=1,
        max_length=20,
        description="From the first to the last before all requests.",
    )
    max_days: Positive = Field(30, description="Without evidence by then the candidate is taken back, days.")
    slow_margin: Share = Field(
        0.01, description="So many more calls may be slower than max_latency_ratio times the baseline's p99."
    )
    max_latency_ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] = Field(
        1.5, description="Of the mean, and of the p99, to the baseline's."
    )
    max_cost_ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] = Field(
        1.5, description="Of the mean cost of a call to the baseline's."
    )
    min_score_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.9, description="Of the mean score of feedback to the baseline's; of means below 0, 2 less it."
    )
    alpha_rollback: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.05, description="How often a candidate that is no worse may be taken back."
    )
    alpha_promote: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.05, description="How often one that is worse by the last margin may get all requests."
    )
    alpha_split: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.001, description="How often a right split of the requests may be called wrong."
    )
    calls_per_request: float = Field(
        1, ge=1, allow_inf_nan=False, description="Calls that come together in a request, and prove no more than one."
    )

    sampling: AdaptiveSampling = Field(default_factory=AdaptiveSampling)

    @model_validator(mode="after")
    def _goes_up(self) -> Self:
        shares = [stage.share for stage in self.stages]
        if shares != sorted(set(shares)):
            raise ValueError(f"rollout.stages: found shares {shares}, expected each to be above the one before")
        return self
