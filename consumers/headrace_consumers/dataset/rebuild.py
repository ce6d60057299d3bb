"""What a new table must know of the live one before it takes a record: who was erased from it."""

from contextlib import closing

from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.error_line import one_line
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.judging.suppression import Suppression

__all__ = ["refuse_in_feedback", "refuse_in_rebuild", "share_key"]


def refuse_in_rebuild(live: Store, anew: Store, *, feedback: Store | None = None) -> None:
    """Let a dataset that is built anew, made if it is missing, refuse all whom the live one refuses, if there is one.

    It shares the live one's key from its start: so the entries of both, and of the feedback that both have, are one
    list. Where each has a key nevertheless, `anew` keeps the entries of both.

    Args:
        live: the dataset.
        anew: what is built beside it.
        feedback: of both.

    Raises:
        TableError: a table cannot be read or written.
    """
    if not _is_table(live):
        return
    with closing(InteractionTable(live)) as table:
        _refused_by(table, feedback)
        wanted = table.properties.keyed()
    _take_over(InteractionTable(anew), wanted)


def refuse_in_feedback(live: Store, feedback: Store) -> None:
    """Let a dataset's feedback, made if somebody was erased, refuse all whom the dataset refuses, if there is one.

    Feedback that was kept when its dataset moved has a key already: the dataset takes it, as long as it has none. Where
    each has a key nevertheless, the feedback keeps the entries of both.

    Args:
        live: the dataset.
        feedback: its feedback.

    Raises:
        TableError: a table cannot be read or written.
    """
    if not _is_table(live):
        return
    with closing(InteractionTable(live)) as table:
        wanted = _refused_by(table, feedback)
    if wanted.key:
        _take_over(InteractionTable(feedback, FEEDBACK), wanted)


def share_key(table: InteractionTable, said: InteractionTable) -> Suppression:
    """Let a dataset that has no key yet take its feedback's, if that has one; return whom the dataset then refuses.

    Only the key: the entries of the feedback may be of a dataset before this one.

    Raises:
        TableError: a table cannot be read or written.
    """
    key = said.properties.suppression().key
    return table.properties.keyed(key) if key else table.properties.suppression()


def _refused_by(table: InteractionTable, feedback: Store | None) -> Suppression:
    """Return whom a dataset refuses, with the key of its feedback where it has none of its own."""
    known = table.properties.suppression()
    if known.key or feedback is None or not _is_table(feedback):
        return known
    with closing(InteractionTable(feedback, FEEDBACK)) as said:
        return share_key(table, said)


def _take_over(table: InteractionTable, wanted: Suppression) -> None:
    with closing(table):
        table.properties.take_over(wanted)


def _is_table(store: Store) -> bool:
    try:
        return store.is_table()
    except (DeltaError, OSError) as error:
        raise TableError(
            f"{store.place}: cannot see who was erased from the table ({one_line(error)}); nothing was consumed"
        ) from error
