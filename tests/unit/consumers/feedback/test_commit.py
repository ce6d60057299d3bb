"""Feedback to its table: each message once, what cannot be read set aside, a failure at any step loses nothing."""

import polars as pl
import pytest

from headrace.config import load
from headrace_consumers.dataset.delta.facts import read_facts
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import CircuitOpenError, Fenced
from headrace_consumers.dataset.feedback.commit import FeedbackCommitter
from headrace_consumers.dataset.feedback.decode import FeedbackDecoder
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.judging.breaker import Breaker
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.steps import Step, no_hook
from headrace_consumers.deadletters import DeadLetterError
from tests.support.interactions import MemoryDeadLetters
from tests.unit.consumers.feedback.records import feedback, message_of

SOURCE = Source("feedback", "id", 1, "feedback")
STEPS = (Step.DEAD_LETTERS, Step.FILES, Step.COMMIT, Step.OFFSETS)
BATCH = [
    message_of(feedback(feedback_id="f-1"), 3),
    message_of(b"rubbish", 4),
    message_of(feedback(feedback_id="f-2", request_id="r-2", comment=None, score=None), 7),
]


class Ground:
    def __init__(self, folder, hook=no_hook, limits=None):
        self.table = InteractionTable(folder / "t-feedback", FEEDBACK, sleep=lambda _: None)
        self.dead_letters = MemoryDeadLetters()
        self.reported = []
        self.points = []
        self.breaker = Breaker(limits or load(None, {}, {}).dataset.dead_letter_limits)
        landing = Landing(
            source=SOURCE,
            table=self.table,
            dead_letters=self.dead_letters,
            report_offsets=self.reported.append,
            breaker=self.breaker,
            hook=lambda point: (self.points.append(point), hook(point)),
        )
        self.commit = FeedbackCommitter(landing, SOURCE, FeedbackDecoder()).commit

    def ids(self):
        frame = pl.scan_delta(str(self.table.path)).sort("offset").collect()
        return frame.select("offset", "feedback_id").rows()


@pytest.fixture
def ground(tmp_path):
    return Ground(tmp_path)


def test_the_steps_come_in_their_order_and_the_counts_balance(ground):
    tally = ground.commit(BATCH, {0: None})
    assert ground.points == [f"{edge}:{step}" for step in STEPS for edge in ("before", "after")]
    assert (tally.consumed, tally.kept, tally.dead_letters, tally.commits) == (3, 2, {"not_single_object": 1}, 1)
    assert tally.balances
    assert ground.ids() == [(3, "f-1"), (7, "f-2")]
    assert (ground.table.position("id/0"), ground.reported) == (8, [{0: 8}])


def test_what_is_unreadable_is_a_dead_letter_of_this_topic(ground):
    ground.commit(BATCH, {0: None})
    (letter,) = ground.dead_letters.letters
    assert (letter["topic"], letter["offset"], letter["value"]) == ("feedback", 4, b"rubbish")


def test_a_batch_of_nothing_but_dead_letters_moves_on(ground):
    assert ground.commit([BATCH[1]], {0: None}).kept == 0
    assert ground.table.position("id/0") == 5


def test_a_time_of_which_no_row_can_be_made_is_a_dead_letter(ground):
    record = message_of(feedback(), 0)
    late = Message(0, 0, record.key, record.value, 2**60)
    assert ground.commit([late], {0: None}).dead_letters == {"unwritable": 1}


def test_of_an_erased_person_nothing_is_kept_also_when_the_erasure_comes_in_between(ground, monkeypatch):
    ground.table.properties.suppress(["subject-1"], ["r-2"], "2026-03-01")
    of_subject = message_of(feedback(feedback_id="f-3", request_id="r-3", subject_id="subject-1"), 8)
    tally = ground.commit([*BATCH, of_subject], {0: None})
    assert (tally.kept, tally.rejected, tally.balances) == (1, {"suppressed": 2}, True)
    assert ground.ids() == [(3, "f-1")]

    write, other = ground.table.commit, InteractionTable(ground.table.path, FEEDBACK)

    def late(*arguments, **options):
        monkeypatch.setattr(ground.table, "commit", write)
        other.properties.suppress([], ["r-4"], "2026-03-02")
        return write(*arguments, **options)

    monkeypatch.setattr(ground.table, "commit", late)
    tally = ground.commit([message_of(feedback(feedback_id="f-4", request_id="r-4"), 9)], {0: 9})
    assert (tally.kept, tally.rejected) == (0, {"suppressed": 1})
    assert ground.ids() == [(3, "f-1")]


def test_another_consumer_is_noticed(ground):
    ground.commit(BATCH, {0: None})
    with pytest.raises(Fenced):
        ground.commit([message_of(feedback(), 9)], {0: 3})
    assert len(ground.ids()) == 2


def test_without_acknowledged_dead_letters_nothing_is_committed(ground):
    ground.dead_letters.error = DeadLetterError("no")
    with pytest.raises(DeadLetterError):
        ground.commit(BATCH, {0: None})
    assert ground.table.position("id/0") is None


def test_nearly_all_unreadable_stops_it_and_what_was_read_before_a_restart_counts_as_readable(tmp_path):
    limits = load(None, {"dataset": {"dead_letter_limits": {"max_run_records": 3}}}, {}).dataset.dead_letter_limits
    ground = Ground(tmp_path, limits=limits)
    ground.commit(BATCH, {0: None})
    again = Ground(tmp_path, limits=limits)
    again.breaker.recall(filter(None, map(read_facts, reversed(again.table.history(10)))))
    rubbish = [message_of(b"rubbish", offset) for offset in range(8, 11)]
    again.commit(rubbish[:2], {0: 8})
    with pytest.raises(CircuitOpenError, match="not_single_object"):
        again.commit(rubbish[2:], {0: 10})
    assert again.table.position("id/0") == 10


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("edge", ["before", "after"])
def test_interrupted_anywhere_and_started_again_the_table_is_the_same(tmp_path, edge, step):
    class Interrupted(BaseException):
        pass

    def interrupt(point):
        if point == f"{edge}:{step}":
            raise Interrupted

    with pytest.raises(Interrupted):
        Ground(tmp_path, interrupt).commit(BATCH, {0: None})
    second = Ground(tmp_path)
    position = second.table.position("id/0")
    if left := [message for message in BATCH if message.offset >= (position or 0)]:
        second.commit(left, {0: position})
    assert second.ids() == [(3, "f-1"), (7, "f-2")]
