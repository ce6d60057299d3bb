"""Is there enough in the table? Pure. The document: "Low telemetry example count"."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace_consumers.doctor.result import Result, note, ok

__all__ = ["judge_rows"]


def judge_rows(rows: Sequence[Mapping[str, Any]], target: int, rate_pct: float) -> Iterator[Result]:
    """Judge the rows of each signature.

    Args:
        rows: signature, rows and more of each, as `headrace dataset ls --json` has them.
        target: optimization.telemetry_target.
        rate_pct: telemetry.sampling_rate_pct.
    """
    for row in rows:
        check, number = f"dataset {row['signature']}", row["rows"]
        if number < target:
            yield note(
                check,
                f"{number:,} rows, {target:,} are wanted (optimization.telemetry_target)",
                f"wait longer, or raise telemetry.sampling_rate_pct (now {rate_pct:g}); "
                "a line `examples of ...` above tells of thresholds that are too strict",
            )
        else:
            yield ok(check, f"{number:,} rows")
