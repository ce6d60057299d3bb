"""One signature: its rows over time, its versions and their gates, and what its records were rejected for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace_consumers.cli.table_access import opened
from headrace_consumers.fates.loss import Committed
from headrace_consumers.fates.why import committed_of
from headrace_consumers.ui.charts import growth_plot
from headrace_consumers.ui.page import Asked, NothingThereError, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.growth import growth
from headrace_consumers.ui.reading.shelves import Book, shelf_of
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.telling.plots import bars
from headrace_schemas.dataset_files import PRODUCTION

__all__ = ["PAGE"]

_COMMITS: Final = 500
_VERSIONS: Final = 30


@dataclass(frozen=True, slots=True)
class _Gate:
    name: str
    verdicts: list[Any]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return what there is of a signature.

    Raises:
        NothingThereError: neither the table nor the versions have it.
    """
    name = asked.names["signature"]
    table = part(lambda: growth(sources))
    shelf = part(lambda: shelf_of(sources, name))
    rows = table.value.signatures.get(name) if table.value is not None else None
    books = shelf.value.books if shelf.value is not None else []
    if rows is None and not books and not table.problem and not shelf.problem:
        raise NothingThereError(f"{name[:128]}: no row and no version of it; / lists what there is")
    committed = part(lambda: _committed(sources, name)) if rows is not None else None
    told = committed.value if committed is not None else None
    return {
        "title": name,
        "signature": name,
        "root": sources.root.absolute(),
        "table": table,
        "rows": rows,
        "plot": "" if rows is None else growth_plot(rows.days),
        "shelf": shelf,
        "books": books[:_VERSIONS],
        "more": max(0, len(books) - _VERSIONS),
        "gates": _gates(books[: _VERSIONS // 3]),
        "committed": committed,
        "rejected": "" if not told or not told.rejected else _reasons(told),
        "environment": _environment(rows.environments if rows is not None else {}),
    }


def _committed(sources: Sources, name: str) -> Committed:
    dataset = sources.config.dataset
    with opened(dataset, lambda table: table) as table:
        return sources.kept(
            ("committed", dataset.path, name), table.version(), lambda: committed_of(table, name, _COMMITS)
        )


def _reasons(told: Committed) -> str:
    return bars(
        "Rejected, by the first reason that applies",
        [(reason, number, f"{number:,}") for reason, number in told.rejected.most_common()],
    )


def _gates(books: Sequence[Book]) -> list[_Gate]:
    """Return each gate with its verdict on each version; None where it was not asked."""
    by_version = [{each["gate"]: each for each in (book.shelved.manifest or {"gates": []})["gates"]} for book in books]
    names = list(dict.fromkeys(gate for verdicts in by_version for gate in verdicts))
    return [_Gate(gate, [verdicts.get(gate) for verdicts in by_version]) for gate in names]


def _environment(environments: dict[str, int]) -> str:
    """Return the environment that a cut has to name; empty: production, which it need not."""
    return "" if PRODUCTION in environments or not environments else next(iter(environments))


PAGE: Final = Page("/signatures/{signature}", "signature.html", show)
