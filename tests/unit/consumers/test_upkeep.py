"""Between polls: the owner of partition 0 maintains; keys are forgotten once their rows are gone, and not before."""

import datetime as dt

from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.upkeep.upkeep import Upkeep


class Maintaining:
    def __init__(self):
        self.turns = []
        self.paused = 0

    def turn(self, *, has_role, has_backlog):
        self.turns.append((has_role, has_backlog))

    def pause(self):
        self.paused += 1


class Table:
    def __init__(self, *oldest):
        self.oldest = list(oldest)

    def refresh(self):
        if self.oldest[0] == "unreadable":
            self.oldest.pop(0)
            raise TableError("unreadable")

    def position(self, _app_id):
        return None

    def oldest_date(self):
        return self.oldest.pop(0)


class Seen:
    def __init__(self, is_behind=False):
        self.forgotten = []
        self.is_behind = is_behind

    def reflects(self, erasures):
        return erasures == 0

    def forget_before(self, day):
        self.forgotten.append(day)
        return 1

    def give_up_behind(self):
        return self.is_behind


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_only_the_owner_of_partition_0_maintains():
    maintaining = Maintaining()
    upkeep = Upkeep([maintaining], Table(), Seen(), Clock())
    upkeep.turn(has_role=True)
    upkeep.turn(has_role=True, has_backlog=True)
    upkeep.turn(has_role=False)
    assert maintaining.turns == [(True, False), (True, True), (False, False)]
    upkeep.close()
    assert maintaining.paused == 1


def test_every_member_forgets_what_the_table_has_removed_now_and_then():
    clock, seen = Clock(), Seen()
    upkeep = Upkeep([], Table(dt.date(1970, 1, 11), "unreadable", None, dt.date(1970, 1, 12)), seen, clock)
    for minute in range(41):
        clock.now = minute * 60.0
        upkeep.turn(has_role=False)
    assert seen.forgotten == [10, 11]
    upkeep.close()
