"""What the newest records tell: are they readable, dated rightly, too much alike, good enough to be examples? Pure.

The document's "Low telemetry example count" and "Deduplication removes too many examples".
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.config import Filters
from headrace_consumers.dataset.judging.advice import REPEATED, what_to_do
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.records.decode import Decoded
from headrace_consumers.deadletters import REASONS
from headrace_consumers.doctor.result import Result, note, ok, wrong

__all__ = ["Sample", "judge_clocks", "judge_duplicates", "judge_examples", "judge_freshness", "judge_readable"]

_ENOUGH: Final = 20
"""Shares of fewer records say little."""

_MOST: Final = 0.5
_DAY_MS: Final = 86_400_000
_CLOCK_MS: Final = 60_000
_HOST_CLOCK_MS: Final = 5_000


@dataclass(slots=True)
class Sample:
    """The newest records of the topic or log.

    Attributes:
        source: the topic or file.
        readable: the records.
        append_times_ms: the broker's time of each, Unix time in milliseconds; of a file, none.
        unreadable: reason -> how many.
        total: how many records there are in all, where that is known.
    """

    source: str
    readable: list[Decoded] = field(default_factory=list)
    append_times_ms: list[int] = field(default_factory=list)
    unreadable: Counter[str] = field(default_factory=Counter)
    total: int | None = None


def judge_readable(sample: Sample) -> Iterator[Result]:
    """Judge whether all of the sample can be decoded."""
    looked_at = len(sample.readable) + sample.unreadable.total()
    if not looked_at:
        return
    if not sample.unreadable:
        yield ok(f"records of {sample.source}", f"the newest {looked_at:,} are readable")
    for reason, number in sample.unreadable.most_common():
        yield wrong(
            f"records of {sample.source}",
            f"{number:,} of the newest {looked_at:,} are unreadable: {reason}",
            REASONS.get(reason, "find who writes there: another program, a proxy, or a torn line"),
        )


def judge_freshness(sample: Sample, now_ms: int) -> Result:
    """Judge when the newest record came."""
    check = f"traffic of {sample.source}"
    newest_ms = max(
        sample.append_times_ms or [decoded.record["timestamp_ms"] for decoded in sample.readable], default=None
    )
    if newest_ms is None:
        return note(
            check,
            "no records yet",
            "is the service running with this configuration, and are its modules instrumented? headrace.stats() there "
            "tells what became of each call",
        )
    age = _age(now_ms - newest_ms)
    held = f"; {sample.total:,} in all" if sample.total is not None else ""
    if now_ms - newest_ms > _DAY_MS:
        return note(check, f"the newest record is {age} old{held}", "does the service still run and answer?")
    return ok(check, f"the newest record is {age} old{held}")


def judge_clocks(sample: Sample, now_ms: int) -> Iterator[Result]:
    """Judge this host's clock and the producers' against the broker's."""
    if not sample.append_times_ms:
        return
    behind_ms = max(sample.append_times_ms) - now_ms
    if behind_ms > _HOST_CLOCK_MS:
        yield wrong(
            "clock of this host",
            f"at least {behind_ms / 1000:.0f} s behind the broker's",
            "synchronise it, e.g. by chrony",
        )
    ahead: defaultdict[str, int] = defaultdict(int)
    for decoded, append_time_ms in zip(sample.readable, sample.append_times_ms, strict=True):
        host = decoded.record["instance"].rsplit("-", 2)[0]
        ahead[host] = max(ahead[host], decoded.record["timestamp_ms"] - append_time_ms)
    fast = {host: ms for host, ms in ahead.items() if ms > _CLOCK_MS}
    for host, ms in sorted(fast.items()):
        yield wrong(
            f"clock of {host or 'a producer'}",
            f"{ms / 1000:.0f} s ahead of the broker's",
            "synchronise it, e.g. by chrony",
        )
    if not fast and behind_ms <= _HOST_CLOCK_MS:
        yield ok("clocks", f"none of {len(ahead)} producing hosts is ahead of the broker's, nor this one behind")


def judge_duplicates(sample: Sample) -> Iterator[Result]:
    """Judge, by signature, how many of the newest records repeat the inputs of another."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for decoded in sample.readable:
        keys[decoded.record["signature"]].append(decoded.record["dedup_key"])
    for signature, found in sorted(keys.items()):
        repeated = 1 - len(set(found)) / len(found)
        check = f"duplicates of {signature}"
        if len(found) < _ENOUGH:
            continue
        if repeated > _MOST:
            yield note(
                check,
                f"{repeated:.0%} of the newest {len(found):,} records repeat the inputs of another",
                REPEATED.format(signature=signature),
            )
        else:
            yield ok(check, f"{repeated:.0%} of the newest {len(found):,} records")


def judge_examples(sample: Sample, filters: Filters) -> Iterator[Result]:
    """Judge, by signature, how many of the newest records pass the thresholds."""
    judge = Filter(filters).judge
    verdicts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for decoded in sample.readable:
        if decoded.record["capture_level"] == "full":
            reason = judge(decoded.record, decoded.output).reason
            verdicts[decoded.record["signature"]][reason or ""] += 1
    for signature, reasons in sorted(verdicts.items()):
        number = reasons.total()
        rejected = (number - reasons[""]) / number
        check = f"examples of {signature}"
        if number < _ENOUGH:
            continue
        if rejected > _MOST:
            del reasons[""]
            reason, most = reasons.most_common(1)[0]
            yield note(
                check,
                f"{rejected:.0%} of the newest {number:,} records are rejected, {most:,} for {reason}",
                what_to_do(reason, signature),
            )
        else:
            yield ok(check, f"{1 - rejected:.0%} of the newest {number:,} records pass the filter")


def judged(sample: Sample, filters: Filters, now_ms: int) -> Sequence[Result]:
    """Return all that a sample tells."""
    return [
        judge_freshness(sample, now_ms),
        *judge_readable(sample),
        *judge_clocks(sample, now_ms),
        *judge_duplicates(sample),
        *judge_examples(sample, filters),
    ]


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds // 1000)
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
