"""`headrace deadletter ls|show|replay`: what could not be read, why, and putting it back."""

import dataclasses
import datetime as dt
import re
import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.deadletter_lines import plan_lines, portrait_lines, summary_lines
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import print_json, print_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.config import Config
    from headrace.errors import HeadraceError
    from headrace_consumers.deadletters.replay import Choice, Plan, RefusedLetter
    from headrace_schemas import DeadLetter

__all__ = ["app"]

app = typer.Typer(help="Look at what could not be read, and put it back.", rich_markup_mode=None)

_SOURCE: Final = re.compile(r"(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<partition>\d{1,9})/(?P<offset>\d{1,18})")
_RANGE: Final = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]{1,249})(/(?P<partition>\d{1,9})(/(?P<first>\d{1,18})(-(?P<last>\d{1,18})?)?)?)?"
)


class Stretch(StrEnum):
    """How long the stretches of time are by which letters are counted."""

    day = "day"
    hour = "hour"


@app.command("ls", epilog="Example: headrace deadletter ls --by hour --config headrace.json")
def list_(
    *,
    by: Annotated[Stretch | None, typer.Option("--by", show_default=False, help="Count by day or hour too.")] = None,
    since: Annotated[
        dt.datetime | None, typer.Option("--since", metavar="TIME", show_default=False, help="Only later ones; UTC.")
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Count the dead letters by reason and topic, each with an example."""
    from headrace.config import load
    from headrace_consumers.deadletters.letters import LetterTopic
    from headrace_consumers.deadletters.summary import summarize

    topic = LetterTopic(load(config_path))
    since_ms = None if since is None else int(since.replace(tzinfo=dt.UTC).timestamp() * 1000)
    summary = summarize(topic.entries(), since_ms=since_ms, by=(by or Stretch.day).value)
    if as_json:
        groups = [group.as_dict() for group in summary.groups]
        print_json({"topic": topic.name, "groups": groups, "copies": summary.copies, "odd": summary.odd[0]})
        return
    print_lines(summary_lines(summary, topic.name, by_time=by is not None))


@app.command(epilog="Example: headrace deadletter show headrace.interactions.v1/3/1742")
def show(
    source: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="Where the message was.")],
    *,
    payload: Annotated[bool, typer.Option("--payload", help="Also its content, which may hold personal data.")] = False,
    most_bytes: Annotated[int, typer.Option("--bytes", min=0, help="With --payload: so many bytes as hex.")] = 512,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show the circumstances of one dead letter."""
    from pathlib import Path

    from headrace.config import load
    from headrace.errors import UsageError
    from headrace_consumers.deadletters.letters import Letter, LetterTopic
    from headrace_consumers.deadletters.portrait import portrait
    from headrace_schemas import Registry

    if not _SOURCE.fullmatch(source):
        raise UsageError(f"{source!r}: expected TOPIC/PARTITION/OFFSET, as `headrace deadletter ls` names examples")
    config = load(config_path)
    topic = LetterTopic(config)
    found = topic.find(source)
    if not any(isinstance(entry, Letter) for entry in found):
        raise UsageError(f"{source}: no dead letter of it in {topic.name}; `headrace deadletter ls` names examples")
    registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
    shown = portrait(found, registry, payload=payload, most_bytes=most_bytes)
    if as_json:
        print_json(shown)
    else:
        print_lines(portrait_lines(shown))


@app.command(epilog="Example: headrace deadletter replay --reason unknown_schema --apply")
def replay(
    where: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC[/PARTITION[/OFFSET[-OFFSET]]]]", show_default=False, help="Only from there."),
    ] = None,
    *,
    reasons: Annotated[
        list[str] | None, typer.Option("--reason", "-r", show_default=False, help="Only of this reason; repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Those too that were replayed before.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only say what would be done.")] = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back on the topic they came from, as they were. Without --apply nothing is changed.

    Ends with 1 where Kafka refuses some of them, or their topic is gone; they are listed, and stay dead letters.
    """
    from headrace.config import load
    from headrace.errors import UsageError
    from headrace_consumers.deadletters.letters import LetterTopic
    from headrace_consumers.deadletters.replay import plan
    from headrace_consumers.topics import Broker

    if not (where or reasons or everything):
        raise UsageError("deadletter replay: which? Give TOPIC[/PARTITION[/OFFSET[-OFFSET]]], --reason, or --all")
    choice = _choice(where, reasons or [], again=again)
    config = load(config_path)
    topic = LetterTopic(config)
    made = plan(topic.entries(), choice, _judge(config))
    made.leave_out_gone(Broker(config).existing())
    replayed, refused, error = _apply(config, topic, made) if apply else (0, [], None)
    if as_json:
        told = [dataclasses.asdict(letter) for letter in refused]
        print_json({**made.as_dict(), "applied": apply, "replayed": replayed, "refused": told})
    else:
        print_lines(plan_lines(made, replayed, refused, applied=apply))
    if error is not None:
        raise error
    if refused:
        raise typer.Exit(1)


def _choice(where: str | None, reasons: list[str], *, again: bool) -> "Choice":
    from headrace.errors import UsageError
    from headrace_consumers.deadletters import REASONS
    from headrace_consumers.deadletters.replay import Choice

    if unknown := [reason for reason in reasons if reason not in REASONS]:
        raise UsageError(f"--reason {unknown[0]}: no such reason; there are: {', '.join(sorted(REASONS))}")
    if where is None:
        return Choice(reasons=frozenset(reasons), again=again)
    match = _RANGE.fullmatch(where)
    if match is None:
        raise UsageError(
            f"{where!r}: expected TOPIC[/PARTITION[/OFFSET[-OFFSET]]], e.g. headrace.interactions.v1/3/10-20"
        )
    partition, first, last = match["partition"], match["first"], match["last"]
    is_open = match[6] is not None and last is None  # OFFSET- goes to the end
    return Choice(
        reasons=frozenset(reasons),
        topic=match["topic"],
        partition=None if partition is None else int(partition),
        first_offset=0 if first is None else int(first),
        last_offset=None if first is None or is_open else int(last or first),
        again=again,
    )


def _judge(config: "Config") -> "Callable[[DeadLetter], str | None]":
    """Return what tells why a letter could not be read now either."""
    from pathlib import Path

    from headrace.key_material import reading_keys
    from headrace_consumers.dataset.kafka.message import Message
    from headrace_consumers.dataset.records.decode import FastavroDecoder, Unreadable
    from headrace_schemas import Registry

    registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
    decoder = FastavroDecoder(registry, reading_keys(config))

    def why_unreadable(letter: "DeadLetter") -> str | None:
        if letter["topic"] != config.kafka.topics.interactions:
            return None  # another consumer's topic: it will say
        now_ms = time.time_ns() // 1_000_000
        message = Message(letter["partition"], letter["offset"], letter["key"], letter["value"], now_ms)
        (result,) = decoder.decode([message])
        return result.reason if isinstance(result, Unreadable) else None

    return why_unreadable


def _apply(config: "Config", topic: Any, made: "Plan") -> "tuple[int, list[RefusedLetter], HeadraceError | None]":
    """Put the letters back; return how many went, which were refused, and what ended it early."""
    from headrace.errors import HeadraceError
    from headrace_consumers.dataset.kafka.source import make_dead_letter_producer
    from headrace_consumers.deadletters.replay import Replayer

    refused = made.refused()
    if not made.letters:
        return 0, refused, None
    replayer = Replayer(make_dead_letter_producer(config), topic.name)
    ended_by: HeadraceError | None = None
    try:
        for _ in replayer.replay(topic.entries(), made.letters):
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{replayer.replayed:,} of {len(made.letters):,} replayed")
    except HeadraceError as error:
        ended_by = error
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    return replayer.replayed, [*refused, *replayer.refused], ended_by
