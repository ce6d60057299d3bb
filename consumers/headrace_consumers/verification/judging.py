"""What the contents of a version and the commits behind it tell. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from headrace_consumers.dataset.delta.facts import Facts
from headrace_consumers.dataset.delta.known_topics import Gap, KnownTopics
from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.kafka.identity import missing
from headrace_consumers.doctor.result import Result, note, ok, wrong
from headrace_consumers.verification.contents import Contents

__all__ = ["Kafka", "judge_commits", "judge_files", "judge_kafka", "judge_keys", "judge_positions"]

_NAMED: Final = 5
_RESTORE: Final = (
    "stop the consumers and bring the table back from its backup, or build it anew beside this one: "
    "another dataset.path and dataset.group_id, as far as Kafka reaches back"
)


def judge_files(contents: Contents) -> Iterator[Result]:
    """Judge whether each file can be read and is what the log says."""
    if not contents.broken:
        yield ok("files", f"all {contents.files:,} open; sizes, rows and statistics are as the log has them")
    for path, what in sorted(contents.broken.items())[:_NAMED]:
        yield wrong(f"file {path}", what, _RESTORE)
    if (more := len(contents.broken) - _NAMED) > 0:
        yield wrong("files", f"{more:,} more cannot be relied on", _RESTORE)


def judge_keys(contents: Contents, twice: Mapping[str, Sequence[str]]) -> Iterator[Result]:
    """Judge whether each key is in one row.

    Args:
        contents: what was read.
        twice: key -> where its rows come from, for keys in several rows.
    """
    if contents.odd_keys:
        yield wrong("keys", f"{contents.odd_keys:,} rows have a dedup_key that is not 64 hex digits", _RESTORE)
    if not twice and not contents.odd_keys:
        yield ok("keys", f"{contents.rows:,} rows, each with a key of its own")
    for key, places in sorted(twice.items())[:_NAMED]:
        yield wrong(
            f"key {key[:16]}...",
            f"it stands in {len(places)} rows: {', '.join(places[:_NAMED])}",
            "report it, with the log of the consumers; a cut of the dataset keeps one of them",
        )
    if (more := len(twice) - _NAMED) > 0:
        yield wrong("keys", f"{more:,} more stand in several rows", "as above")


def judge_positions(contents: Contents, known: KnownTopics, positions: Mapping[str, int | None]) -> Iterator[Result]:
    """Judge whether each partition's rows lie where the table says it has read.

    Args:
        contents: what was read.
        known: what the table remembers of its topics.
        positions: app id -> the next offset to read, for each partition of rows and topics.
    """
    begins = {
        app_id(topic.topic_id, partition): begin
        for topic in known.topics.values()
        for partition, begin in enumerate(topic.begins)
    }
    faults = 0
    for (topic, topic_id, partition), span in sorted(contents.spans.items()):
        place, check = app_id(topic_id, partition), f"offsets of {topic}/{partition}"
        position, begin = positions.get(place), begins.get(place, 0)
        if position is None or span.last >= position:
            faults += 1
            reached = "nothing" if position is None else f"offset {position - 1:,}"
            yield wrong(
                check,
                f"a row has offset {span.last:,}, but the table says it has read {reached}: a commit was torn",
                "stop the consumers, see 'A torn last commit' in docs/operations.md",
            )
        elif span.first < begin:
            faults += 1
            yield wrong(check, f"a row has offset {span.first:,}, before the beginning at {begin:,}", _RESTORE)
    if not faults:
        read = sum(position is not None for position in positions.values())
        yield ok("offsets", f"every row lies below its partition's next offset, {read} partitions")
    for gap in known.gaps:
        yield note(f"gap of {gap.topic}/{gap.partition}", _gap(gap), "it was accepted; nothing to do")


def judge_commits(
    commits: Sequence[tuple[int, Facts]], positions: Mapping[str, int | None], gaps: Sequence[Gap]
) -> Iterator[Result]:
    """Judge whether each commit goes on where the one before it ended.

    Args:
        commits: version and facts of those that told, the oldest first.
        positions: app id -> the next offset to read.
        gaps: offsets that were given up.
    """
    ends: dict[str, int] = {}
    given_up = {(app_id(gap.topic_id, gap.partition), gap.from_offset): gap.to_offset for gap in gaps}
    faults = 0
    for version, facts in commits:
        for place, (start, target) in facts.moves.items():
            before = ends.get(place)
            if before is not None and start != before and given_up.get((place, before), before) != start:
                faults += 1
                yield wrong(f"commit {version}", f"{place} goes on at {start}, and was read to {before}", _RESTORE)
            ends[place] = target
        span = sum(target - (start or 0) for start, target in facts.moves.values())
        if facts.read > span:
            faults += 1
            yield wrong(f"commit {version}", f"{facts.read:,} records of {span:,} offsets", _RESTORE)
    for place, end in sorted(ends.items()):
        if positions.get(place) != end:
            faults += 1
            yield wrong(
                f"offsets of {place}", f"the last commit read to {end}, the table says {positions.get(place)}", _RESTORE
            )
    if not commits:
        yield note("commits", "none of the log's commits tells of a batch", "nothing, for a table of an older release")
    elif not faults:
        yield ok("commits", f"the last {len(commits):,} go on where the one before ended, no offset passed over")


class Kafka:
    """The topic as Kafka has it.

    Args:
        topic: its name.
        topic_id: its id.
        oldest: partition -> the oldest offset that it holds.
        ends: partition -> the next offset that it will give.
    """

    def __init__(self, topic: str, topic_id: str, oldest: Mapping[int, int], ends: Mapping[int, int]) -> None:
        self.topic, self.topic_id, self.oldest, self.ends = topic, topic_id, oldest, ends


def judge_kafka(kafka: Kafka, known: KnownTopics, positions: Mapping[str, int | None]) -> Iterator[Result]:
    """Judge whether Kafka still holds all that the table has not read."""
    check = f"topic {kafka.topic}"
    topic = known.topics.get(kafka.topic)
    if topic is not None and topic.topic_id != kafka.topic_id:
        yield wrong(
            check,
            f"it is not the topic that the table was built from: its id is {kafka.topic_id}, and was {topic.topic_id}",
            "see 'The topic changes' in docs/operations.md",
        )
        return
    if topic is not None and topic.partitions != len(kafka.ends):
        yield wrong(
            check,
            f"it has {len(kafka.ends)} partitions, and the table was built with {topic.partitions}",
            "see 'The topic changes' in docs/operations.md",
        )
        return
    starts: dict[int, int] = {}
    for partition in kafka.ends:
        begin = topic.begins[partition] if topic is not None else 0
        position = positions.get(app_id(kafka.topic_id, partition))
        starts[partition] = begin if position is None else position
    gone = missing(starts, kafka.oldest) if topic is not None else []
    for each in gone:
        yield wrong(
            f"offsets of {kafka.topic}/{each.partition}",
            f"Kafka no longer holds {each.begin:,} to {each.end - 1:,}, which the table has not read",
            "they are lost: raise retention.ms, then `headrace consume dataset --accept-gap` goes on behind them",
        )
    cut = [p for p, end in kafka.ends.items() if end < starts[p]]
    for partition in cut:
        yield wrong(
            f"offsets of {kafka.topic}/{partition}",
            f"Kafka ends at {kafka.ends[partition]:,}, and the table has read to {starts[partition]:,}",
            "Kafka has lost the topic's end: see 'The topic changes' in docs/operations.md",
        )
    if not gone and not cut:
        lag = sum(max(0, end - max(starts[p], kafka.oldest.get(p, 0))) for p, end in kafka.ends.items())
        yield ok(check, f"Kafka holds all that the table has not read: {lag:,} offsets")


def _gap(gap: Gap) -> str:
    until = "the topic's end" if gap.to_offset is None else f"{gap.to_offset - 1:,}"
    return f"offsets {gap.from_offset:,} to {until} were given up on {gap.accepted_at[:10]}"
