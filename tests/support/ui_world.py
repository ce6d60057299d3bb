"""A folder as users have it, made by the deployed code: a table of some days, two cut versions, rejections, edits.

Beside them runs of the cycle: one that shipped, one that is not at its end.

What was captured holds what an attacker would send: markup, scripts, text that runs from right to left, control
characters, half a surrogate pair.
"""

import contextlib
import io
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from headrace_consumers.cli import main
from headrace_consumers.dataset.kafka.message import Message
from headrace_schemas import interaction_codec
from tests.support.committing import CommitPath
from tests.support.interactions import NOW_MS, interaction
from tests.support.ui_loop import made_run

__all__ = ["ATTACKS", "SIGNATURE", "build", "headrace"]

SIGNATURE = "ClassifyTicket"
OTHER = "DraftReply"
ATTACKS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg/onload=alert(1)>{{ 7*7 }}</textarea><style>*{display:none}</style>',
    "javascript:alert(1) \u202emoc.live \x1b[31mred\x07 \ud800",
    "' onmouseover='alert(1)",
)
_DAY_MS = 86_400_000
_CODEC = interaction_codec()
_TOPICS = ("refund", "delivery", "invoice", "password", "returns")


def build(folder: Path, *, rows: int = 240, days: int = 12) -> Path:
    """Make it all in a folder, and return the configuration's path."""
    config = {
        "dataset": {"path": str(folder / "table")},
        "versions": {
            "path": str(folder / "training_data"),
            "category_attribute": "category",
            "gates": {"default": {"min_examples": 1_000}},
        },
        "optimization": {"telemetry_target": 500, "path": str(folder / "optimization")},
    }
    path = folder / "headrace.json"
    path.write_text(json.dumps(config))
    offset = 0
    for day in range(days):
        records = [_ticket(at) for at in range(_until(day, days, rows), _until(day + 1, days, rows))]
        records += [_reply(at) for at in range(day * 3, day * 3 + 3)]
        records.append(interaction(f"slow {day}", signature=SIGNATURE, latency_ms=9_000.0))
        records.append(interaction(f"failed {day}", signature=SIGNATURE, success=False, error_type="ValueError"))
        offset = _commit(folder, records, offset, NOW_MS - (days - 1 - day) * _DAY_MS)
        if day == days // 2:
            headrace("dataset", "cut", "-s", SIGNATURE, "--config", path)
    edit = ("-s", SIGNATURE, "--who", "ada <b>", "--why", "it was <i>wrong</i>", "--config", path)
    listed = (folder / "training_data" / SIGNATURE / "v1" / "train.jsonl").read_text().splitlines()
    first, second = (json.loads(line)["example_id"] for line in listed[:2])
    headrace("dataset", "relabel", first, "--outputs", '{"category": "corrected by hand"}', "--any-kind", *edit)
    headrace("dataset", "exclude", second, *edit)
    headrace("dataset", "cut", "-s", SIGNATURE, "--config", path)
    made_run(folder / "optimization" / "optimization_202611", folder / "optimization", SIGNATURE)
    made_run(folder / "elsewhere", folder / "optimization", SIGNATURE, run_id="2026-12", steps=4)
    return path


def headrace(*arguments: object) -> str:
    """Run a command in this process and return what it said; it has to succeed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main([str(each) for each in arguments])
    assert code == 0, (arguments, out.getvalue())
    return out.getvalue()


def _until(day: int, days: int, rows: int) -> int:
    """Return how many tickets came before a day; more come each day than on the one before."""
    return rows * day * (day + 3) // (days * (days + 3))


def _ticket(at: int) -> Any:
    attack = ATTACKS[at % len(ATTACKS)] if at % 7 == 0 else ""
    what = _TOPICS[at % len(_TOPICS)]
    text = f"Ticket {at}: where is my {what}? I asked {at * 7919 % 1000} days ago. {attack}"
    return interaction(
        signature=SIGNATURE,
        input=json.dumps({"ticket": text, "history": [f"note {at}", {"by": "agent"}] if at % 3 else []}),
        output=json.dumps({"category": what, "reason": f"It asks for {what}. {attack}"}),
        latency_ms=40.0 + at * 37 % 900,
        request_id=f"request-{at}",
        attributes=json.dumps({"category": what}),
        event_id=f"event-{at}",
        module_version="baseline",
    )


def _reply(at: int) -> Any:
    return interaction(
        signature=OTHER,
        input=json.dumps({"ticket": f"ticket {at}"}),
        output=json.dumps({"reply": f"Dear customer, {at} thanks."}),
        environment="production",
        request_id=f"reply-{at}",
        event_id=f"reply-event-{at}",
    )


def _commit(folder: Path, records: Sequence[Any], offset: int, at_ms: int) -> int:
    from headrace_schemas import keys

    messages = []
    for number, record in enumerate(records, offset):
        key = keys.dedup_key(record["signature"], record["fields_hash"], record["input"].encode())
        told = {**record, "dedup_key": key, "timestamp_ms": at_ms - 60_000}
        messages.append(Message(0, number, key.encode(), _CODEC.encode(told), at_ms))
    with closing(CommitPath(folder, position=offset or None)) as path:
        path.commit(messages)
    return offset + len(messages)
