"""What a user may do, compared with what its role needs; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from headrace_consumers.acls.right import Right
from headrace_consumers.acls.roles import Role, user_of

__all__ = ["EVERYBODY", "Finding", "compare"]

EVERYBODY: Final = "User:*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One right that is missing, or is there and should not be.

    Attributes:
        principal: whose it is, as ACLs name it.
        what: what was found.
        mend: the command that mends it.
        is_missing: whether the role cannot do its work; else it can do more than its work.
    """

    principal: str
    what: str
    mend: str
    is_missing: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {"principal": self.principal, "what": self.what, "mend": self.mend, "missing": self.is_missing}


def compare(
    role: Role, principal: str, wanted: Iterable[Right], held: Iterable[Right], everybody: Iterable[Right] = ()
) -> list[Finding]:
    """Return what differs.

    Args:
        role: the role.
        principal: the user, as ACLs name it.
        wanted: what the role needs.
        held: what the user has.
        everybody: what all users have.
    """
    needed, own, all_have = set(wanted), set(held), set(everybody)
    user = principal.removeprefix("User:")
    named = "" if user == user_of(role) else f" --user {user}"
    command = f"headrace acls apply --role {role.value}{named}"
    return [
        *(
            Finding(principal=principal, what=f"may not {right}", mend=command, is_missing=True)
            for right in sorted(needed - own)
        ),
        *(
            Finding(
                principal=principal,
                what=f"has more than its role: {right}",
                mend=f"{command} --exact",
                is_missing=False,
            )
            for right in sorted(own - needed)
        ),
        *(
            Finding(
                principal=EVERYBODY,
                what=f"everybody has {right}",
                mend="headrace acls remove --user '*'",
                is_missing=False,
            )
            for right in sorted(all_have)
        ),
    ]
