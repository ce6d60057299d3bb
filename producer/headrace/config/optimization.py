"""The optimization cycle: what it collects, optimizes and ships."""

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from headrace.config.consumers import OwnCallable
from headrace.config.section import Name, Section, Share

__all__ = ["METRICS", "Optimization", "OptimizedSignature"]

METRICS: Final = ("auto", "exact", "fuzzy", "judge")
"""Metrics that come with Headrace."""

_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", re.ASCII)


def _metric(text: str) -> str:
    if text not in METRICS and not (":" in text and _NAME.fullmatch(text)):
        raise PydanticCustomError("metric", f"{', '.join(METRICS)} or package.module:object")
    return text


def _optimizer(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise PydanticCustomError("optimizer", "the name of an optimizer of DSPy, or package.module:Class")
    return text


Metric: TypeAlias = Annotated[str, AfterValidator(_metric)]
Optimizer: TypeAlias = Annotated[str, AfterValidator(_optimizer)]


class OptimizedSignature(Section):
    """A signature that the cycle optimizes, and what differs for it; an absent key keeps the section's value."""

    program: OwnCallable = Field(
        description="package.module:object, the program that answers with the signature: a dspy.Module, its class, a "
        "function that returns one, or a signature's class."
    )
    module: Name = Field(description="The module's name, as headrace.instrument has it: for which an artefact is made.")
    signature_class: OwnCallable | None = Field(
        None, description="package.module:Class, the types of the examples; null: those of the program's predictor."
    )
    metric: Metric | None = None
    optimizer: Optimizer | None = None
    optimizer_options: dict[str, Any] | None = None
    trials: int | None = Field(None, ge=1)
    min_improvement_pct: float | None = Field(None, ge=0, allow_inf_nan=False)
    judge_criteria: str | None = None


class Optimization(Section):
    """The cycle: collect, gate, cut, baseline, optimize, decide, roll out."""

    schedule: Literal["monthly", "weekly"] = Field(
        "monthly", description="How often a cycle runs: a run is named by its month or week (UTC), and is done once."
    )
    telemetry_target: int = Field(0, ge=0, description="Examples from telemetry per signature and cycle.")
    git_target: int = Field(100, ge=0, description="Examples from git commits per signature and cycle.")
    synthetic_target: int = Field(20, ge=0, description="Synthetic examples per signature and cycle.")
    require_targets: bool = Field(default=False, description="Stop at the gates where a target is not reached.")
    strict_gates: bool = Field(
        default=True, description="Stop where a gate of the whole fails: size, sources, difficulties, categories."
    )
    path: str = Field("optimization", min_length=1, description="Folder of the runs, and of the list of all runs.")
    signatures: dict[str, OptimizedSignature] = Field(
        default_factory=dict, description="Signature, as `headrace dataset ls` names it -> what is optimized."
    )
    git_repository: str | None = Field(
        None, min_length=1, description="The repository whose commits become examples; null: none are."
    )
    lm: str | None = Field(
        None, min_length=1, description="The LM of the program, as dspy.LM names it; null: as the program configures."
    )
    lm_api_base: str | None = Field(None, min_length=1, description="Where it is served.")
    prompt_lm: str | None = Field(
        None, min_length=1, description="The LM that proposes instructions and makes examples; null: the program's."
    )
    prompt_lm_api_base: str | None = Field(None, min_length=1, description="Where it is served.")
    judge_lm: str | None = Field(None, min_length=1, description="The LM of the metric judge; null: prompt_lm.")
    judge_lm_api_base: str | None = Field(None, min_length=1, description="Where it is served.")
    judge_criteria: str = Field("", description="What makes an output good, for the judge.")
    metric: Metric = Field(
        "auto",
        description="auto: by the outputs' types, exact or fuzzy; exact; fuzzy; judge: an LM's score, which reads no "
        "label; package.module:object: your own (example, prediction, trace).",
    )
    optimizer: Optimizer = Field(
        "MIPROv2", description="MIPROv2, GEPA, the name of another optimizer of DSPy, or package.module:Class."
    )
    optimizer_options: dict[str, Any] = Field(
        default_factory=dict, description="Further arguments of the optimizer, or of its compile."
    )
    trials: int = Field(
        50, ge=1, description="Trials of MIPROv2; GEPA gets as many calls of the program as these take."
    )
    threads: int = Field(4, ge=1, le=256, description="Examples that are evaluated at the same time.")
    seed: int = Field(9, ge=0, description="Of the optimizer and of the bootstrap.")
    max_lm_calls: int | None = Field(
        10_000,
        ge=1,
        description="Calls of LMs per signature and run, those from the cache not counted; null: no limit.",
    )
    max_cost_usd: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="What the LMs may cost per signature and run, USD; null: no limit."
    )
    min_improvement_pct: float = Field(
        5,
        ge=0,
        allow_inf_nan=False,
        description="Ship only what is better by so much, relative to the baseline, percent.",
    )
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Of the interval of the difference, which must lie above zero."
    )
    min_test_examples: int = Field(20, ge=2, description="Ship nothing that was tested on fewer examples.")
    max_unverified_share: Share = Field(
        0.5,
        description="Ship nothing where more of the test's outputs than this are the program's own that nobody looked "
        "at, and the metric reads them.",
    )
    rollout: bool = Field(
        default=True, description="Start the rollout of what is shipped; false: it is only registered."
    )

    def for_signature(self, signature: str) -> "Optimization":
        """Return what holds for a signature: the section with what differs for it."""
        changes = self.signatures[signature].model_dump(
            exclude_none=True, exclude={"program", "module", "signature_class"}
        )
        return self.model_copy(update=changes)
