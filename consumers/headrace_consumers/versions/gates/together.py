"""Leakage by origin: examples of one commit, or of one request, that stand in several splits.

Each key has its split by itself, for good: with a split by commit or by request an example would change its side once
another source or another call gave the same inputs. So what belongs together is kept in one split by leaving the rest
out. In which one, the least key of them decides: keys are hashes, so that is by chance.
"""

from typing import Final

import polars as pl

from headrace_consumers.versions.files.ahead import side_by_side
from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict

__all__ = ["TOGETHER"]

_NAME: Final = "leakage by origin"
_SLICE: Final = 20_000
_GROUP: Final = {"origin": pl.UInt64(), "kind": pl.String()}
_ORIGINS: Final = {
    "commit": ("git", r'"commit":"([0-9a-f]{7,64})"'),
    "request": ("telemetry", r'"request_id_hash":"([0-9a-f]{16,64})"'),
}
"""Whose provenance tells it, and where: members of canonical JSON, for inside a text the quotes would be escaped."""


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    kinds = context.thresholds.keep_together
    if not kinds:
        return Verdict(_NAME, None, None, is_passed=True, is_judged=False, what="examples of one origin may part")
    groups = _groups(examples, kinds)
    is_of_several = groups["origin"].is_not_null() & groups["origin"].is_duplicated()
    apart = (
        examples.select("example_id", "key", "split")
        .filter(is_of_several)
        .with_columns(groups.filter(is_of_several))
        .sort("key")
        .with_columns(_stands=pl.col("split").first().over("origin", "kind"))
        .filter(pl.col("split") != pl.col("_stands"))
    )
    reason = pl.concat_str(pl.lit("others of its "), pl.col("kind"), pl.lit(" are in "), pl.col("_stands"))
    offenders = apart.select("example_id", reason.alias("reason")).cast(OFFENDERS)  # type: ignore[arg-type]
    counts = apart["kind"].value_counts().sort("kind").rows()
    said = ", ".join(f"{kind} {count:,}" for kind, count in counts)
    what = f"{len(offenders):,} examples have others of their origin in another split" + (f": {said}" if said else "")
    return Verdict(
        _NAME,
        0,
        len(offenders),
        is_passed=offenders.is_empty(),
        what=what,
        offenders=offenders,
        details={"keep_together": list(kinds), "by_origin": dict(counts)},
    )


def _groups(examples: pl.DataFrame, kinds: tuple[str, ...]) -> pl.DataFrame:
    """Return of each example a hash of where it came from, and what that is; null: it came alone."""

    def made(part: pl.DataFrame) -> pl.DataFrame:
        found = pl.DataFrame(schema=_GROUP).clear(len(part))
        for kind in kinds:
            source, pattern = _ORIGINS[kind]
            is_of = part["source"] == source
            if not is_of.any():
                continue
            told = part.filter(is_of)["provenance"].str.extract(pattern)
            groups = pl.DataFrame({"origin": told.hash(), "kind": pl.repeat(kind, len(told), eager=True)})
            groups = groups.with_columns(pl.when(told.is_not_null()).then(pl.all()))
            found = groups if is_of.all() else _put(found, is_of, groups)
        return found

    parts = side_by_side(made, examples.select("source", "provenance").iter_slices(_SLICE))
    return pl.concat([pl.DataFrame(schema=_GROUP), *parts])


def _put(frame: pl.DataFrame, at: pl.Series, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with some of its rows replaced."""
    places = at.arg_true()
    return pl.DataFrame([frame[name].scatter(places, rows[name]) for name in frame.columns])


TOGETHER: Final = Gate(_NAME, "examples", _judge)
