"""Rounds go on whatever one of them meets, and only where it is this process's turn."""

import threading
from collections.abc import Callable

from headrace.control import SamplingScope
from headrace_consumers.balancing.adapting import keep_adapting
from headrace_consumers.balancing.planning import Planned
from headrace_schemas import HeadraceError

_ROW = Planned(
    scope=SamplingScope("production", "*", "support"), demand=None, before_pct=3.0, rate_pct=3.0, what="kept"
)


class _Rounds(threading.Event):
    """Ends after so many waits."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.left = rounds
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        self.left -= 1
        return self.left < 0


def _kept(once: Callable[[], list[Planned]], rounds: int, *, is_our_turn: bool = True) -> tuple[list[str], _Rounds]:
    told: list[str] = []
    stop = _Rounds(rounds)
    keep_adapting(once, every_s=300, stop=stop, is_our_turn=lambda: is_our_turn, on_row=told.append)
    return told, stop


def test_a_round_that_fails_is_counted_and_the_next_one_is_done() -> None:
    outcomes: list[HeadraceError | None] = [HeadraceError("the broker does not answer"), None]

    def once() -> list[Planned]:
        failure = outcomes.pop(0)
        if failure is not None:
            raise failure
        return [_ROW, _ROW]

    told, stop = _kept(once, 2)
    assert told == ["failed", "kept", "kept"]
    assert stop.waited == [300, 300, 300]


def test_a_controller_that_stands_by_orders_no_rates() -> None:
    def once() -> list[Planned]:
        raise AssertionError("it is another's turn")

    assert _kept(once, 3, is_our_turn=False)[0] == []
