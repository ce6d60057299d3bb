"""What each commit tells of its batch: a small JSON text in the table's own log, under the name ``headrace``.

    Tally, moves -> facts_of -> commitInfo of the commit -> read_facts -> Facts

Any reader's ``history()`` shows it, for as long as the log is kept (the 20,000 newest commits). It holds counts, names
of signatures and offsets, and never a payload. It is bounded: beyond the most frequent signatures the rest is one.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.tally import SignatureTally, Tally

__all__ = ["MOST_SIGNATURES", "NAME", "OTHERS", "Facts", "facts_of", "read_facts"]

NAME: Final = "headrace"
MOST_SIGNATURES: Final = 30
OTHERS: Final = ""
"""Stands for all other signatures; none is named so."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What became of the records of one commit.

    Attributes:
        read: records taken from Kafka.
        copies: of these, copies of a key that the table or the batch holds.
        dead_letters: reason -> records that could not be read.
        signatures: signature, or OTHERS -> what became of its records.
        moves: app id -> (position before, None: none; position after).
    """

    read: int
    copies: int = 0
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    signatures: Mapping[str, SignatureTally] = field(default_factory=dict)
    moves: Mapping[str, tuple[int | None, int]] = field(default_factory=dict)


def facts_of(tally: Tally, moves: Sequence[Move]) -> dict[str, str]:
    """Return what a commit tells of its batch."""
    ordered = sorted(tally.by_signature().items(), key=lambda item: (-item[1].read, item[0]))
    signatures = {name: _written(of) for name, of in ordered[:MOST_SIGNATURES]}
    if len(ordered) > MOST_SIGNATURES:
        signatures[OTHERS] = _written(_summed([of for _, of in ordered[MOST_SIGNATURES:]]))
    told = {
        "read": tally.consumed,
        "copies": tally.duplicates,
        "dead_letters": dict(tally.dead_letters),
        "signatures": signatures,
        "moves": {move.app_id: [move.start, move.target] for move in moves},
    }
    # What is nothing is left out: idle commits are many.
    return {NAME: json.dumps({key: value for key, value in told.items() if value}, separators=(",", ":"))}


def read_facts(info: Mapping[str, Any]) -> Facts | None:
    """Return what a commit told, or None where it is no commit of a batch, or one of another release.

    Args:
        info: an entry of `DeltaTable.history()`.
    """
    try:
        told = json.loads(info[NAME])
        return Facts(
            told.get("read", 0),
            told.get("copies", 0),
            told.get("dead_letters", {}),
            {name: _signature(of) for name, of in told.get("signatures", {}).items()},
            {app_id: (start, target) for app_id, (start, target) in told.get("moves", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _written(of: SignatureTally) -> dict[str, Any]:
    return {key: value for key, value in of.as_dict().items() if value}


def _signature(told: Mapping[str, Any]) -> SignatureTally:
    return SignatureTally(told.get("kept", 0), told.get("outcomes", 0), Counter(told.get("rejected", {})))


def _summed(tallies: Sequence[SignatureTally]) -> SignatureTally:
    rejected: Counter[str] = Counter()
    for of in tallies:
        rejected.update(of.rejected)
    return SignatureTally(sum(of.kept for of in tallies), sum(of.outcomes for of in tallies), rejected)
