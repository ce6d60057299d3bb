"""What was ordered last and the programs it names, on disk: a service that restarts without Kafka goes on from here.

    <spool>/router/rollouts.json            the orders, as the control topic had them
    <spool>/router/programs/<digest>.json   the programs, checked again when they are read
    <spool>/router/programs/<digest>.sig

Files of mode 0600, each replaced as a whole. The processes of a service share them: they follow the same orders.
"""

import base64
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from headrace.programs.blobs import LocalBlobs
from headrace.programs.registry import ProgramRegistry
from headrace.programs.signing import Verifier
from headrace_schemas.control_records import OrderError
from headrace_schemas.programs import Program
from headrace_schemas.rollouts import Rollout, read_rollout

__all__ = ["LastKnown"]

logger = logging.getLogger("headrace")

_FORMAT: Final = "headrace.rollouts.v1"
_LARGEST: Final = 64 * 2**20
_PART: Final = ".part-"
_WRITTEN_WITHIN_S: Final = 3_600.0
"""What is older and still a part was left by a process that was killed."""


class LastKnown:
    """The router's folder.

    Args:
        folder: made when something is kept.
        verifier: returns what checks signatures, None where none need be; asked for when a program is read.
        time_s: Unix time in seconds.
    """

    def __init__(
        self, folder: Path, verifier: Callable[[], Verifier | None], time_s: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._time_s = time_s
        self._verifier = verifier
        self._file = folder / "rollouts.json"
        self._programs = folder / "programs"

    def rollouts(self) -> list[Rollout]:
        """Return the rollouts that were kept; one that cannot be read is passed over, with a line in the log.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is none of ours, or damaged.
        """
        try:
            with self._file.open("rb") as file:
                kept = json.loads(file.read(_LARGEST))
        except FileNotFoundError:
            return []
        if not isinstance(kept, dict) or kept.get("format") != _FORMAT or not isinstance(kept.get("orders"), dict):
            raise ValueError("not written by this release")
        found = []
        for name, value in kept["orders"].items():
            try:
                found.append(_read(name, value))
            except (ValueError, OrderError) as error:
                logger.warning(
                    "headrace: the last known rollout of %.100r cannot be read (%s); the code as deployed serves there "
                    "until the control topic is read",
                    name,
                    error,
                )
        return [each for each in found if each is not None]

    def keep(self, rollouts: Iterable[Rollout]) -> None:
        """Replace what was kept.

        Raises:
            OSError: it cannot be written; what was kept before is still there.
        """
        orders = {each.name: base64.b64encode(each.encoded()).decode("ascii") for each in rollouts}
        self._replace(self._file, json.dumps({"format": _FORMAT, "orders": orders}).encode())

    def program(self, digest: str) -> Program:
        """Return a program that was kept, checked as the registry's.

        Raises:
            ProgramError: it was not kept, or is damaged, or no longer signed by one whom the configuration names.
            ConfigError: a key of the configuration cannot be used.
        """
        return ProgramRegistry(LocalBlobs(self._folder), verifier=self._verifier()).get(digest)

    def is_signed(self, digest: str) -> bool:
        """Tell whether a program was kept with signatures; they are looked at only where the configuration has keys."""
        try:
            return (self._programs / f"{digest}.sig").exists()
        except OSError:  # no right to the folder
            return False

    def keep_program(self, digest: str, data: bytes, signature: bytes | None) -> None:
        """Keep a program.

        Raises:
            OSError: it cannot be written.
        """
        if signature is not None:
            self._replace(self._programs / f"{digest}.sig", signature)
        self._replace(self._programs / f"{digest}.json", data)

    def forget_programs_but(self, digests: Iterable[str]) -> None:
        """Delete the programs that no order names any more, but none that another process is just writing."""
        kept, oldest_s = set(digests), self._time_s() - _WRITTEN_WITHIN_S
        with suppress(OSError):
            for file in self._programs.iterdir():
                if file.stem not in kept and not (file.name.startswith(_PART) and _written_s(file) > oldest_s):
                    file.unlink(missing_ok=True)

    def _replace(self, target: Path, data: bytes) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, made = tempfile.mkstemp(dir=target.parent, prefix=_PART)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(made).replace(target)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise


def _written_s(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # it has its name by now
        return float("inf")


def _read(name: str, value: object) -> Rollout | None:
    if not isinstance(value, str):
        raise OrderError("an order that is no text")
    found = read_rollout(f"rollout/{name}".encode(), base64.b64decode(value, validate=True))
    if found is None:
        raise OrderError("its key names no rollout")
    return found[1]
