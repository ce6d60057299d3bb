"""The verification: what is read, in which order, and what becomes of a look that fails."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from headrace.config import Config
from headrace.errors import HeadraceError
from headrace_consumers.dataset.delta.facts import Facts, read_facts
from headrace_consumers.dataset.delta.known_topics import KnownTopics
from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.store_at import store_of
from headrace_consumers.dataset.errors import SourceError, TableError
from headrace_consumers.dataset.kafka.admin import TopicAdmin
from headrace_consumers.doctor.result import Result, note, ok, wrong
from headrace_consumers.verification import judging
from headrace_consumers.verification.contents import Contents, read, repeated
from headrace_consumers.verification.seen import judge_state
from headrace_consumers.verification.snapshot import Snapshot

__all__ = ["verify"]


def verify(config: Config, *, full: bool = False, commits: int = 10_000) -> Iterator[Result]:
    """Yield the results, each as soon as it is known.

    Args:
        config: the whole configuration.
        full: read all columns of all files, payloads too.
        commits: look at so many of the newest commits.

    Raises:
        TableError: there is no table, or its log cannot be read.
    """
    yield from _torn(config)
    table = _opened(config)
    yield ok("log", f"{config.dataset.path}: version {table.version():,}")
    try:
        known = KnownTopics.of(table.metadata().configuration)
    except ValueError as error:
        yield wrong("log", f"the table's property {one_line(error)}", "bring the table back from its backup")
        known = KnownTopics()
    snapshot = Snapshot(table)
    contents = read(snapshot, full=full)
    yield from judging.judge_files(contents)
    yield from judging.judge_keys(contents, repeated(snapshot, contents))
    told = _told(table, commits)
    positions = _positions(table, known, contents, told)
    yield from judging.judge_positions(contents, known, positions)
    yield from judging.judge_commits(told, positions, known.gaps)
    if not contents.broken:  # it reads all files again
        yield from _guarded("seen-set", lambda: _seen(config, table))
    yield from _guarded("Kafka", lambda: _kafka(config, known, positions))


def _opened(config: Config) -> DeltaTable:
    path, store = config.dataset.path, store_of(config.dataset)
    try:
        return store.handle()
    except TableNotFoundError:
        raise TableError(
            f"{path}: no Delta table here yet; headrace consume dataset makes it. Check dataset.path"
        ) from None
    except (DeltaError, OSError) as error:
        to_do = "check dataset.storage_options" if store.is_remote else "see 'A torn last commit' in docs/operations.md"
        raise TableError(f"{path}: cannot open the table ({one_line(error)}); {to_do}") from error


def _torn(config: Config) -> Iterator[Result]:
    if torn := store_of(config.dataset).torn():
        yield wrong(
            "last commit",
            f"it is torn: {', '.join(torn)}",
            "start a consumer: it sets that aside and reads the records again",
        )


def _told(table: DeltaTable, commits: int) -> list[tuple[int, Facts]]:
    """Return what the newest commits tell, the oldest first."""
    entries = [(int(entry["version"]), read_facts(entry)) for entry in table.history(commits) if "version" in entry]
    return sorted((version, facts) for version, facts in entries if facts is not None)


def _positions(
    table: DeltaTable, known: KnownTopics, contents: Contents, told: Iterable[tuple[int, Facts]]
) -> dict[str, int | None]:
    places = {app_id(topic_id, partition) for _, topic_id, partition in contents.spans}
    places |= {app_id(topic.topic_id, p) for topic in known.topics.values() for p in range(topic.partitions)}
    places |= {place for _, facts in told for place in facts.moves}
    return {place: table.transaction_version(place) for place in sorted(places)}


def _seen(config: Config, table: DeltaTable) -> Iterator[Result]:
    yield from judge_state(table, store_of(config.dataset), Path(config.dataset.state_path))


def _kafka(config: Config, known: KnownTopics, positions: dict[str, int | None]) -> Iterator[Result]:
    if config.kafka.bootstrap_servers is None:
        yield note("Kafka", "not looked at: kafka.bootstrap_servers is not set", "set it to compare with the topic")
        return
    try:
        admin = TopicAdmin(config)
        source = admin.describe()
        kafka = judging.Kafka(source.topic, source.topic_id, admin.oldest(source), admin.ends(source))
    except SourceError as error:
        yield note("Kafka", f"not looked at: {error}", "run this again where the broker answers")
        return
    yield from judging.judge_kafka(kafka, known, positions)


def _guarded(name: str, look: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    try:
        yield from look()
    except HeadraceError as error:
        yield wrong(name, str(error), "")
