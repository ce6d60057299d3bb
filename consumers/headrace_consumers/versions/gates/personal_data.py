"""Personal data and secrets that are left: the redactor is run over the texts once more, and must find nothing.

A call was redacted by its producer. Where the same rules are active here they have looked already; calls under other
rules, or under fewer, corrected outputs and the examples of other sources are looked through.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import polars as pl

from headrace.redaction import Redactor
from headrace_consumers.versions.files.kinds import values_in
from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict

__all__ = ["PERSONAL_DATA"]

_NAME: Final = "personal data"
_SLICE: Final = 20_000


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    redactor = Redactor(context.thresholds.personal_data_kinds)
    kinds: Counter[str] = Counter()
    found = list(_left(examples, redactor, kinds))
    offenders = pl.DataFrame(found, schema=OFFENDERS, orient="row")
    said = ", ".join(f"{kind} {number:,}" for kind, number in sorted(kinds.items()))
    what = f"{len(found):,} examples hold personal data or secrets" + (f": {said}" if said else "")
    details = {"kinds": dict(kinds), "redaction_version": redactor.version}
    return Verdict(_NAME, 0, len(found), is_passed=not found, what=what, offenders=offenders, details=details)


def _left(examples: pl.DataFrame, redactor: Redactor, kinds: Counter[str]) -> Iterator[tuple[str, str]]:
    columns = ("example_id", "inputs", "outputs", "category")
    is_call, is_correction = _looked_through(redactor.version)
    for part in examples.select(*columns, "source", "label", "provenance").iter_slices(_SLICE):
        unseen = part.with_columns(is_call=is_call, is_correction=is_correction).filter(
            ~pl.col("is_call") | ~pl.col("is_correction")
        )
        for example_id, inputs, outputs, category, is_seen in unseen.select(*columns, "is_call").iter_rows():
            counts: Counter[str] = Counter()
            where = []
            sides = [("output", outputs)] if is_seen else [("input", inputs), ("output", outputs)]
            for role, text in sides:
                for name, value in values_in(text).items():
                    before = counts.total()
                    redactor.value({name: value}, counts)  # by its name a value may be a secret
                    if counts.total() > before:
                        where.append(f"{role} {name[:80]}")
            if category is not None and not is_seen and redactor.text(category, counts) != category:
                where.append("category")
            if where:
                kinds.update(counts)
                yield example_id, f"{', '.join(sorted(counts))} in {', '.join(where)}"


def _looked_through(version: str) -> tuple[pl.Expr, pl.Expr]:
    """Return whether the same rules have looked through the call, and through what was put in place of its outputs."""

    def has(member: str) -> pl.Expr:
        # Inside a text the quotes would be escaped. A producer with more rules of its own has them behind a plus.
        ends = [f'"{member}":"{version}{end}' for end in ('"', "+")]
        return pl.any_horizontal(pl.col("provenance").str.contains(each, literal=True) for each in ends)

    is_call = (pl.col("source") == "telemetry") & has("redaction_version")
    by_hand = pl.col("provenance").str.contains('"edits":[', literal=True)
    return is_call, (pl.col("label") != "corrected") | (has("corrected_redaction_version") & ~by_hand)


PERSONAL_DATA: Final = Gate(_NAME, "examples", _judge, is_of_each=True)
