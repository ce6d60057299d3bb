"""Old files deleted that hold rows which the table no longer has.

No commit can name one of them any more: one that was judged before the suppression is refused, and so is a merge of
files that were replaced.
"""

import datetime as dt
from collections.abc import Callable, Collection
from typing import Final

from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.steps import ErasureStep, Hook
from headrace_consumers.erasure.choices import Choice
from headrace_consumers.erasure.table_files import TableFiles

__all__ = ["purge"]

_GRACE_S: Final = {False: 30.0, True: 120.0}
"""How long a file may be of a commit under way, on a disk and in an object store, where a request may take a minute."""

_LOOK_S: Final = 0.5


def purge(
    files: TableFiles,
    choice: Choice,
    *,
    now: Callable[[], dt.datetime],
    sleep: Callable[[float], object],
    hook: Hook,
) -> tuple[int, list[str]]:
    """Delete the files that the table no longer names and that hold rows that go.

    Args:
        files: of the table.
        choice: which rows go.
        now: UTC.
        sleep: waits for so many seconds.
        hook: called around it; tests kill the process there.

    Returns:
        How many, and the names of files that cannot be read: most likely somebody is still writing them.

    Raises:
        TableError: a file cannot be deleted.
    """
    files.active()
    hook(f"before:{ErasureStep.PURGE}")
    found = files.unnamed(choice)
    if found.holding:
        files.recall()  # of a run that was killed
    waited_s, grace_s = 0.0, _GRACE_S[files.store.is_remote]
    try:
        while waited_s < grace_s and any(
            _is_being_written(files, *each, now, grace_s) for each in found.holding.items()
        ):
            sleep(_LOOK_S)  # a consumer that judges its batch again deletes the file itself
            waited_s += _LOOK_S
        _insist_on_nameless(files, found.holding)
        files.store.delete_for_good(found.holding)
    except OSError as error:
        raise TableError(
            f"{error.filename or files.store.place}: cannot be deleted ({error.strerror or one_line(error)}); "
            "run it again"
        ) from error
    hook(f"after:{ErasureStep.PURGE}")
    return len(found.holding), found.unreadable


def _insist_on_nameless(files: TableFiles, names: Collection[str]) -> None:
    if not files.active().keys().isdisjoint(names):
        raise TableError(
            f"{files.store.place}: rows of the person were committed meanwhile, by a consumer of an older release that "
            "does not know of erasures; update all consumers, and run it again"
        )


def _is_being_written(
    files: TableFiles, name: str, written_at: float, now: Callable[[], dt.datetime], grace_s: float
) -> bool:
    """Tell whether it may be of a commit under way: it is new, and no version named it."""
    if name in files.named or now().timestamp() - written_at >= grace_s:
        return False
    return files.store.written_at(name) is not None
