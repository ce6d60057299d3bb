"""What each step leaves: typed, one JSON file a step, from which the next one works.

Each names the artefact that it was made from by its hash, so that one that was changed is noticed.
"""

from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Artefact",
    "Baseline",
    "Collected",
    "CutMade",
    "CycleStep",
    "Decided",
    "Gated",
    "Interval",
    "Optimized",
    "Outcome",
    "RolledOut",
    "ServedVersion",
    "SourceFound",
    "Stopped",
    "Trial",
    "VerdictFound",
]


class CycleStep(StrEnum):
    """The steps, in their order; killed anywhere, the same command goes on where it was."""

    COLLECT = "collect"
    GATE = "gate"
    CUT = "cut"
    BASELINE = "baseline"
    OPTIMIZE = "optimize"
    DECIDE = "decide"
    ROLL_OUT = "roll-out"


Outcome: TypeAlias = Literal["ship", "no_improvement", "unverified", "too_few", "stopped"]
"""What was decided: ship it; it is not better enough; its test does not tell; the test is too small; the budget was
spent before anything could be told."""
Stopped: TypeAlias = Literal["lm_calls", "cost"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Artefact(_Part):
    """What is in every artefact.

    Attributes:
        format: of the file.
        signature: whose cycle.
        made_at: when the step was done, ISO 8601 in UTC.
        took_s: how long the step took in the process that ended it, seconds.
        made_from: the SHA-256 of the file of the last step before that was done; None: the first step.
        notes: what the user should know, a line each.
    """

    step: ClassVar[CycleStep]
    format: Literal[1] = 1
    signature: str
    made_at: str
    took_s: float
    made_from: str | None
    notes: list[str] = Field(default_factory=list)


class SourceFound(_Part):
    """How far a source is.

    Attributes:
        wanted: so many examples (optimization.<source>_target).
        found: so many there are; of telemetry rows in the table, before filters of the cut.
        added: in this step.
        lm_calls: of this step.
        ended: why no more were made, in words; None: none were to be made.
    """

    wanted: int
    found: int
    added: int = 0
    lm_calls: int = 0
    ended: str | None = None


class Collected(Artefact):
    """Step 1: what there is to cut from."""

    step: ClassVar[CycleStep] = CycleStep.COLLECT
    sources: dict[str, SourceFound]


class VerdictFound(_Part):
    """What a gate said; where it had nothing to judge it is passed, and `is_judged` false."""

    gate: str
    judges: Literal["examples", "whole"]
    is_passed: bool
    is_judged: bool = True
    threshold: float | None
    figure: float | None
    what: str


class Gated(Artefact):
    """Step 2: the gates' verdicts over what would be cut.

    Attributes:
        examples: how many passed.
        set_aside: gate -> how many it took out.
        verdicts: of all gates.
    """

    step: ClassVar[CycleStep] = CycleStep.GATE
    examples: int
    set_aside: dict[str, int]
    verdicts: list[VerdictFound]


class CutMade(Artefact):
    """Step 3: the dataset version.

    Attributes:
        version: e.g. v3.
        path: its folder.
        fields_hash: of the signature's fields.
        examples: split -> how many.
        labels: split -> label -> how many.
        sources: source -> how many, counted in provenance.jsonl.
        telemetry_share: of all examples, counted in provenance.jsonl.
        fields: the names of inputs and outputs.
    """

    step: ClassVar[CycleStep] = CycleStep.CUT
    version: str
    path: str
    fields_hash: str
    examples: dict[str, int]
    labels: dict[str, dict[str, int]]
    sources: dict[str, int]
    telemetry_share: float
    fields: dict[str, list[str]]


class ServedVersion(_Part):
    """The version that was served.

    Attributes:
        version: its name.
        digest: in the registry; None: the code as it is deployed.
        fits: whether today's program takes it; where not, services answer with the code, and that was measured.
    """

    version: str
    digest: str | None
    fits: bool = True


class Baseline(Artefact):
    """Step 4: how good the program is that is served now.

    Attributes:
        program: package.module:object.
        metric: as it is named, and what it does.
        model: of the program's LM; None: unknown.
        signature_hashes: predictor -> hash of its fields.
        scores: example id -> score on the test split.
        score: their mean; None: the test split is empty.
        failed: examples on which the program raised; their score is 0.
        reads_labels: whether the metric looked at the examples' outputs.
        unverified_share: of the test's labels.
        lm_calls: paid ones.
        cost_usd: theirs, as far as it is known.
        unpriced_calls: those of which nobody knows the cost.
        refused: why nothing that is found can be shipped; None: nothing speaks against it.
        served: the version that was served then; None: it was not known, and the code as deployed was measured.
    """

    step: ClassVar[CycleStep] = CycleStep.BASELINE
    program: str
    metric: str
    model: str | None
    signature_hashes: dict[str, str]
    scores: dict[str, float]
    score: float | None
    failed: int
    reads_labels: bool
    unverified_share: float
    lm_calls: int
    cost_usd: float
    unpriced_calls: int = 0
    refused: Literal["unverified", "too_few"] | None
    served: ServedVersion | None = None


class Trial(_Part):
    """A candidate's evaluation on the validation split.

    Attributes:
        score: 0 to 100, as DSPy has it.
        is_full: on the whole split; else on some of its examples.
        examples: how many.
    """

    score: float
    is_full: bool
    examples: int


class Interval(_Part):
    """A candidate against the baseline on the held-out test split; see bootstrap.Comparison."""

    examples: int
    baseline: float
    candidate: float
    difference: float
    low: float
    high: float
    confidence: float
    relative: float | None


class Optimized(Artefact):
    """Step 5: what the optimizer found.

    Attributes:
        optimizer: its name.
        trials: in their order.
        stopped: what of the budget was spent; None: the optimizer came to its end.
        file: the artefact's name, beside; None: there is no candidate.
        file_sha256: of its bytes.
        number: N of optimized_v<N>.
        scores: example id -> the candidate's score on the test split.
        failed: examples on which it raised.
        comparison: with the baseline; None: there is no candidate, or no test.
        is_changed: whether any instruction or demo differs from the baseline's.
        lm_calls: paid ones since the run began, of all processes.
        cost_usd: theirs, as far as it is known.
        unpriced_calls: those of which nobody knows the cost.
    """

    step: ClassVar[CycleStep] = CycleStep.OPTIMIZE
    optimizer: str
    trials: list[Trial]
    stopped: Stopped | None
    file: str | None
    file_sha256: str | None
    number: int | None
    scores: dict[str, float]
    failed: int
    comparison: Interval | None
    is_changed: bool
    lm_calls: int
    cost_usd: float
    unpriced_calls: int = 0


class Decided(Artefact):
    """Step 6: whether it is shipped.

    Attributes:
        outcome: see Outcome.
        reason: in one line, with the numbers.
        required_pct: the improvement that was asked for, percent.
    """

    step: ClassVar[CycleStep] = CycleStep.DECIDE
    outcome: Outcome
    reason: str
    required_pct: float


class RolledOut(Artefact):
    """Step 7: what became of it.

    Attributes:
        registered: what names the artefact in the registry; None: nothing was shipped.
        rollout_id: of the rollout that was started; None: none was.
        command: what starts it by hand; None: nothing is to start.
        details: what the rollout was begun with.
    """

    step: ClassVar[CycleStep] = CycleStep.ROLL_OUT
    registered: str | None
    rollout_id: str | None
    command: str | None
    details: dict[str, Any] = Field(default_factory=dict)
