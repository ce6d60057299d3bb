"""What is kept, and until when."""

import threading

import pytest

from headrace_consumers.ui.cache import Cache


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_value_is_kept_while_its_version_is_the_same():
    cache, made = Cache(Clock()), []
    for version in (1, 1, 2, 2, 1):
        assert cache.get("rows", version, lambda version=version: made.append(version) or version) == version
    assert made == [1, 2, 1]


def test_what_took_long_is_kept_longer_though_the_table_goes_on():
    clock = Clock()
    cache = Cache(clock)

    def slow(value):
        clock.now += 2.0
        return value

    assert cache.get("rows", 1, lambda: slow("first")) == "first"
    clock.now += 39.0
    assert cache.get("rows", 2, lambda: slow("second")) == "first"
    clock.now += 1.5
    assert cache.get("rows", 2, lambda: slow("second")) == "second"


def test_a_failure_is_not_kept():
    cache = Cache(Clock())
    with pytest.raises(ZeroDivisionError):
        cache.get("rows", 1, lambda: 1 // 0)
    assert cache.get("rows", 1, lambda: "there now") == "there now"


def test_the_least_used_goes_first():
    cache, made = Cache(Clock(), most=2), []
    for what in ("a", "b", "a", "c", "a", "b"):
        cache.get(what, 1, lambda what=what: made.append(what))
    assert made == ["a", "b", "c", "b"]


def test_it_is_made_once_however_many_ask():
    cache, made, barrier = Cache(Clock()), [], threading.Barrier(8)

    def ask():
        barrier.wait()
        cache.get("rows", 1, lambda: made.append(1))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
