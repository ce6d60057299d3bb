"""What a demo found: the figures of both processes and the table, and whether they agree."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Check", "FeedbackFacts", "Ledger", "Summary", "TableFacts", "judge"]

EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Ledger:
    """The producer's account of every record that it began; `sampled` counts records, not calls."""

    sampled: int
    delivered: int
    spooled: int
    in_flight: int
    dropped: Mapping[str, int]

    @classmethod
    def of(cls, stats: Mapping[str, Any]) -> "Ledger":
        """Return the ledger in `headrace.stats()` as a mapping."""
        return cls(stats["sampled"], stats["delivered"], stats["spooled"], stats["in_flight"], stats["dropped"])

    @property
    def balances(self) -> bool:
        """Tell whether sampled = delivered + spooled + in flight + dropped."""
        return self.sampled == self.delivered + self.spooled + self.in_flight + sum(self.dropped.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What the demo reads from the table.

    Attributes:
        rows: how many.
        distinct_keys: dedup keys among them.
        rows_with_email: rows in which an e-mail address is left.
        signatures: signature -> rows.
        examples: a few rows.
    """

    rows: int
    distinct_keys: int
    rows_with_email: int
    signatures: Mapping[str, int]
    examples: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFacts:
    """What the demo reads from the feedback's table.

    Attributes:
        rows: how many.
        distinct: feedback among them.
        rows_with_email: rows in which an e-mail address is left.
        on_rated_rows: how much is to be found by the requests that were rated and of which the dataset has a row.
        joined_itself: how much joins a row by its own request.
        joined: how much joins a row, by its own request or as feedback on a copy.
        example: one that was joined; None where there is none.
    """

    rows: int
    distinct: int
    rows_with_email: int
    on_rated_rows: int
    joined_itself: int
    joined: int
    example: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Check:
    """One statement, and whether it holds; `figures` are what it rests on."""

    statement: str
    holds: bool
    figures: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The demo's result.

    Attributes:
        broker: HOST:PORT, and whether it was embedded.
        service: the service's last report: calls, succeeded, failed, sampled_calls, stats ...
        tally: the consumer's counts.
        feedback_tally: the feedback consumer's counts.
        table: what is in the table.
        feedback: what is in the feedback's table, and what it joins.
        dataset_path: the Delta table.
        config_path: the configuration that both processes used.
        listing: a line for a shell that lists the table.
        query: a line for a shell that queries the table.
        page: a line for a shell that shows it in a browser.
        checks: what was checked.
        seconds: from the start of the first process to the end of the last.
    """

    broker: str
    embedded: bool
    service: Mapping[str, Any]
    tally: Mapping[str, Any]
    feedback_tally: Mapping[str, Any]
    table: TableFacts
    feedback: FeedbackFacts
    dataset_path: str
    config_path: str
    listing: str
    query: str
    page: str
    seconds: float
    checks: Sequence[Check] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """Tell whether all checks hold."""
        return all(check.holds for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        stats = self.service["stats"]
        ledger = Ledger.of(stats)
        return {
            "ok": self.ok,
            "broker": self.broker,
            "embedded": self.embedded,
            "calls": self.service["calls"],
            "succeeded": self.service["succeeded"],
            "failed": dict(self.service["failed"]),
            "sampling_rate_pct": self.service["sampling_rate_pct"],
            "sampled_calls": self.service["sampled_calls"],
            "ledger": {
                "sampled": ledger.sampled,
                "delivered": ledger.delivered,
                "spooled": ledger.spooled,
                "in_flight": ledger.in_flight,
                "dropped": dict(ledger.dropped),
                "balances": ledger.balances,
            },
            "redactions": dict(stats["redactions"]),
            "consumer": dict(self.tally),
            "feedback": {
                "given": self.service["feedback"],
                "rows": self.feedback.rows,
                "joined": self.feedback.joined,
                "to_copies": self.feedback.joined - self.feedback.joined_itself,
                "example": None if self.feedback.example is None else dict(self.feedback.example),
            },
            "rows": self.table.rows,
            "rows_by_signature": dict(self.table.signatures),
            "dataset": self.dataset_path,
            "config": self.config_path,
            "listing": self.listing,
            "query": self.query,
            "page": self.page,
            "examples": [dict(row) for row in self.table.examples],
            "checks": [
                {"statement": check.statement, "holds": check.holds, "figures": check.figures} for check in self.checks
            ],
            "seconds": round(self.seconds, 1),
        }


def judge(
    service: Mapping[str, Any],
    tally: Mapping[str, Any],
    feedback_tally: Mapping[str, Any],
    table: TableFacts,
    feedback: FeedbackFacts,
) -> list[Check]:
    """Return what must hold after a demo, each with whether it does."""
    told = feedback_tally["consumed"]
    consumed = tally["consumed"] + told
    ledger = Ledger.of(service["stats"])
    dropped = sum(ledger.dropped.values())
    rejected, letters = sum(tally["rejected"].values()), sum(tally["dead_letters"].values())
    accounted = tally["kept"] + tally["duplicates"] + rejected + tally["outcomes"] + letters
    return [
        Check(
            "the producer's ledger balances",
            ledger.balances and ledger.in_flight == 0 and service["flushed"],
            f"{ledger.sampled} = {ledger.delivered} + {ledger.spooled} + {ledger.in_flight} + {dropped}",
        ),
        Check(
            "every delivered record was consumed, once",
            consumed == ledger.delivered,
            f"{tally['consumed']} calls + {told} feedback consumed, {ledger.delivered} delivered",
        ),
        Check(
            "every consumed record is accounted for",
            tally["consumed"] == accounted,
            f"{tally['consumed']} = {tally['kept']} + {tally['duplicates']} + {rejected} + {tally['outcomes']} "
            f"+ {letters}",
        ),
        Check(
            "the table holds what was kept",
            table.rows == tally["kept"] and table.rows > 0,
            f"{table.rows} rows, {tally['kept']} kept",
        ),
        Check(
            "no key is there twice",
            table.rows == table.distinct_keys,
            f"{table.rows} rows, {table.distinct_keys} keys",
        ),
        Check(
            "no e-mail address is left",
            table.rows_with_email == feedback.rows_with_email == 0,
            f"{table.rows_with_email} rows with one, {feedback.rows_with_email} of feedback",
        ),
        Check(
            "feedback is in its table, once",
            service["feedback"] == told == feedback.rows == feedback.distinct > 0,
            f"{service['feedback']} given, {feedback.rows} rows",
        ),
        Check(
            "feedback is joined to the row of its call",
            feedback.joined_itself == feedback.on_rated_rows,
            f"{feedback.joined_itself} by their request, {feedback.joined - feedback.joined_itself} on copies",
        ),
    ]
