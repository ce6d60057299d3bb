"""The controller's loop: one thread that takes over, reads evidence, looks at it, and writes what follows.

take over -> state -> read on from there -> look -> write state, log and orders in one transaction -> look ...
superseded        -> stand by, until the other one has written nothing for a while, or was a command
in doubt, trouble -> take over again: what was written is in the state, what was not is read again
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from headrace_consumers.rollout.decision import decide
from headrace_consumers.rollout.desk import Desk, DeskError, Superseded
from headrace_consumers.rollout.evidence_reader import EvidenceReader
from headrace_consumers.rollout.moves import Change, decided
from headrace_consumers.rollout.standing import Standing
from headrace_consumers.rollout.state import Holder, State
from headrace_consumers.topics import TopicError

__all__ = ["Clocks", "Loop", "changes_of"]

_BEATS: Final = 6
"""So often at least the state is written, in the time after which somebody stands in, where nothing else is to be."""
_POLL_S: Final = 0.2
_RETRY_S: Final = 2.0
_STANDING_BY_S: Final = (1.0, 10.0)
"""So often is looked whether it is one's turn, s: at first, when a command may be at it, and at most later."""
_PARTITIONS_S: Final = 60.0

log = structlog.get_logger("headrace.rollout")


@dataclass(frozen=True, slots=True)
class Clocks:
    """The time.

    Attributes:
        monotonic: seconds.
        now_ms: Unix time.
        wait: waits for so many seconds, or until the loop is to stop.
    """

    monotonic: Callable[[], float]
    now_ms: Callable[[], int]
    wait: Callable[[float], object]


@dataclass(slots=True)
class _Told:
    """What the process counts of itself."""

    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    written_at_ms: int | None = None
    last_error: str | None = None


