"""What a gate is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import polars as pl

from headrace.config.versions import Difficulties, GateThresholds, SplitShares
from headrace_schemas.dataset_manifest import GateVerdict

__all__ = ["OFFENDERS", "Context", "Gate", "Judge", "Verdict", "no_offenders"]

OFFENDERS: Final[dict[str, pl.DataType]] = {"example_id": pl.String(), "reason": pl.String()}


@dataclass(frozen=True, slots=True)
class Context:
    """What a gate may know beside the examples.

    Attributes:
        signature: whose examples.
        fields_hash: of its fields.
        thresholds: the signature's.
        splits: the shares that are wanted.
        difficulties: likewise.
    """

    signature: str
    fields_hash: str
    thresholds: GateThresholds
    splits: SplitShares
    difficulties: Difficulties


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
        details: whatever else its report shows, JSON.
    """

    gate: str
    threshold: float | None
    figure: float | None
    is_passed: bool
    what: str
    offenders: pl.DataFrame = field(default_factory=no_offenders)
    details: dict[str, Any] = field(default_factory=dict)

    def for_manifest(self) -> GateVerdict:
        """Return it as the manifest has it."""
        return GateVerdict(
            gate=self.gate,
            threshold=self.threshold,
            figure=self.figure,
            is_passed=self.is_passed,
            set_aside=len(self.offenders),
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
    """

    name: str
    judges: Literal["examples", "whole"]
    judge: Judge
