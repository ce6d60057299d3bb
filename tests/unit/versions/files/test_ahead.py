"""One thing ahead and no further; errors come where the thing would have."""

import threading

import pytest

from headrace_consumers.versions.files.ahead import ahead


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
