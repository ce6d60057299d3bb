"""The programs that orders name: at hand, still to be fetched, or refused.

    at_hand(digest)                    memory or disk; no network
    next_due() -> digest               wanted and due, or on disk with signatures that may be no longer the newest
      read(digest) -> program          from the registry: takes its time, in a thread of its own, one at a time
        took(digest, program)          at hand from now on
        refused(digest, error)         due again later

      keep_again()                     what was read while the disk took nothing

All but `read` and `keep_again` are called with the router's lock held.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from headrace.errors import ConfigError
from headrace.interruption import pass_on
from headrace.programs.registry import ProgramRegistry
from headrace.routing.last_known import LastKnown
from headrace_schemas.programs import Program, ProgramError

__all__ = ["Library"]

_FIRST_RETRY_S: Final = 5.0
_LAST_RETRY_S: Final = 60.0
_SIGNATURES_AGAIN_S: Final = 3_600.0
"""A copy on disk gets the signature of a new key this long after `registry sign` at the latest."""


class Library:
    """Programs by digest.

    Args:
        open_registry: called when a program is fetched first, and again after it failed.
        last_known: where they are kept.
        failed: told of each program that cannot be had, once for each cause until it can.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        open_registry: Callable[[], ProgramRegistry],
        last_known: LastKnown,
        failed: Callable[[ProgramError], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_registry = open_registry
        self._registry: ProgramRegistry | None = None
        self._last_known = last_known
        self._failed = failed
        self._clock = clock
        self._programs: dict[str, Program] = {}
        self._due: dict[str, tuple[float, float]] = {}
        self._again_s: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()
        self._unkept: dict[str, tuple[bytes, bytes | None]] = {}

    def want(self, digests: Iterable[str]) -> None:
        """Say which programs are wanted now; others are let go of."""
        wanted = set(digests)
        self._programs = {digest: program for digest, program in self._programs.items() if digest in wanted}
        self._told = {(digest, reason) for digest, reason in self._told if digest in wanted}
        self._due = {digest: due for digest, due in self._due.items() if digest in wanted}
        self._again_s = {digest: again_s for digest, again_s in self._again_s.items() if digest in wanted}
        for digest in sorted(wanted - self._programs.keys()):
            try:
                self._programs[digest] = self._last_known.program(digest)
                self._due.pop(digest, None)
                if self._last_known.is_signed(digest):
                    self._again_s[digest] = float("-inf")
            except (ProgramError, ConfigError):  # not kept, or not well: the registry has it
                self._due.setdefault(digest, (float("-inf"), _FIRST_RETRY_S))

    def at_hand(self, digest: str) -> Program | None:
        """Return a program that is wanted, None where it has not been fetched."""
        return self._programs.get(digest)

    def next_due(self) -> str | None:
        """Return the program that has been due for longest, if one is."""
        now_s = self._clock()
        due = [(due_s, digest) for digest, (due_s, _) in self._due.items() if due_s <= now_s]
        if not due:
            due = [(again_s, digest) for digest, again_s in self._again_s.items() if again_s <= now_s]
        return min(due)[1] if due else None

    def took(self, digest: str, program: Program) -> bool:
        """Have a program at hand that was read, unless it is wanted no more; tell whether it is new."""
        is_new = digest in self._due
        if is_new:
            self._programs[digest] = program  # before it is due no more: see `keep_again`
            del self._due[digest]
            self._told = {each for each in self._told if each[0] != digest}
        if digest in self._programs and self._last_known.is_signed(digest):
            self._again_s[digest] = self._clock() + _SIGNATURES_AGAIN_S
        return is_new

    def refused(self, digest: str, error: ProgramError) -> None:
        """Put a program off that could not be read; one that is at hand stays, and nobody is told."""
        if digest in self._again_s:
            self._again_s[digest] = self._clock() + _LAST_RETRY_S
        if digest not in self._due:
            return
        _, delay_s = self._due[digest]
        self._due[digest] = (self._clock() + delay_s, min(2 * delay_s, _LAST_RETRY_S))
        if (digest, error.reason) not in self._told:
            self._told.add((digest, error.reason))
            self._failed(error)

    def renew(self) -> None:
        """Begin anew in a forked child, whose connections are its own."""
        self._registry = None

    def read(self, digest: str) -> Program:
        """Return a program from the registry, and keep it on disk.

        Raises:
            ProgramError: it cannot be had now.
        """
        try:
            self._registry = self._registry or self._open_registry()
            data, signature = self._registry.read(digest)
        except ConfigError as error:
            raise ProgramError("unconfigured", str(error)) from None
        except ProgramError:
            raise
        except BaseException as error:  # of a store's library, which nobody has foreseen; Rust's panic is no Exception
            pass_on(error)
            raise ProgramError("unreachable", f"program {digest[:12]}: {type(error).__name__} when read") from None
        program = Program.decoded(data)
        try:
            self._last_known.keep_program(digest, data, signature)
        except OSError as error:
            self._unkept[digest] = (data, signature)
            self._failed(ProgramError("not_kept", f"program {digest[:12]}: cannot be kept on disk ({error.strerror})"))
        return program

    def keep_again(self) -> None:
        """Keep on disk what could not be kept when it was read, where it is still wanted."""
        for digest, (data, signature) in list(self._unkept.items()):
            if digest in self._programs:
                try:
                    self._last_known.keep_program(digest, data, signature)
                except OSError:
                    continue
            elif digest in self._due:  # just being read
                continue
            self._unkept.pop(digest, None)
