"""Versioned datasets: where they are, how they are split, and what their gates insist on."""

from typing import Final, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from headrace.config.consumers import OwnCallable
from headrace.config.privacy import RedactionKind
from headrace.config.section import Section, Share

__all__ = ["Difficulties", "GateChanges", "GateThresholds", "Gates", "SplitShares", "Versions"]

_EXACT: Final = 1e-9

Origin: TypeAlias = Literal["commit", "request"]


class _Whole(Section):
    """Shares that make a whole."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if abs(sum(self.model_dump().values()) - 1) > _EXACT:
            raise PydanticCustomError("whole", "shares that add up to 1")
        return self


class SplitShares(_Whole):
    """How many of the examples each split holds."""

    train: Share = Field(0.7, description="To learn from.")
    val: Share = Field(0.15, description="To choose by.")
    test: Share = Field(0.15, description="To judge by; it never holds a candidate's own outputs.")


class Difficulties(_Whole):
    """How many of the examples are of each difficulty."""

    easy: Share = Field(0.3)
    medium: Share = Field(0.5)
    hard: Share = Field(0.2)


class GateThresholds(Section):
    """What a version must meet."""

    min_examples: int = Field(50, ge=0, description="Fewer examples are too few.")
    max_share_per_source: Share = Field(
        0.8, description="No source may give a larger share of the examples; more of it is set aside."
    )
    max_difficulty_deviation: Share = Field(
        0.1, description="The share of each difficulty may be so far from the one that is wanted."
    )
    min_categories: int = Field(3, ge=1, description="So many categories, where examples have any.")
    signature_class: OwnCallable | None = Field(
        None, description="package.module:Class, the signature whose types all examples must have; null: not checked."
    )
    min_quality: Share = Field(0.5, description="Examples of a lower quality are set aside.")
    min_judged_quality: Share = Field(
        0.5, description="Where an LM judges (dataset cut --judge-lm), examples that it finds worse are set aside."
    )
    max_likeness: Share = Field(
        0.9, description="Examples whose inputs are more alike to another's are set aside, 0 to 1; 1: none."
    )
    max_duplicate_share: Share = Field(
        0.0, description="A larger share of examples that give way to others with the same inputs is too much."
    )
    keep_together: tuple[Origin, ...] = Field(
        ("commit", "request"),
        description="Examples of one commit or request stand in one split; those elsewhere are set aside.",
    )
    personal_data_kinds: tuple[RedactionKind, ...] = Field(
        ("email", "phone", "card", "iban", "ip", "secret", "private_key"),
        description="Examples that hold such are set aside.",
    )


class GateChanges(Section):
    """What differs for one signature; an absent key keeps the default's value."""

    min_examples: int | None = Field(None, ge=0)
    max_share_per_source: Share | None = None
    max_difficulty_deviation: Share | None = None
    min_categories: int | None = Field(None, ge=1)
    signature_class: OwnCallable | None = None
    min_quality: Share | None = None
    min_judged_quality: Share | None = None
    max_likeness: Share | None = None
    max_duplicate_share: Share | None = None
    keep_together: tuple[Origin, ...] | None = None
    personal_data_kinds: tuple[RedactionKind, ...] | None = None


class Gates(Section):
    """Thresholds of the gates for all signatures, and per signature what differs."""

    default: GateThresholds = Field(default_factory=GateThresholds)
    signatures: dict[str, GateChanges] = Field(
        default_factory=dict, description="Signature -> the thresholds that differ for it."
    )

    def for_signature(self, signature: str) -> GateThresholds:
        """Return the thresholds of a signature: the default with what differs for it."""
        changes = self.signatures.get(signature)
        return (
            self.default if changes is None else self.default.model_copy(update=changes.model_dump(exclude_none=True))
        )


class Versions(Section):
    """Versioned datasets."""

    path: str = Field("training_data", min_length=1, description="Folder of all versions; a folder a signature.")
    splits: SplitShares = Field(default_factory=SplitShares)
    difficulties: Difficulties = Field(default_factory=Difficulties)
    difficulty_bounds: tuple[Share, Share] | None = Field(
        None,
        description="Scores from which an example is medium, and hard; null: where telemetry's own scores give the "
        "shares that are wanted.",
    )
    difficulty_scorer: OwnCallable | None = Field(
        None,
        description="package.module:object, given an example, returns 0 to 1 (hard); null: by size, time and calls.",
    )
    category_attribute: str = Field(
        "category", min_length=1, description="The attribute of a request that names its category."
    )
    baseline_versions: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="module_version of what is served to everybody; others are candidates, whose outputs are no test. "
        "null: baseline where there is such a record, else the most frequent.",
    )
    gates: Gates = Field(default_factory=Gates)
