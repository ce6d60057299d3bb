"""`headrace dataset maintain` beside the members, again and again, and what it finds to be deleted."""

import contextlib
import datetime as dt
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.chaos.dataset.crew import Member, all_ended, complaint, kill
from tests.chaos.dataset.starts import Start, cold
from tests.support.waiting import wait_until

__all__ = ["KEEP_REPLACED_H", "Maintainers"]

KEEP_REPLACED_H: Final = 2
_EXPENDABLE: Final = ("ingest_date=2020-01-01/{}.parquet", "ingest_date=2020-01-01/{}.parquet#1")
_PLANTED: Final = 5
_REST_S: Final = 0.5


class Maintainers:
    """So many at once; each that ends is followed by another, with the same fault until it has been struck.

    Args:
        config_path: the members' configuration.
        table_path: the table.
        faults: the environment variables with which each of those that run at once is struck.
        start: how a process is started.
    """

    def __init__(
        self, config_path: Path, table_path: Path, faults: Sequence[Mapping[str, str]], *, start: Start = cold
    ) -> None:
        self._start_process = start
        self._config_path = config_path
        self._table_path = table_path
        self._faults = list(faults)
        self._at_work: list[Member | None] = [None] * len(faults)
        self._not_before = [0.0] * len(faults)
        self._planted: list[Path] = []
        self.struck = 0
        self.all: list[Member] = []

    def keep_up(self) -> None:
        """Start those that are due, as soon as there is a table."""
        if not self._faults or not list(self._table_path.glob("_delta_log/*.json")):
            return
        if not self._planted:
            with contextlib.suppress(OSError):  # the disk may be full just now
                self._plant()
        for place, member in enumerate(self._at_work):
            if member is not None and (member.is_stopped or member.process.poll() == -signal.SIGKILL):
                self.struck += bool(self._faults[place])
                self._faults[place] = {}
            if (member is None or not member.lives) and time.monotonic() >= self._not_before[place]:
                self._not_before[place] = time.monotonic() + _REST_S
                self._at_work[place] = self.start(self._faults[place])

    def start(self, variables: Mapping[str, str]) -> Member:
        command = ["dataset", "maintain", "--json", "--config", str(self._config_path)]
        self.all.append(Member(self._start_process(command, variables)))
        return self.all[-1]

    def end(self, timeout_s: float) -> None:
        """Wait for those that run, waking who stops itself at a step.

        Raises:
            TimeoutError: one did not end.
        """
        wait_until(lambda: all_ended(self.all), "the maintainers to end", timeout_s)

    def finish(self, timeout_s: float) -> list[str]:
        """Let one do what is left, alone; return what is wrong with that."""
        member = self.start({})
        if member.wait(timeout_s):
            return [f"the last maintainer ended with {member.process.returncode}: {member.log}"]
        left = sum(path.exists() for path in self._planted)
        return [f"{left} expendable files were not deleted"] if left else []

    def merges(self) -> int:
        """Return how often those that came to their end have merged small files into one, of rows or of sightings."""
        total = 0
        for member in self.all:
            member.wait(20)
            assert member.process.stdout is not None
            with member.process.stdout as output:
                text = output.read()
            if member.process.returncode == 0:
                done = json.loads(text)
                total += sum(table["files_written"] for table in (done, *done.values()) if isinstance(table, dict))
        return total

    def kill(self) -> None:
        """End all, whatever they do."""
        kill(self.all)

    def logs(self) -> str:
        """Return all that they said."""
        return "\n".join(
            f"--- maintainer {number}, ended with {member.process.returncode}\n{''.join(member.log)}"
            for number, member in enumerate(self.all)
        )

    def complaints(self) -> list[str]:
        return [f"maintainer {n} {what}" for n, member in enumerate(self.all) if (what := complaint(member))]

    def _plant(self) -> None:
        """Leave files as a kill leaves them, old enough to be deleted."""
        old_s = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=KEEP_REPLACED_H + 1)).timestamp()
        for number in range(_PLANTED):
            for name in _EXPENDABLE:
                path = self._table_path / name.format(number)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(b"")
                os.utime(path, (old_s, old_s))
                self._planted.append(path)
