"""What differs between two versions: examples added, removed, changed; how far their properties have drifted."""

from typing import Any, Final

from headrace.datasets.place import Version
from headrace_consumers.ui.page import Asked, NothingThereError, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.examples import insist_on_sizes, scan, stamp
from headrace_consumers.ui.reading.shelves import shelf_of, version_named
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.telling import diff as room

__all__ = ["PAGE"]

_NAMED: Final = 25


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the difference; without names, that of the newest two.

    Raises:
        NothingThereError: there is no such version, or only one.
        HeadraceError: the folder cannot be read.
    """
    signature = asked.names["signature"]
    names = [each.name for each in shelf_of(sources, signature).books]
    if len(names) < 2:  # noqa: PLR2004  # it takes two
        raise NothingThereError(
            f"{signature[:128]}: {len(names)} versions, and a difference takes two; headrace dataset cut makes one"
        )
    before = version_named(sources, signature, asked.get("a") or names[1])
    after = version_named(sources, signature, asked.get("b") or names[0])
    return {
        "title": f"{signature}: {before.name} to {after.name}",
        "signature": signature,
        "names": names,
        "before": before.name,
        "after": after.name,
        "numeric": room.NUMERIC,
        "named": _NAMED,
        "found": part(lambda: _diff(sources, before, after)),
    }


def _diff(sources: Sources, before: Version, after: Version) -> dict[str, Any]:
    def made() -> dict[str, Any]:
        for version in (before, after):
            insist_on_sizes(version)
        found, ids = room.compared(scan(before.path), scan(after.path), _NAMED)
        return {"diff": found, "ids": ids}

    return sources.kept(("diff", before.path, after.path), (stamp(before), stamp(after)), made)


PAGE: Final = Page("/signatures/{signature}/diff", "diff.html", show)
