"""`headrace dataset trace`: one record, from its offset to its row."""

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines

if TYPE_CHECKING:
    from headrace_consumers.fates.trace import Commit, Traced, Track

__all__ = ["EXAMPLE", "trace"]

EXAMPLE: Final = "Example: headrace dataset trace 0192f0c1d2e3f4a5b6c7d8e9f0a1b2c3"

_COPIES_SHOWN: Final = 10


def trace(
    id_: Annotated[str, typer.Argument(metavar="ID", help="An event id, a request id or a deduplication key.")],
    *,
    last: Annotated[int, typer.Option("--last", min=1, help="Look at so many of the newest messages.")] = 100_000,
    commits: Annotated[
        int, typer.Option("--commits", min=1, help="... and of the table's newest commits; its log keeps 20,000.")
    ] = 10_000,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Follow a record: where it is in Kafka, what became of it and why, which file and commit of the table has it.

    Copies of its key are followed too. No payload is shown. Exit code 1 if nothing is found.
    """
    from headrace.config import load
    from headrace_consumers import fates

    track = fates.trace(load(config_path), id_, last=last, commits=commits)
    if as_json:
        told = None if track.told_from is None else asdict(track.told_from)
        found = {"records": list(map(_as_dict, track.records)), "looked_at": track.looked_at}
        print_json({**found, "commits_told_from": told, "notes": track.notes})
    else:
        for number, traced in enumerate(track.records[:_COPIES_SHOWN]):
            print_lines([""] * (number > 0) + _lines(traced, track.told_from))
        if (more := len(track.records) - _COPIES_SHOWN) > 0:
            print_lines(["", f"and {count(more)} more: --json shows all"])
        print_lines(f"not looked at: {remark}" for remark in track.notes)
        if not track.records:
            print_lines(_nothing(id_, track))
    if not track.records:
        raise typer.Exit(1)


def _nothing(id_: str, track: "Track") -> list[str]:
    from headrace_schemas.keys import sampling_hash

    looked = "" if track.looked_at is None else f" and in none of the newest {count(track.looked_at)} messages"
    share = sampling_hash(id_) / 2**64
    return [
        f"{id_}: in no row{looked}; --last looks further back",
        f"-> if it is a request's id: it is captured only where telemetry.sampling_rate_pct is above {100 * share:.4g}",
    ]


def _lines(traced: "Traced", told_from: "Commit | None") -> list[str]:
    fate, row = traced.fate, traced.fate.row
    kafka = f"{traced.topic}/{traced.partition}/{traced.offset}"
    if traced.append_time_ms is not None:
        kafka += f", {_time(traced.append_time_ms)}"
    cells = [
        ("event", traced.event_id),
        ("request", traced.request_id),
        ("signature", traced.signature),
        ("key", traced.key),
        ("Kafka", kafka if traced.in_kafka else f"{kafka}; no longer there, or not looked at"),
        ("became", _became(traced)),
    ]
    if row is not None and fate.outcome.value == "row":
        cells.append(("file", row.file))
    if traced.commit is not None:
        cells.append(("commit", _of(traced.commit)))
    elif told_from is not None and fate.outcome.value != "waiting":
        cells.append(("commit", f"before {_of(told_from)}, the oldest that was looked at; --commits"))
    return columns([(name, value) for name, value in cells if value])


def _of(commit: "Commit") -> str:
    return f"version {commit.version}, {_time(commit.at_ms)}"


def _became(traced: "Traced") -> str:
    from headrace_consumers.fates.fate import Outcome

    fate, row = traced.fate, traced.fate.row
    source = f"{traced.topic}/{traced.partition}/{traced.offset}"
    return {
        Outcome.row: f"a row, quality {row.quality:.3g}" if row is not None else "a row",
        Outcome.copy: f"a copy of the row of {row.place}, event {row.event_id}" if row is not None else "a copy",
        Outcome.rejected: f"rejected, {fate.reason}: {traced.detail}",
        Outcome.outcome: "an outcome without payload, counted only",
        Outcome.unreadable: f"a dead letter, {fate.reason}: {traced.detail}; headrace deadletter show {source}",
        Outcome.waiting: "not read yet by the dataset consumer",
        Outcome.absent: (
            "no row, though it passes the filter of now: thresholds were stricter when it was read, or it was erased "
            "or is older than the table keeps"
        ),
    }[fate.outcome]


def _as_dict(traced: "Traced") -> dict[str, Any]:
    row, commit = traced.fate.row, traced.commit
    return {
        "topic": traced.topic,
        "partition": traced.partition,
        "offset": traced.offset,
        "append_time_ms": traced.append_time_ms,
        "in_kafka": traced.in_kafka,
        "event_id": traced.event_id,
        "request_id": traced.request_id,
        "signature": traced.signature,
        "dedup_key": traced.key,
        "became": traced.fate.outcome.value,
        "reason": traced.fate.reason,
        "detail": traced.detail,
        "row": None if row is None else {"place": row.place, "event_id": row.event_id, "file": row.file},
        "commit": None if commit is None else {"version": commit.version, "at_ms": commit.at_ms},
    }


def _time(unix_ms: int) -> str:
    return dt.datetime.fromtimestamp(unix_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
