"""What a new table must know of the live one before it takes a record: who was erased from it."""

from contextlib import closing, suppress

from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.error_line import one_line
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.judging.suppression import Suppression

__all__ = ["refuse_whom_it_refuses", "share_key"]


def refuse_whom_it_refuses(live: Store, anew: Store, layout: Layout = INTERACTIONS) -> None:
    """Let the table at `anew`, made if it is missing, refuse all whom the one at `live` refuses, if there is one.

    A dataset that is built anew shares the live one's key from its start: what is erased from both by then, and from
    feedback that both have, can be put together. Feedback that was kept when its dataset moved has a key already: the
    dataset takes it, as long as it has none.

    Args:
        live: the dataset.
        anew: a dataset that is built anew beside it, or its feedback.
        layout: of `anew`.

    Raises:
        TableError: a table cannot be read or written, or `anew` has entries of its own, made with another key.
    """
    if not _is_table(live):
        return
    table = InteractionTable(live)
    try:
        if layout is INTERACTIONS:
            wanted = table.properties.keyed()
        else:
            wanted = table.properties.suppression()
            if not wanted.key and _is_table(anew):
                with closing(InteractionTable(anew, layout)) as said:
                    wanted = share_key(table, said)
    finally:
        table.close()
    if not wanted.key:
        return
    table = InteractionTable(anew, layout)
    try:
        table.properties.take_over(wanted)
    except ValueError:
        advice = (
            "delete it and build it anew under another name"
            if layout is INTERACTIONS
            else "if it is another dataset's feedback, set dataset.feedback_path to another place; if it is this "
            "dataset's, keep it, for only feedback that Kafka still holds comes to another place"
        )
        raise TableError(
            f"{anew.place}: people were erased from it, and from {live.place} too, each with a key of its own; {advice}"
        ) from None
    finally:
        table.close()


def share_key(table: InteractionTable, said: InteractionTable) -> Suppression:
    """Let a dataset that has no key yet take its feedback's, if that has one; return whom the dataset then refuses.

    Only the key: the entries of the feedback may be of a dataset before this one.

    Raises:
        TableError: a table cannot be read or written.
    """
    key = said.properties.suppression().key
    if key:
        with suppress(ValueError):  # it has one
            return table.properties.take_over(Suppression(key))
    return table.properties.suppression()


def _is_table(store: Store) -> bool:
    try:
        return store.is_table()
    except (DeltaError, OSError) as error:
        raise TableError(
            f"{store.place}: cannot see who was erased from the table ({one_line(error)}); nothing was consumed"
        ) from error
