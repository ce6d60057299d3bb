"""Records to Kafka: all acknowledged, or one line."""

import pytest

from headrace_consumers.history.bad_lines import BadLines
from headrace_consumers.history.importing import ImportFailedError, publish, readable
from headrace_consumers.history.shapes import BadLineError
from tests.support.interactions import interaction
from tests.unit.history.lines_of_logs import as_line


class Broker:
    """Acknowledges at `poll`; has room for `room` records; refuses from number `refuses_from` on."""

    def __init__(self, room=2, refuses_from=10**9):
        self.room, self.refuses_from = room, refuses_from
        self.waiting, self.taken = [], 0

    def send(self, _outgoing, done):
        if len(self.waiting) >= self.room:
            return False
        self.waiting.append(done)
        self.taken += 1
        return True

    def poll(self, timeout_s):
        if timeout_s:  # patient callers get acknowledgements
            for done in self.waiting:
                done(None if self.taken <= self.refuses_from else "kafka:_MSG_TIMED_OUT")
            self.waiting.clear()

    def close(self, timeout_s):
        self.poll(timeout_s)


RECORDS = [interaction(n) for n in range(7)]


def test_all_are_acknowledged():
    assert publish(RECORDS, Broker(), clock=lambda: 0.0) == 7


def test_a_refusal_ends_it_and_says_that_it_can_be_run_again():
    with pytest.raises(ImportFailedError, match=r"_MSG_TIMED_OUT.*; 4 are there.*run it again"):
        publish(RECORDS, Broker(refuses_from=4), clock=lambda: 0.0)


def test_a_broker_that_makes_no_room_ends_it():
    broker = Broker(room=0)
    times = iter(range(0, 1000, 30))
    with pytest.raises(ImportFailedError, match="no room"):
        publish(RECORDS, broker, clock=lambda: next(times))


def test_bad_lines_go_aside_and_the_others_go_on(tmp_path):
    class Records:
        def record(self, line):
            if line.number == 2:
                raise BadLineError("not_json", "the line is no JSON")
            return RECORDS[line.number]

    aside = BadLines(tmp_path / "bad.jsonl")
    found = list(readable([as_line(b"{}", number) for number in (1, 2, 3)], Records(), aside))
    aside.close()
    assert [record for _, record in found] == [RECORDS[1], RECORDS[3]]
    assert aside.reasons == {"not_json": 1}
    assert aside.path.stat().st_mode & 0o777 == 0o600
    assert aside.path.read_text() == (
        '{"file": "old.jsonl", "line": 2, "reason": "not_json", "detail": "the line is no JSON", "text": "{}"}\n'
    )
