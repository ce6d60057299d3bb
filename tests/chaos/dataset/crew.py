"""The members of a group as a supervisor runs them: started, struck, and started again when they end."""

import itertools
import resource
import signal
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.dataset.starts import Process, Start, cold
from tests.support.waiting import wait_until

__all__ = ["Crew", "Member", "all_ended", "complaint", "kill"]

_STOPPED = "T"


@dataclass(eq=False)
class Member:
    """One process, with its log, which goes through a pipe so that a limit on files does not touch it.

    Attributes:
        process: of which stderr is a pipe.
        instance: of a static membership.
        log: its lines.
        is_leaving: it was told to end.
        was_stopped: it was seen in SIGSTOP.
    """

    process: Process
    instance: int | None = None
    log: list[str] = field(default_factory=list)
    is_leaving: bool = False
    was_stopped: bool = False

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    @property
    def is_stopped(self) -> bool:
        """Tell whether it is in SIGSTOP."""
        try:
            state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2]
        except OSError:
            return False
        return state.startswith(_STOPPED)

    def has_said(self, event: str) -> bool:
        """Tell whether its log has this event."""
        return any(f'"event": "{event}"' in line for line in list(self.log))

    def send(self, number: signal.Signals) -> None:
        if self.lives:
            self.process.send_signal(number)

    def limit_files(self, size_bytes: int) -> None:
        """Let its writes beyond this size fail."""
        if self.lives:
            _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    def wait(self, timeout_s: float) -> int:
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)


def all_ended(members: Collection[Member]) -> bool:
    """Tell whether all have ended; wake those that have stopped themselves at a step."""
    for member in members:
        if member.is_stopped:
            member.send(signal.SIGCONT)
    return not any(member.lives for member in members)


def kill(members: Collection[Member]) -> None:
    """End all, whatever they do."""
    for member in members:
        member.send(signal.SIGKILL)
    for member in members:
        member.wait(60)
        if member.process.stdout is not None:
            member.process.stdout.close()


def complaint(member: Member) -> str:
    """Return what it said or how it ended, where a supervisor should not see it; empty where all is well.

    Allowed ends: 0; killed by us; SIGTERM before the first line of its log, when Python itself is still starting; 1
    with one line `headrace: what, where, what to do`; SIGALRM at the bound of its end, on a machine so busy that not
    even the thread that watches over it ran in time.
    """
    plain = [line.rstrip() for line in member.log if not line.startswith("{")]
    code = member.process.returncode
    if any("Traceback" in line for line in plain) or any("unexpected " in line for line in plain):
        return f"ended with {code} and a fault: {plain[-1]}"
    if code == -signal.SIGTERM and not member.log:
        return ""
    if code not in {0, 1, -signal.SIGKILL, -signal.SIGALRM}:
        return f"ended with {code}: {plain[-1:]}"
    if code == 1 and not (len(plain) == 1 and plain[0].startswith("headrace: ")):
        return f"ended with 1 and not with one line: {plain}"
    return ""


class Crew:
    """All members of a round.

    Args:
        config_path: the configuration that they share.
        is_static: give each a static membership, and to one that is started again that of one that has ended.
        start: how a process is started.
    """

    def __init__(self, config_path: Path, *, is_static: bool = False, start: Start = cold) -> None:
        self._config_path = config_path
        self._start_process = start
        self._is_static = is_static
        self.all: list[Member] = []
        self.restarts = 0

    def start(self, **variables: str) -> Member:
        """Start a member, with further environment variables."""
        if not self._is_static:
            return self._start([], variables)
        taken = {member.instance for member in self.all if member.lives}
        instance = next(number for number in itertools.count() if number not in taken)
        variables = {**variables, "HEADRACE_DATASET__GROUP_INSTANCE_ID": f"member-{instance}"}
        return self._start([], variables, instance)

    def drain(self, timeout_s: float) -> Member:
        """Let one member alone read what is left; return it when it has ended."""
        member = self._start(["--idle-exit-s", "3"], {})
        member.wait(timeout_s)
        return member

    def living(self) -> list[Member]:
        return [member for member in self.all if member.lives and not member.is_leaving]

    def is_at_work(self, partitions: int) -> bool:
        """Tell whether all living members have begun, and as many have partitions as there can be."""
        living = self.living()
        begun = sum(member.has_said("consuming") for member in living)
        assigned = sum(member.has_said("assigned") for member in living)
        return begun == len(living) and assigned >= min(len(living), partitions)

    def chosen(self, number: int) -> Member | None:
        """Return the living member of this number, modulo how many there are."""
        living = self.living()
        return living[number % len(living)] if living else None

    def keep_up(self, wanted: int) -> None:
        """Start members until so many live, as a supervisor does."""
        for _ in range(wanted - len(self.living())):
            self.restarts += 1
            self.start()

    def end(self, timeout_s: float) -> None:
        """Let all end by SIGTERM, waking who stops itself at a step on the way.

        Raises:
            TimeoutError: one did not.
        """
        for member in self.all:
            if not member.is_leaving:  # told already: once more would end Python itself while it finishes
                member.send(signal.SIGTERM)
        wait_until(lambda: all_ended(self.all), "all members to end", timeout_s)
        for member in self.all:
            member.wait(timeout_s)

    def kill(self) -> None:
        """End all, whatever they do."""
        kill(self.all)

    def complaints(self) -> list[str]:
        """Return what a member said or how it ended, where a supervisor should not see it."""
        return [f"member {n} {what}" for n, member in enumerate(self.all) if (what := complaint(member))]

    def logs(self, lines: int = 12) -> str:
        """Return the ends of all logs."""
        return "\n".join(
            f"--- member {number}, ended with {member.process.returncode}\n{''.join(member.log[-lines:])}"
            for number, member in enumerate(self.all)
        )

    def _start(self, arguments: list[str], variables: dict[str, str], instance: int | None = None) -> Member:
        command = ["consume", "dataset", "--config", str(self._config_path), "--log-format", "json", *arguments]
        process = self._start_process(command, variables)
        self.all.append(Member(process, instance))
        return self.all[-1]
