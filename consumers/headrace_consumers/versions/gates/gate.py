"""What a gate is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

import polars as pl

from headrace.config.versions import Difficulties, GateThresholds, SplitShares
from headrace_schemas.dataset_manifest import GateVerdict

__all__ = ["MERGED", "OFFENDERS", "Context", "Gate", "Judge", "Verdict", "no_offenders"]

OFFENDERS: Final[dict[str, pl.DataType]] = {"example_id": pl.String(), "reason": pl.String()}
MERGED: Final[dict[str, pl.DataType]] = {**OFFENDERS, "source": pl.String()}


@dataclass(frozen=True, slots=True)
class Context:
    """What a gate may know beside the examples.

    Attributes:
        signature: whose examples.
        fields_hash: of its fields.
        thresholds: the signature's.
        splits: the shares that are wanted.
        difficulties: likewise.
        merged: MERGED, examples that gave way to one with the same key before any gate.
        passed_over: with `gate`, examples that this gate has taken already, for another one stands in their place.
        beside: where only some are judged, all that there are, to compare with; None: those that are judged.
        other_sources: beside telemetry that gave examples, be they still there or not.
    """

    signature: str
    fields_hash: str
    thresholds: GateThresholds
    splits: SplitShares
    difficulties: Difficulties
    merged: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MERGED))
    passed_over: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={**MERGED, "gate": pl.String()}))
    beside: pl.DataFrame | None = None
    other_sources: frozenset[str] = frozenset()


def no_offenders() -> pl.DataFrame:
    """Return that no example offends."""
    return pl.DataFrame(schema=OFFENDERS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says.

    Attributes:
        gate: its name.
        threshold: what was asked for; None: it has none.
        figure: what was found; None: it could not be told.
        is_passed: whether that is enough.
        what: in words, for people.
        offenders: OFFENDERS, the examples to set aside.
        merged: OFFENDERS that gave way before, to others with the same inputs.
        is_judged: whether there was something to judge; if not it is passed, and `what` says why.
        details: whatever else its report shows, JSON.
    """

    gate: str
    threshold: float | None
    figure: float | None
    is_passed: bool
    what: str
    offenders: pl.DataFrame = field(default_factory=no_offenders)
    merged: pl.DataFrame = field(default_factory=no_offenders)
    is_judged: bool = True
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def all_offenders(self) -> pl.DataFrame:
        """OFFENDERS, all that it speaks of."""
        return pl.concat([self.merged, self.offenders])

    @property
    def word(self) -> str:
        """Its outcome in a word or two."""
        return "FAILED" if not self.is_passed else "passed" if self.is_judged else "not judged"

    def with_those_that_gave_way(self, offenders: pl.DataFrame) -> "Verdict":
        """Return it with OFFENDERS that were taken before, as others with the same inputs do not offend."""
        if offenders.is_empty():
            return self
        what = f"{self.what}; {len(offenders):,} more gave way to others with the same inputs"
        return replace(self, is_passed=False, what=what, merged=pl.concat([self.merged, offenders]))

    def for_manifest(self) -> GateVerdict:
        """Return it as the manifest has it."""
        return GateVerdict(
            gate=self.gate,
            threshold=self.threshold,
            figure=self.figure,
            is_passed=self.is_passed,
            is_judged=self.is_judged,
            set_aside=len(self.offenders) + len(self.merged),
        )


Judge: TypeAlias = Callable[[pl.DataFrame, Context], Verdict]


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate.

    Attributes:
        name: in verdicts and as the reason of what is set aside.
        judges: "examples": each by itself or beside others, before any are drawn; "whole": what the version then holds,
            of which nothing is set aside any more.
        judge: given EXAMPLES, sorted by key, and the context. The frame may be larger than memory, mapped from disk:
            take the columns that are needed, and texts a slice at a time (`iter_slices`).
        is_of_each: whether it judges each example by what that is, and not beside others that stand: then of several
            with the same inputs one that it would take gives way to one that it would not.
    """

    name: str
    judges: Literal["examples", "whole"]
    judge: Judge
    is_of_each: bool = False
