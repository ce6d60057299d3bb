"""What a new table must know of the live one before it takes a record: who was erased from it."""

from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.error_line import one_line
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import TableError

__all__ = ["refuse_whom_it_refuses"]


def refuse_whom_it_refuses(live: Store, anew: Store, layout: Layout = INTERACTIONS) -> None:
    """Let the table at `anew`, made if it is missing, refuse all whom the one at `live` refuses, if there is one.

    A dataset that is built anew shares the live one's key from its start: what is erased from both by then, and from
    feedback that both have, can be put together.

    Args:
        live: the dataset.
        anew: a dataset that is built anew beside it, or its feedback.
        layout: of `anew`.

    Raises:
        TableError: a table cannot be read or written, or `anew` has entries of its own, made with another key.
    """
    try:
        if not live.is_table():
            return
    except (DeltaError, OSError) as error:
        raise TableError(
            f"{live.place}: cannot see who was erased from the live table ({one_line(error)}); nothing was consumed"
        ) from error
    table = InteractionTable(live)
    try:
        wanted = table.properties.keyed() if layout is INTERACTIONS else table.properties.suppression()
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
            else "it is not this dataset's: set dataset.feedback_path to another place"
        )
        raise TableError(
            f"{anew.place}: people were erased from it, and from {live.place} too, each with a key of its own; {advice}"
        ) from None
    finally:
        table.close()
