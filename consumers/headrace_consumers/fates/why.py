"""Gathering what became of a signature's records: calls, the topic's newest messages, the table, its commits."""

import difflib
from collections import Counter
from collections.abc import Callable

import pyarrow as pa
from deltalake import DeltaTable

from headrace.config import Config
from headrace.errors import ConfigError, UsageError
from headrace_consumers.cli.table_access import TableReadError
from headrace_consumers.dataset.delta.facts import read_facts
from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.errors import SourceError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.suppression import Suppression
from headrace_consumers.dataset.kafka.admin import TopicAdmin
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.decode import Decoded, Unreadable
from headrace_consumers.fates.calls import calls_of
from headrace_consumers.fates.fate import Outcome, Reading, fate_of, reading_of
from headrace_consumers.fates.loss import Committed, Loss, Repeated
from headrace_consumers.fates.repeated import INPUT_CHARACTERS, MOST_REPEATED, most_repeated
from headrace_consumers.fates.rows import rows_of_keys
from headrace_consumers.fates.table_at_hand import TableAtHand
from headrace_consumers.fates.tail import Tail
from headrace_consumers.topics import TopicError

__all__ = ["why"]


def why(config: Config, signature: str, *, last: int, commits: int) -> Loss:
    """Return where the records of a signature were lost.

    Args:
        config: the whole configuration.
        signature: as records name it.
        last: look at so many of the newest messages of the topic.
        commits: look at so many of the table's newest commits.

    Raises:
        UsageError: nothing was found of the signature.
        TableError: the table cannot be read.
        HeadraceError: the configuration cannot be used.
    """
    table = TableAtHand(config)
    known = table.signatures()
    loss = Loss(signature, rows=known[signature], committed=committed_of(table.table, signature, commits))
    for look in (
        lambda: _look_at_calls(config, loss),
        lambda: _look_at_tail(config, loss, table, last, known),
        lambda: _look_at_sightings(config, loss),
    ):
        _unless_away(loss, look)
    if loss.is_unknown:
        near = difflib.get_close_matches(signature, known, n=1, cutoff=0.5)
        there = ", ".join(name for name, _ in known.most_common(20)) or "none at all"
        raise UsageError(
            f"--signature {signature}: no record of it in the table, its commits or the newest {last:,} messages; "
            + (f"did you mean {near[0]}?" if near else f"there are: {there}")
        )
    return loss


def committed_of(table: DeltaTable | None, signature: str, commits: int) -> Committed:
    """Return what the newest commits tell of a signature."""
    found = Committed()
    for entry in table.history(commits) if table is not None else ():
        facts = read_facts(entry)
        if facts is None:
            continue
        found.commits += 1
        timestamp_ms = int(entry.get("timestamp", 0))
        found.since_ms = timestamp_ms if found.since_ms is None else min(found.since_ms, timestamp_ms)
        if (own := facts.signatures.get(signature)) is not None:
            found.kept += own.kept
            found.outcomes += own.outcomes
            found.rejected.update(own.rejected)
    return found


def _look_at_calls(config: Config, loss: Loss) -> None:
    loss.calls = calls_of(config, loss.signature)


def _look_at_tail(config: Config, loss: Loss, table: TableAtHand, last: int, known: Counter[str]) -> None:
    filter_, suppression = Filter(config.filters), table.suppression
    tail = Tail(config, last)
    readings: list[Reading] = []
    inputs: dict[str, str] = {}
    loss.looked_at = 0
    for message, decoded in tail:
        loss.looked_at += 1
        reading = _reading(message, decoded, filter_, suppression, loss.signature)
        if reading.signature:
            known[reading.signature] += 1
        if reading.signature == loss.signature or reading.unreadable is not None:
            readings.append(reading)
        if isinstance(decoded, Decoded) and reading.signature == loss.signature:
            inputs.setdefault(reading.key, decoded.record["input"][:INPUT_CHARACTERS])
    rows = {} if table.snapshot is None else rows_of_keys(table.snapshot, {reading.key for reading in readings})
    topic_id = TopicAdmin(config).describe().topic_id
    times: Counter[str] = Counter()
    for reading in readings:
        fate = fate_of(reading, rows.get(reading.key), topic_id, table.position(app_id(topic_id, reading.partition)))
        signature = reading.signature or (fate.row.signature if fate.row is not None else "")
        if fate.outcome is Outcome.unreadable:
            loss.unreadable[fate.reason or ""] += 1
        elif signature == loss.signature:
            loss.add(fate)
            times[reading.key] += 1
    most = [(key, count) for key, count in times.most_common(MOST_REPEATED) if count > 1]
    loss.repeated = [Repeated(key, count, inputs.get(key, "")) for key, count in most]


def _look_at_sightings(config: Config, loss: Loss) -> None:
    found = most_repeated(config, loss.signature)
    if found is not None:
        loss.repeated, loss.repeated_in = found, "sightings"


def _reading(
    message: Message, decoded: Decoded | Unreadable, filter_: Filter, suppression: Suppression, signature: str
) -> Reading:
    """Return the reading; records of other signatures are not judged, for that may be somebody's own code."""
    if isinstance(decoded, Decoded) and decoded.record["signature"] != signature:
        place = (message.partition, message.offset, message.append_time_ms)
        return Reading(*place, decoded.record["dedup_key"], None, decoded.record["signature"])
    return reading_of(message, decoded, filter_, suppression)


def _unless_away(loss: Loss, look: Callable[[], None]) -> None:
    try:
        look()
    except (TopicError, SourceError, ConfigError, TableReadError) as error:
        if str(error) not in loss.notes:
            loss.notes.append(str(error))
    except (pa.ArrowException, OSError) as error:
        loss.notes.append(
            f"the table cannot be read ({type(error).__name__}); headrace dataset verify tells what is wrong"
        )
