"""Many rounds in one run, several at once: most of a round is waiting, for sessions to end and for members to join.

rounds that strike the broker -> one at a time, on a broker of their own --+
all others -> side by side, on one broker ---------------------------------+-> figures, and what failed
"""

import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.chaos.dataset.figures import Figures
from tests.chaos.dataset.plan import Kind, Plan, draw
from tests.chaos.dataset.round import played
from tests.support.kafka import Kafka
from tests.support.kafka_unruly import UnrulyBroker

__all__ = ["Lanes"]

_MOST_FAILURES: Final = 5
"""After so many no round is begun any more."""


class Lanes:
    """Plays rounds.

    Args:
        seed: of the run.
        folder: each round has one in it, which is removed when all was right.
        side_by_side: how many rounds at once, beside the one that may strike its broker.
        say: told a line about each round that has ended.

    Attributes:
        figures: of the rounds that were right.
        failures: round -> what was wrong with it.
    """

    def __init__(self, seed: int, folder: Path, *, side_by_side: int, say: Callable[[str], None]) -> None:
        self._seed = seed
        self._folder = folder
        self._side_by_side = side_by_side
        self._say = say
        self._lock = threading.Lock()
        self._is_over = False
        self.figures = Figures(seed)
        self.failures: dict[int, str] = {}

    def play(self, numbers: Iterable[int]) -> None:
        """Play the rounds of these numbers.

        Raises:
            UnavailableError: there is no Kafka.
        """
        plans = {number: draw(self._seed, number) for number in numbers}
        striking = {number: plan for number, plan in plans.items() if Kind.BROKER in plan.kinds}
        others = {number: plan for number, plan in plans.items() if number not in striking}
        with ThreadPoolExecutor(2) as lanes:
            playing = [
                lanes.submit(self._play_on_one_broker, striking, 1),
                lanes.submit(self._play_on_one_broker, others, self._side_by_side),
            ]
            try:
                for each in playing:
                    each.result()
            finally:
                self._is_over = True  # an interrupted run ends with the rounds that are being played

    def _play_on_one_broker(self, plans: Mapping[int, Plan], side_by_side: int) -> None:
        if not plans:
            return
        broker = UnrulyBroker(os.environ)
        try:
            broker.start()
            kafka = Kafka(broker.broker())
            with ThreadPoolExecutor(side_by_side) as threads:
                for number, plan in plans.items():
                    threads.submit(self._play, broker, kafka, number, plan)
        finally:
            broker.remove()

    def _play(self, broker: UnrulyBroker, kafka: Kafka, number: int, plan: Plan) -> None:
        if self._is_over or len(self.failures) >= _MOST_FAILURES:
            return
        began = time.monotonic()
        folder = self._folder / f"round-{number}"
        wrong = ""
        try:
            with played(broker, kafka, folder, plan) as round_:
                try:
                    outcome = round_.play()
                except Exception as error:  # whatever it is, the other rounds are played
                    wrong = f"{''.join(traceback.format_exception(error))}\n{round_.logs()}"
                else:
                    wrong = f"{outcome.problems}\n{round_.logs()}" if outcome.problems else ""
        except Exception as error:
            wrong = wrong or "".join(traceback.format_exception(error))
        took_s = time.monotonic() - began
        with self._lock:
            if wrong:
                self.failures[number] = f"{plan}\n{wrong}"
            else:
                self.figures.add(plan, outcome)
        if not wrong:
            shutil.rmtree(folder, ignore_errors=True)
        self._say(f"round {number}: {'WRONG' if wrong else 'right'} in {took_s:.0f} s{wrong and '; '}{wrong}")