class Loop:
    """Decides until it is stopped.

    Args:
        desk: where decisions are written.
        reader: reads the evidence.
        clocks: the time.
        look_s: how often the figures are looked at.
        stand_in_after_s: how long another one may write nothing before this one takes over.
        look_at_state: reads the state and takes nothing over.
        on_standing: told how the loop stands, after each turn.
        counts: topic -> records read, and topic and reason -> records unreadable.
        kafka_silent_s: how long ago a broker last answered.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        reader: EvidenceReader,
        clocks: Clocks,
        look_s: float,
        stand_in_after_s: float,
        look_at_state: Callable[[], State],
        on_standing: Callable[[Standing], None],
        counts: Callable[[], tuple[dict[str, int], dict[tuple[str, str], int]]],
        kafka_silent_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._desk = desk
        self._reader = reader
        self._clocks = clocks
        self._look_s = look_s
        self._stand_in_after_s = stand_in_after_s
        self._look_at_state = look_at_state
        self._on_standing = on_standing
        self._counts = counts
        self._kafka_silent_s = kafka_silent_s
        self._told = _Told()
        self._before: Holder | None = None
        self._was_let_in = False

    def run(self, stop: threading.Event) -> None:
        """Decide until `stop` is set.

        Raises:
            DeskError: a right or a topic is missing; nothing is lost by it.
            TopicError: Kafka does not let this client in, at the start; one that was in goes on asking.
            HeadraceError: the topic holds something else than a state of this release.
        """
        while not stop.is_set():
            try:
                self._act(stop)
            except Superseded as news:
                log.info("stands by", reason=str(news))
                self._stand_by(stop)
            except (DeskError, TopicError) as error:
                if self._is_the_end(error):
                    raise
                self._told.last_error = str(error)
                log.warning("takes over again", reason=str(error))
                self._tell(State(), is_acting=False)
                self._clocks.wait(_RETRY_S)

    def _is_the_end(self, error: DeskError | TopicError) -> bool:
        if isinstance(error, TopicError):
            return error.is_not_let_in and not self._was_let_in
        return error.is_final

    def _act(self, stop: threading.Event) -> None:
        state = self._desk.take_over()
        self._was_let_in = True
        self._before = state.holder
        state = self._reader.begin(state)
        log.info("decides", rollouts=sorted(state.experiments), holder=self._desk.holder.name)
        now = self._clocks.monotonic()
        look_at, write_at, partitions_at = now, now, now + _PARTITIONS_S
        while not stop.is_set():
            state = self._reader.take(state, min(_POLL_S, self._look_s))
            now = self._clocks.monotonic()
            if now >= look_at and self._reader.has_caught_up:
                look_at = now + self._look_s
                state, changes = changes_of(state, self._clocks.now_ms())
                if changes or now >= write_at:
                    state = self._write(state, changes)
                    write_at = now + self._stand_in_after_s / _BEATS
            elif now >= write_at:
                state = self._write(state, [])
                write_at = now + self._stand_in_after_s / _BEATS
            if now >= partitions_at:
                partitions_at = now + _PARTITIONS_S
                if self._reader.counted_partitions() != self._reader.partitions:
                    raise DeskError("a topic has more partitions now")
            self._tell(state, is_acting=True)
        self._write(state, [])  # what was read need not be read again

    def _write(self, state: State, changes: list[Change]) -> State:
        written = self._desk.write(
            state,
            self._clocks.now_ms(),
            [each.entry for each in changes],
            [each.order for each in changes],
        )
        self._told.written_at_ms = written.written_at_ms
        for each in changes:
            entry = each.entry
            self._told.decisions[entry.what, entry.guard] += 1
            log.info(
                entry.what,
                rollout=entry.rollout_id,
                environment=entry.environment,
                module=entry.module,
                state=entry.state,
                share=entry.share,
                reason=entry.reason,
                numbers=dict(entry.numbers),
            )
        return written

    def _stand_by(self, stop: threading.Event) -> None:
        """Return when it is this one's turn."""
        seen: tuple[Holder | None, int] = (None, 0)
        since = self._clocks.monotonic()
        pause_s, most_s = _STANDING_BY_S
        most_s = min(most_s, self._stand_in_after_s / _BEATS)  # each look reads the whole topic
        while not stop.is_set():
            try:
                state = self._look_at_state()
            except TopicError as error:
                self._told.last_error = str(error)
                state = State()
            now = self._clocks.monotonic()
            mark = (state.holder, state.written_at_ms)
            if mark != seen:
                seen, since = mark, now
            if state.holder is not None and state.holder.is_command and state.holder != self._before:
                return  # it has written; one that this one took over from is not the one that came after it
            if now - since >= self._stand_in_after_s:
                log.warning("the other controller has written nothing", for_s=round(now - since))
                return
            self._tell(state, is_acting=False, is_standing_by=True)
            self._clocks.wait(min(pause_s, most_s))
            pause_s *= 2

    def _tell(self, state: State, *, is_acting: bool, is_standing_by: bool = False) -> None:
        read, unreadable = self._counts()
        lags = {}
        if is_acting:
            places = [
                (topic, partition) for topic, count in self._reader.partitions.items() for partition in range(count)
            ]
            lags = {place: self._reader.lag(state, place, self._clocks.now_ms()) for place in places}
        self._on_standing(
            Standing(
                turned_at=self._clocks.monotonic(),
                is_acting=is_acting,
                is_standing_by=is_standing_by,
                has_caught_up=is_acting and self._reader.has_caught_up,
                state=state,
                lags=lags,
                read=read,
                unreadable=unreadable,
                decisions=dict(self._told.decisions),
                written_at_ms=self._told.written_at_ms,
                last_error=self._told.last_error or self._reader.last_error,
                kafka_silent_s=self._kafka_silent_s(),
            )
        )


def changes_of(state: State, now_ms: int) -> tuple[State, list[Change]]:
    """Return the state after a look at all rollouts, and what follows from it. Pure.

    Args:
        state: with all that was read.
        now_ms: Unix time.
    """
    changes = []
    for experiment in state.experiments.values():
        if not experiment.is_comparing:
            continue
        bounded = experiment.bounded()
        decision = decide(bounded.plan, bounded.seen(now_ms))
        change = decided(bounded, decision, now_ms)
        if change is None:
            is_running = bounded.state == "running"
            state = state.with_experiment(replace(bounded, reason=decision.reason) if is_running else bounded)
        else:
            changes.append(change)
    return state.with_changes(changes), changes
