"""One round: members under load, the plan's faults at their moments, quiet, and the account.

members, maintainers, load --+-- faults begin and end --+-- all by SIGTERM -- one member reads the rest -- account
    -- one maintainer does what is left -- account again, and `headrace dataset verify`
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException, TopicCollection
from deltalake import DeltaTable

from headrace.config import load
from headrace_consumers.dataset.side_tables import sightings_path
from headrace_consumers.verification import verify
from tests.chaos.dataset.account import Owed, differences, differences_of_sightings, owed_by, table_of
from tests.chaos.dataset.crew import Crew, Member
from tests.chaos.dataset.maintainers import KEEP_REPLACED_H, Maintainers
from tests.chaos.dataset.outcome import Outcome
from tests.chaos.dataset.plan import LOAD_S, MAINTENANCE_POINTS, SESSION_S, Fault, Kind, Plan
from tests.chaos.dataset.small_disk import SmallDisk
from tests.chaos.dataset.starts import cold, warm
from tests.chaos.dataset.traffic import Traffic
from tests.support.dataset_job import DatasetJob
from tests.support.kafka import Kafka
from tests.support.kafka_unruly import UnrulyBroker
from tests.support.waiting import wait_until

__all__ = ["Round", "played"]

_TICK_S: Final = 0.05
_BEGUN_S: Final = 300
_END_S: Final = 600  # a hang is longer; a member ends itself within 10 s, on a machine that has time for it
_WRITTEN_S: Final = 300


class Round:
    """A topic, a table and a group of their own.

    Args:
        broker: runs; it may be struck.
        kafka: its client.
        folder: for table, state and configuration.
        plan: what happens.
    """

    def __init__(self, broker: UnrulyBroker, kafka: Kafka, folder: Path, plan: Plan) -> None:
        self._broker = broker
        self._kafka = kafka
        self._plan = plan
        self.disk = SmallDisk(folder / "disk")
        self.job = DatasetJob(
            kafka,
            folder,
            partitions=plan.partitions,
            path=str(folder / "disk" / "table"),
            state_path=str(folder / "disk" / "state"),
            max_batch_records=plan.max_batch_records,
            dead_letter_limits={"max_share": 1, "max_run_records": 0},
            maintenance={"keep_replaced_h": KEEP_REPLACED_H},
        )
        self.job.table_path = folder / "disk" / "table"
        if plan.protocol == "consumer":  # its timeouts are the broker's
            self.job.config["kafka"]["consumer_options"] = {"group.protocol": "consumer"}
        else:
            self.job.config["kafka"]["consumer_options"]["session.timeout.ms"] = int(SESSION_S * 1000)
        self.job.reconfigure()
        start = cold if plan.is_cold else warm
        self.crew = Crew(self.job.config_path, is_static=plan.is_static, start=start)
        faults = [self._variables(number, of_maintainer=True) for number in range(plan.maintainers)]
        self.maintainers = Maintainers(self.job.config_path, self.job.table_path, faults, start=start)
        self._wanted = plan.members
        self._hurt: list[tuple[float, Callable[[], None]]] = []

    def play(self) -> Outcome:
        """Play it, and compare what came of it with what is owed."""
        plan = self._plan
        for number in range(plan.members):
            self.crew.start(**self._variables(number))
        traffic = Traffic(
            self._kafka.bootstrap_servers,
            self.job.topic,
            partitions=plan.partitions,
            records=plan.records,
            duration_s=LOAD_S,
            aborted_share=plan.aborted_share,
            seed=plan.seed,
        )
        wait_until(lambda: self.crew.is_at_work(plan.partitions), "the members to begin", _BEGUN_S)
        traffic.start()
        self._strike()
        self._broker.start()
        traffic.finish(_WRITTEN_S)
        self.crew.end(_END_S)
        self.maintainers.end(_END_S)
        rows_under_fire = table_of(self.job.table_path).height
        owed = owed_by(self._kafka.records(self.job.topic), plan.partitions)
        problems = self._account(owed) or self._account_of_maintenance(owed)
        problems += self.crew.complaints() + self.maintainers.complaints()
        merges = self.maintainers.merges() + self._said("files merged")
        return Outcome(
            owed,
            rows_under_fire=rows_under_fire,
            killed=self._ended_by(signal.SIGKILL),
            stopped=sum(member.was_stopped for member in self.crew.all),
            restarts=self.crew.restarts,
            fenced=self._said("fenced"),
            cut_short=self._said("left at once") + self._ended_by(signal.SIGALRM),
            merges=merges,
            maintainers_struck=self.maintainers.struck,
            problems=problems,
        )

    def logs(self) -> str:
        """Return the ends of all logs."""
        return f"{self.crew.logs()}\n{self.maintainers.logs()}"

    def close(self) -> None:
        self.crew.kill()
        self.maintainers.kill()
        self.disk.remove()
        with contextlib.suppress(KafkaException):  # or the broker of a long run would hold the topics of all rounds
            self.job.delete_topics()

    def _ended_by(self, number: signal.Signals) -> int:
        return sum(member.process.returncode == -number for member in self.crew.all)

    def _said(self, words: str) -> int:
        return sum(words in line for member in self.crew.all for line in member.log)

    def _variables(self, number: int, *, of_maintainer: bool = False) -> dict[str, str]:
        """Return how a member or maintainer is started: a fault at a step begins with the process."""
        variables = {}
        for fault in self._plan.faults:
            if of_maintainer and fault.point not in MAINTENANCE_POINTS:
                continue
            if fault.member % (self._plan.maintainers if of_maintainer else self._plan.members) == number:
                if fault.kind is Kind.KILL_AT:
                    variables["HEADRACE_TEST_KILL_AT"] = f"{fault.point}:{fault.count}"
                elif fault.kind is Kind.STOP_AT:
                    variables["HEADRACE_TEST_STOP_AT"] = f"{fault.point}:{fault.count}"
                elif fault.kind is Kind.SLOW:
                    variables["HEADRACE_TEST_SLOW_S"] = f"{fault.for_s / 4:.2f}"
        return variables

    def _strike(self) -> None:
        """Play the faults; meanwhile start again what has ended, and wake what has stopped itself for long enough.

        It ends when all members are at work again: one that is told to end while Python starts has no part in it.
        """
        began = time.monotonic()
        waiting = list(self._plan.faults)
        sleepers: dict[Member, float] = {}
        now_s = 0.0
        while waiting or self._hurt or sleepers or now_s < LOAD_S or not self._is_quiet(now_s):
            now_s = time.monotonic() - began
            while waiting and waiting[0].at_s <= now_s:
                self._begin(waiting.pop(0), now_s)
            for due in [entry for entry in self._hurt if entry[0] <= now_s]:
                self._hurt.remove(due)
                due[1]()
            self._wake(sleepers, now_s)
            self.crew.keep_up(self._wanted)
            self.maintainers.keep_up()
            time.sleep(_TICK_S)

    def _is_quiet(self, now_s: float) -> bool:
        return now_s > LOAD_S + _BEGUN_S or self.crew.is_at_work(self._plan.partitions)

    def _wake(self, sleepers: dict[Member, float], now_s: float) -> None:
        longest_s = max((f.for_s for f in self._plan.faults if f.kind in {Kind.STOP, Kind.STOP_AT}), default=0.0)
        for member in [*self.crew.all, *self.maintainers.all]:
            if not member.is_stopped:
                sleepers.pop(member, None)
                continue
            member.was_stopped = True
            if now_s >= sleepers.setdefault(member, now_s + longest_s):
                member.send(signal.SIGCONT)

    def _begin(self, fault: Fault, now_s: float) -> None:
        member = self.crew.chosen(fault.member)
        if fault.kind is Kind.JOIN:
            self._wanted += 1
        elif fault.kind is Kind.BROKER:
            self._broker.kill()
            self._hurt.append((now_s + fault.for_s, self._broker.start))
        elif fault.kind is Kind.DISK_FULL and self.disk.is_mounted:
            self.disk.fill()
            self._hurt.append((now_s + fault.for_s, self.disk.empty))
        elif fault.kind in {Kind.DISK_FULL, Kind.FILE_LIMIT} and member is not None:
            member.limit_files(1)
            self._hurt.append((now_s + fault.for_s, lambda: member.limit_files(-1)))
        elif fault.kind is Kind.LEAVE and member is not None:
            member.is_leaving = True
            member.send(signal.SIGTERM)
        elif fault.kind is Kind.KILL and member is not None:
            member.process.kill()
        elif fault.kind is Kind.STOP and member is not None:
            member.send(signal.SIGSTOP)

    def _account(self, owed: Owed) -> list[str]:
        problems: list[str] = []
        for _ in range(3):  # one that is still waiting for a dead member's session may end before it has everything
            member = self.crew.drain(_END_S)
            if member.process.returncode:
                return [f"the last member ended with {member.process.returncode}"]
            letters = self._kafka.records(self.job.dead_letter_topic)
            problems = differences(owed, table_of(self.job.table_path), letters) + self._unread(owed)
            if not any("missing" in problem or "unread" in problem for problem in problems):
                break
        return problems + self._account_of_sightings(owed)

    def _account_of_sightings(self, owed: Owed) -> list[str]:
        return differences_of_sightings(owed, table_of(Path(sightings_path(str(self.job.table_path)))))

    def _account_of_maintenance(self, owed: Owed) -> list[str]:
        problems = self.maintainers.finish(_END_S)
        letters = self._kafka.records(self.job.dead_letter_topic)
        problems += differences(owed, table_of(self.job.table_path), letters) + self._account_of_sightings(owed)
        results = verify(load(self.job.config_path), full=True)
        return problems + [f"verify: {result}" for result in results if result.state == "wrong"]

    def _unread(self, owed: Owed) -> list[str]:
        """Return the partitions whose position in the table is not past their last message."""
        table = DeltaTable(str(self.job.table_path))
        topics = self._kafka.admin.describe_topics(TopicCollection([self.job.topic]))
        topic_id = topics[self.job.topic].result(30).topic_id
        positions = {p: table.transaction_version(f"{topic_id}/{p}") or 0 for p in owed.ends}
        return [
            f"partition {p} unread from {positions[p]} to {end}" for p, end in owed.ends.items() if positions[p] != end
        ]


@contextmanager
def played(broker: UnrulyBroker, kafka: Kafka, folder: Path, plan: Plan) -> Iterator[Round]:
    """Give a round, and end its processes and its disk whatever happens."""
    folder.mkdir(parents=True)
    each = Round(broker, kafka, folder, plan)
    try:
        yield each
    finally:
        each.close()
