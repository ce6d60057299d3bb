"""What one check found."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["Result", "State", "note", "ok", "wrong"]

State: TypeAlias = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of `headrace doctor`.

    Attributes:
        check: what was looked at.
        state: ok; note: it works, but may not be meant so; wrong: it does not work.
        what: what was found.
        mend: what to do; empty where it is ok.
    """

    check: str
    state: State
    what: str
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


def ok(check: str, what: str) -> Result:
    """Return a result that needs nothing done."""
    return Result(check, "ok", what)


def note(check: str, what: str, mend: str) -> Result:
    """Return a result to think about."""
    return Result(check, "note", what, mend)


def wrong(check: str, what: str, mend: str) -> Result:
    """Return a result that must be mended."""
    return Result(check, "wrong", what, mend)
