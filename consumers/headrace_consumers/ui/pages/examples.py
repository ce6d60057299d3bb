"""The examples of a version: a page at a time, chosen by split, label, source, difficulty, category, or a text."""

from typing import Any, Final

from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.examples import CHOICES, examples
from headrace_consumers.ui.reading.shelves import book
from headrace_consumers.ui.sources import Sources
from headrace_schemas.dataset_files import DIFFICULTIES, LABELS, SOURCES, SPLITS

__all__ = ["PAGE"]

_FIXED: Final = {"split": SPLITS, "label": LABELS, "source": SOURCES, "difficulty": DIFFICULTIES}
_CATEGORIES: Final = 100


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a page of examples.

    Raises:
        NothingThereError: there is no such version.
        HeadraceError: the folder cannot be read.
    """
    signature = asked.names["signature"]
    found = book(sources, signature, asked.names["version"])
    choice = {name: asked.get(name) for name in CHOICES if asked.get(name)}
    if choice.get("split") not in SPLITS:
        choice.pop("split", None)
    text, after = asked.get("q"), asked.get("after")
    return {
        "title": f"Examples of {signature} {found.name}",
        "signature": signature,
        "version": found.name,
        "choice": choice,
        "q": text,
        "choices": {**_FIXED, "category": _categories(found.shelved.metadata)},
        "is_first": not after,
        "page": part(lambda: examples(found.shelved.version, choice, text, after)),
    }


def _categories(metadata: Any) -> list[str]:
    if metadata is None:
        return []
    names = {name for split in SPLITS for name in metadata["splits"][split]["categories"] if name}
    return sorted(names)[:_CATEGORIES]


PAGE: Final = Page("/signatures/{signature}/versions/{version}/examples", "examples.html", show)
