"""One version: its gates, what it is made of, what was set aside, where it came from, who uses it."""

from typing import Any, Final

import polars as pl

from headrace.datasets.place import Version
from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.examples import aside, checked, stamp
from headrace_consumers.ui.reading.shelves import book, shelf_of
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.telling.card import trust_line
from headrace_consumers.versions.telling.report import composition, distributions
from headrace_schemas.dataset_files import SPLITS

__all__ = ["PAGE"]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a version.

    Raises:
        NothingThereError: there is none such.
        HeadraceError: the folder cannot be read.
    """
    signature = asked.names["signature"]
    found = book(sources, signature, asked.names["version"])
    version = found.shelved.version
    metadata: Any = found.shelved.metadata
    manifest: Any = found.shelved.manifest
    is_well = metadata is not None and manifest is not None
    others = [each.name for each in shelf_of(sources, signature).books if each.name != version.name]
    return {
        "title": f"{signature} {version.name}",
        "signature": signature,
        "book": found,
        "metadata": metadata,
        "manifest": manifest,
        "trust": trust_line(found.labels) if is_well else "",
        "plots": part(lambda: composition(metadata, manifest)) if is_well else None,
        "spread": part(lambda: _distributions(sources, version)) if is_well else None,
        "aside": part(lambda: aside(version)) if is_well else None,
        "checked": part(lambda: checked(sources, version)) if asked.get("check") and is_well else None,
        "others": others,
        "splits": SPLITS,
    }


def _distributions(sources: Sources, version: Version) -> list[str]:
    rows = pl.concat(
        [pl.scan_parquet(version.path / f"{split}.parquet", glob=False) for split in SPLITS], how="vertical_relaxed"
    )
    return sources.kept(("distributions", version.path), stamp(version), lambda: distributions(rows))


PAGE: Final = Page("/signatures/{signature}/versions/{version}", "version.html", show)
