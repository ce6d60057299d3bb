"""The examination: what is looked at, in which order, and what becomes of a look that fails."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from headrace.config import ENV_FILE, Config, check_latency_thresholds, load, shown
from headrace.delivery.spool import spool_root
from headrace.errors import ConfigError, HeadraceError
from headrace.key_material import producer_keys, reading_keys
from headrace.kill_switch import is_thrown
from headrace_consumers.doctor import capturing, dataset_rows, places, spooled, traffic
from headrace_consumers.doctor.result import Result, note, ok, wrong
from headrace_schemas import Registry

__all__ = ["examine"]

_NEWEST: Final = 2000
"""So many records of the interactions topic are looked at."""

_NEWEST_LETTERS: Final = 20


def examine(
    path: Path | None, *, now_ms: int, environ: Mapping[str, str] = os.environ, dspy_version: str | None
) -> Iterator[Result]:
    """Yield the results, in an order in which the first that is wrong is the one to mend first.

    Args:
        path: the configuration file, as in `headrace.config.load`.
        now_ms: this host's clock, Unix time in milliseconds.
        environ: the environment variables.
        dspy_version: of the installed DSPy, or None.
    """
    source = path or environ.get(ENV_FILE) or None
    try:
        config = load(path, environ=environ)
        check_latency_thresholds(config)
    except ConfigError as error:
        yield wrong("configuration", str(error), "`headrace config check` tells the same; run this again then")
        return
    yield ok("configuration", str(source or "no file; environment and defaults"))
    looks: list[tuple[str, Callable[[], Iterable[Result]]]] = [
        ("client options", lambda: _client_options(config)),
        ("capture", lambda: [capturing.judge_capture(config.telemetry, is_killed=is_thrown(environ))]),
        ("DSPy", lambda: [capturing.judge_dspy(dspy_version, supported_dspy())]),
        ("keys", lambda: _keys(config, environ)),
        ("schemas", lambda: _schemas(config)),
        ("disk", lambda: _disk(config)),
        ("permissions", lambda: _permissions(config, Path(source) if source else None)),
    ]
    if config.kafka.bootstrap_servers is None:
        looks.append(("log", lambda: _log(config, now_ms)))
    else:
        looks += [("spool", lambda: _spool(config, now_ms)), ("broker", lambda: _broker(config, now_ms))]
    looks.append(("dataset", lambda: _dataset(config)))
    for name, look in looks:
        yield from _guarded(name, look)


def supported_dspy() -> str:
    """Return the DSPy versions that this release is made for, as its own metadata names them."""
    for requirement in metadata.requires("headrace") or ():
        name, _, condition = requirement.partition(";")
        if name.startswith("dspy") and "dspy" in condition:
            return name.removeprefix("dspy").strip()
    return ""


def _guarded(name: str, look: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    try:
        yield from look()
    except HeadraceError as error:
        yield wrong(name, str(error), "")
    except Exception as error:
        yield wrong(name, f"the check itself failed ({type(error).__name__}: {error})", "mend that, run this again")


def _client_options(config: Config) -> Iterator[Result]:
    from headrace_consumers.cli.client_options import check_client_options

    for remark in check_client_options(config.kafka):
        yield note("client options", remark, "see librdkafka's CONFIGURATION.md")


def _keys(config: Config, environ: Mapping[str, str]) -> Iterator[Result]:
    """A host may be a producer's, with one key to write, or a consumer's, with all keys to read: both are looked at."""
    looks: list[tuple[str, Callable[[], object]]] = []
    if config.redaction.pseudonym_key is not None or config.encryption.write_key is not None:
        looks.append(("keys of a producer", lambda: producer_keys(config, environ)))
    if config.encryption.keys:
        looks.append(("keys of a consumer", lambda: reading_keys(config, environ)))
    for name, look in looks:
        try:
            look()
        except ConfigError as error:
            yield wrong(name, str(error), "give it to this host, unless only the other side runs here")
        else:
            yield ok(name, "all there")


def _schemas(config: Config) -> Iterator[Result]:
    Registry([Path(config.schemas.path)] if config.schemas.path else [])
    yield ok("schemas", "those of this release" + (f" and of {config.schemas.path}" if config.schemas.path else ""))


def _disk(config: Config) -> Iterator[Result]:
    for place in places.places(config):
        yield from places.judge_place(place, places.look(place.folder))


def _spool(config: Config, now_ms: int) -> Iterator[Result]:
    folder = spool_root(config)
    yield from spooled.judge_spool(folder, spooled.look(folder), config.spool.max_total_mb, now_ms)


def _permissions(config: Config, source: Path | None) -> Iterator[Result]:
    log = Path(config.telemetry.log_file_path)
    files = [(file, file.stat().st_mode) for file in sorted(log.parent.glob(f"{log.stem}*.jsonl*")) if file.is_file()]
    yield from places.judge_modes("the log", files)
    if source is not None:
        has_secrets = shown(config) != config.model_dump(mode="json")
        yield from places.judge_secrets(source, source.stat().st_mode, has_secrets=has_secrets)


def _log(config: Config, now_ms: int) -> Iterator[Result]:
    from headrace_consumers.doctor.log_tail import read_log

    yield note(
        "broker",
        "kafka.bootstrap_servers is not set: records go to the log, and no dataset is made of them",
        "set it where a dataset is wanted",
    )
    yield from traffic.judged(read_log(Path(config.telemetry.log_file_path)), config.filters, now_ms)


def _broker(config: Config, now_ms: int) -> Iterator[Result]:
    from headrace_consumers import topics
    from headrace_consumers.doctor.topic_tail import read_newest, sample_of

    broker = topics.Broker(config)
    specs = topics.wanted(config)
    existing = broker.existing()
    yield ok("broker", f"answers at {broker.bootstrap_servers}")
    states = broker.describe([spec.name for spec in specs])
    findings = topics.compare(config, specs, states, broker.bootstrap_servers, broker.brokers())
    for spec in specs:
        found = [finding for finding in findings if finding.topic == spec.name]
        for finding in found:
            yield Result(f"topic {spec.name}", "wrong" if finding.problem else "note", finding.what, finding.mend)
        if not found:
            yield ok(f"topic {spec.name}", "as it should be")
    names = config.kafka.topics
    if names.control in existing:
        yield from _orders(config)
    if names.interactions in existing:
        registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
        sample = sample_of(names.interactions, read_newest(config, names.interactions, _NEWEST), registry)
        yield from traffic.judged(sample, config.filters, now_ms)
    if names.dead_letters in existing:
        yield from _dead_letters(config)


def _orders(config: Config) -> Iterator[Result]:
    from headrace_consumers.control import ControlTopic

    found = ControlTopic(config).read()
    yield from capturing.judge_orders(
        found.orders.overrides(config.telemetry.environment, config.telemetry.service or "")
    )
    for offset, reason in found.ignored.values():
        yield wrong("orders", f"the order at offset {offset} is ignored by producers: {reason}", "write it anew")


def _dead_letters(config: Config) -> Iterator[Result]:
    from headrace_consumers.doctor.topic_tail import read_newest
    from headrace_schemas import DecodeError, dead_letter_codec

    name = config.kafka.topics.dead_letters
    newest = read_newest(config, name, _NEWEST_LETTERS)
    reasons = set()
    for message in newest.messages:
        if message.value is None:  # the mark of one that was replayed
            continue
        try:
            reasons.add(dead_letter_codec().decode(message.value or b"")["reason"])
        except DecodeError as error:
            reasons.add(error.reason)
    if newest.total:
        yield note(
            "dead letters",
            f"{newest.total:,} in {name}, the newest for {', '.join(sorted(reasons))}",
            "headrace deadletter ls tells what each reason means",
        )
    else:
        yield ok("dead letters", "none")


def _dataset(config: Config) -> Iterator[Result]:
    from headrace_consumers.cli.reading import signatures
    from headrace_consumers.cli.table_access import TableReadError

    try:
        rows = signatures(config.dataset)
    except TableReadError as error:
        if Path(config.dataset.path).exists() or "://" in config.dataset.path:
            raise
        yield note("dataset", f"{config.dataset.path}: no table yet", "`headrace consume dataset` makes it")
        del error
        return
    if not rows:
        yield note("dataset", f"{config.dataset.path}: no rows yet", "does `headrace consume dataset` run?")
    yield from dataset_rows.judge_rows(rows, config.optimization.telemetry_target, config.telemetry.sampling_rate_pct)
