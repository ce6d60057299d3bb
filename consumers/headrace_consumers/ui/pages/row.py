"""One row of the table: input, output, what was said of it, and everything else that its record told."""

from typing import Any, Final

from headrace_consumers.cli.beside_rows import FEEDBACK, SEEN
from headrace_consumers.rollout.arms import Membership, arm_of
from headrace_consumers.ui.page import Asked, NothingThereError, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.growth import is_there
from headrace_consumers.ui.reading.rollouts import rollouts
from headrace_consumers.ui.reading.rows import row_of_key
from headrace_consumers.ui.reading.shelves import latest_facts
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]

_ELSEWHERE: Final = frozenset({"input", "output", SEEN, FEEDBACK})


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a row.

    Raises:
        TableReadError: the table cannot be read.
        NothingThereError: no row has that key.
    """
    if not is_there(sources.config):
        raise NothingThereError("there is no table yet; headrace consume dataset makes it")
    row: dict[str, Any] = row_of_key(sources, asked.names["key"])
    signature = str(row["signature"])
    latest = part(lambda: latest_facts(sources.root, signature))
    facts = {name: value for name, value in row.items() if name not in _ELSEWHERE and value is not None}
    return {
        "title": f"A row of {signature}",
        "signature": signature,
        "row": row,
        "seen": row.get(SEEN),
        "feedback": row.get(FEEDBACK, []),
        "facts": facts,
        "arm": part(lambda: _arm(sources, row)).value,
        "latest": latest.value.name if latest.value is not None else "",
    }


def _arm(sources: Sources, row: dict[str, Any]) -> Membership | None:
    """Return the arm of a rollout that the call was in; without Kafka nothing tells."""
    if sources.config.kafka.bootstrap_servers is None:
        return None
    whose = (str(row["environment"]), str(row["module_name"]), str(row["module_version"]))
    return arm_of(rollouts(sources).entries, *whose, int(row["timestamp_ms"]))


PAGE: Final = Page("/rows/{key}", "row.html", show)
