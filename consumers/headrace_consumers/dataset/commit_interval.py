"""How long a member waits between commits: as configured, and longer where those of all members would collide.

Commits to one table are serial: more members add no commits. Together they are to stay under a quarter of what one
writer could do, so that there is room for retries, maintenance and readers.
"""

from typing import Final

__all__ = ["LONGEST_S", "commit_interval_s", "members_of"]

LONGEST_S: Final = 300.0
"""However slow the store is: what is not committed is read again after a crash."""

_SHARE: Final = 0.25
_REMOTE_LEAST_S: Final = 15.0
_REMOTE_PER_MEMBER_S: Final = 2.0


def members_of(partition_count: int, owned: int) -> int:
    """Return how many members the group has, as far as one can tell from its own share of the partitions."""
    return -(-partition_count // max(owned, 1))


def commit_interval_s(configured_s: float, members: int, commit_s: float, *, is_remote: bool) -> float:
    """Return the time from a batch's first record to its commit, in seconds.

    Args:
        configured_s: at least so long.
        members: of the group.
        commit_s: what a commit takes, measured.
        is_remote: whether the table is on an object store, where a commit is several requests.
    """
    least_s = members * commit_s / _SHARE
    if is_remote:
        least_s = max(least_s, _REMOTE_LEAST_S, _REMOTE_PER_MEMBER_S * members)
    return max(configured_s, min(least_s, LONGEST_S))
