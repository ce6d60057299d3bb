"""One thing ahead and no further, or so many at once; errors come where the thing would have."""

import threading

import pytest

from headrace_consumers.versions.files.ahead import ahead, side_by_side


def test_all_come_in_order_and_one_at_most_is_made_ahead():
    asked = []
    second = threading.Event()

    def made():
        for number in range(5):
            asked.append(number)
            if number == 1:
                second.set()
            yield number

    things = ahead(made())
    assert next(things) == 0
    assert second.wait(60)  # made while the first is used
    assert max(asked) == 1
    assert list(things) == [1, 2, 3, 4]
    assert list(ahead([])) == []
    assert list(ahead([None, False])) == [None, False]


def test_an_error_comes_in_its_place():
    def made():
        yield 1
        raise OSError("the disk")

    things = ahead(made())
    assert next(things) == 1
    with pytest.raises(OSError, match="the disk"):
        next(things)


def test_who_stops_early_leaves_no_thread():
    things = ahead(iter(range(100)))
    assert next(things) == 0
    before = threading.active_count()
    things.close()
    assert threading.active_count() == before - 1


def test_side_by_side_makes_as_many_at_once_as_it_is_told_and_keeps_their_order():
    meeting = threading.Barrier(2, timeout=60)
    begun = []

    def make(number):
        begun.append(number)
        meeting.wait()  # ends only if two are under way
        return -number

    things = side_by_side(make, range(6), at_once=2)
    assert next(things) == 0
    assert max(begun) <= 3  # two at once, and what waits to be used
    assert list(things) == [-1, -2, -3, -4, -5]
    assert list(side_by_side(make, [], at_once=2)) == []


def test_side_by_side_an_error_comes_in_its_place():
    def make(number):
        if number == 2:
            raise OSError("the disk")
        return number

    things = side_by_side(make, range(9), at_once=3)
    assert [next(things), next(things)] == [0, 1]
    with pytest.raises(OSError, match="the disk"):
        next(things)


def test_who_stops_side_by_side_early_leaves_no_thread():
    before = threading.active_count()
    things = side_by_side(str, range(100), at_once=2)
    assert next(things) == "0"
    things.close()
    assert threading.active_count() == before
