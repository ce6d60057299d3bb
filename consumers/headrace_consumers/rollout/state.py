"""What the controller knows, as one value and as a message: rollouts, their evidence, and up to where that was counted.

    state                          the newest of the key holds; evidence and positions are of one moment
    decision/<rollout id>/<n>      an entry of the audit log, kept for ever

Both are Control records on the compacted topic `kafka.topics.rollout`, with JSON in `value`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from headrace_consumers.rollout.counted import Counted
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.moves import Change, Entry
from headrace_consumers.statistics.place import Position
from headrace_schemas import Control, DecodeError, HeadraceError, control_codec
from headrace_schemas.rollouts import BASELINE, CANDIDATE

__all__ = ["STATE_KEY", "Found", "Holder", "State", "StateError", "entry_message", "found_in", "state_message"]

STATE_KEY: Final = b"state"
_DECISION: Final = "decision"
_ENDED_WITH_COUNTS: Final = 50
"""So many that ended last keep what they counted: the state is one message, which a broker takes up to 1 MB of."""
_CODEC: Final = control_codec()


class StateError(HeadraceError):
    """The rollout topic holds something that is no state of this release."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote the state.

    Attributes:
        name: unique for each time that somebody takes over.
        is_command: a command, which writes once and ends; else a controller.
        transactional_id: by which it can be fenced; empty in states of before that was noted.
    """

    name: str
    is_command: bool
    transactional_id: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """All of it; immutable.

    Attributes:
        experiments: environment/module -> its last rollout.
        positions: topic/partition -> up to where it was counted.
        holder: who wrote it; None: nobody yet.
        written_at_ms: Unix time.
    """

    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)
    holder: Holder | None = None
    written_at_ms: int = 0

    def with_experiment(self, experiment: Experiment) -> "State":
        """Return it with a rollout as it is now."""
        return replace(self, experiments={**self.experiments, experiment.name: experiment})

    def with_changes(self, changes: Iterable[Change]) -> "State":
        """Return it with rollouts as they became; of those that ended long ago only the log keeps the counts."""
        experiments = {**self.experiments, **{each.experiment.name: each.experiment for each in changes}}
        ended = [each for each in experiments.values() if each.state in {"promoted", "rolled_back"}]
        ended.sort(key=lambda each: each.changed_at_ms, reverse=True)
        shortened = {each.name: each.shortened() for each in ended[_ENDED_WITH_COUNTS:]}
        return replace(self, experiments={**experiments, **shortened})


@dataclass(slots=True)
class Found:
    """What stands in the topic.

    Attributes:
        state: the newest.
        entries: of the audit log, in their order.
    """

    state: State = field(default_factory=State)
    entries: list[Entry] = field(default_factory=list)


_STATE: Final = TypeAdapter(State)
_ENTRY: Final = TypeAdapter(Entry)
_NOTHING: Final = TypeAdapter(Counted).dump_python(Counted(), mode="json")


def state_message(state: State) -> tuple[bytes, bytes]:
    """Return the key and value of a state."""
    by = "" if state.holder is None else state.holder.name
    told = _STATE.dump_python(state, mode="json")
    for stage in (stage for experiment in told["experiments"].values() for stage in experiment["stages"]):
        for arm in (BASELINE, CANDIDATE):
            if stage[arm] == _NOTHING:
                del stage[arm]
    return STATE_KEY, _encoded("state", "", json.dumps(told, separators=(",", ":")), state.written_at_ms, by)


def entry_message(entry: Entry) -> tuple[bytes, bytes]:
    """Return the key and value of an entry."""
    name = f"{entry.rollout_id}/{entry.sequence:06d}"
    value = _encoded(_DECISION, name, _ENTRY.dump_json(entry).decode(), entry.at_ms, entry.by)
    return f"{_DECISION}/{name}".encode(), value


def found_in(messages: Iterable[Any]) -> Found:
    """Return what the messages of the topic say, from its beginning to its end.

    Args:
        messages: confluent-kafka's.

    Raises:
        StateError: one cannot be read.
    """
    found, entries = Found(), dict[bytes, Entry]()
    for message in messages:
        key, value = message.key() or b"", message.value()
        if value is None:
            continue
        try:
            text = _CODEC.decode(value)["value"]
            if key == STATE_KEY:
                found.state = _STATE.validate_json(text)
            elif key.startswith(f"{_DECISION}/".encode()):
                entries[key] = _ENTRY.validate_json(text)
        except (DecodeError, ValidationError) as error:
            reason = error.reason if isinstance(error, DecodeError) else f"{error.error_count()} members do not fit"
            raise StateError(
                f"topic {message.topic()}, offset {message.offset()}: no state of this release ({reason}); "
                "run the release that wrote it, or upgrade this one"
            ) from None
    found.entries = sorted(entries.values(), key=lambda entry: (entry.at_ms, entry.sequence))
    return found


def _encoded(kind: str, name: str, value: str, at_ms: int, by: str) -> bytes:
    record: Control = {
        "kind": f"rollout-{kind}",
        "name": name,
        "value": value,
        "updated_at_ms": at_ms,
        "updated_by": by,
    }
    return _CODEC.encode(record)
