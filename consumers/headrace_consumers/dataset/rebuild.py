"""What a new table must know of the live one before it takes a record: who was erased from it."""

from contextlib import closing

from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.error_line import one_line
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.judging.suppression import Suppression

__all__ = ["refuse_whom_it_refuses", "share_key"]


def refuse_whom_it_refuses(
    live: Store, anew: Store, layout: Layout = INTERACTIONS, *, feedback: Store | None = None
) -> None:
    """Let the table at `anew`, made if it is missing, refuse all whom the one at `live` refuses, if there is one.

    A dataset that is built anew shares the live one's key from its start: so the entries of both, and of the feedback
    that both have, are one list. Feedback that was kept when its dataset moved has a key already: the dataset takes it,
    as long as it has none. Where each has a key nevertheless, `anew` keeps the entries of both.

    Args:
        live: the dataset.
        anew: a dataset that is built anew beside it, or its feedback.
        layout: of `anew`.
        feedback: of the dataset that is built anew.

    Raises:
        TableError: a table cannot be read or written.
    """
    if not _is_table(live):
        return
    said = anew if layout is not INTERACTIONS else feedback
    with closing(InteractionTable(live)) as table:
        wanted = table.properties.suppression()
        if not wanted.key and said is not None and _is_table(said):
            with closing(InteractionTable(said, FEEDBACK)) as given:
                wanted = share_key(table, given)
        if layout is INTERACTIONS:
            wanted = table.properties.keyed()
    if wanted.key:
        with closing(InteractionTable(anew, layout)) as table:
            table.properties.take_over(wanted)


def share_key(table: InteractionTable, said: InteractionTable) -> Suppression:
    """Let a dataset that has no key yet take its feedback's, if that has one; return whom the dataset then refuses.

    Only the key: the entries of the feedback may be of a dataset before this one.

    Raises:
        TableError: a table cannot be read or written.
    """
    key = said.properties.suppression().key
    return table.properties.keyed(key) if key else table.properties.suppression()


def _is_table(store: Store) -> bool:
    try:
        return store.is_table()
    except (DeltaError, OSError) as error:
        raise TableError(
            f"{store.place}: cannot see who was erased from the table ({one_line(error)}); nothing was consumed"
        ) from error
