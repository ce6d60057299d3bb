"""What an erasure has removed from a table, as the table's own log tells it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Removal", "removal_of", "told"]

_NAME: Final = "headrace.erasure"


@dataclass(slots=True)
class Removal:
    """What was removed, in one commit or in all of an erasure.

    Attributes:
        rows: by signature; of a side table under "".
        files: that were rewritten or removed.
        versions: of the table, that removed them.
    """

    rows: Counter[str] = field(default_factory=Counter)
    files: int = 0
    versions: list[int] = field(default_factory=list)


def told(erasure_id: str, removal: Removal) -> dict[str, str]:
    """Return what a commit tells of its removal."""
    return {
        "headrace.maintenance": "erasure",
        _NAME: json.dumps({"id": erasure_id, "rows": dict(removal.rows), "files": removal.files}),
    }


def removal_of(history: Iterable[Mapping[str, Any]], erasure_id: str) -> Removal:
    """Return what all commits of an erasure have removed.

    Args:
        history: entries of `DeltaTable.history()`.
        erasure_id: of the erasure.
    """
    total = Removal()
    for entry in history:
        try:
            found = json.loads(entry[_NAME])
            if found["id"] != erasure_id:
                continue
            total.rows.update({str(name): int(count) for name, count in found["rows"].items()})
            total.files += int(found["files"])
            total.versions.append(int(entry["version"]))
        except (KeyError, TypeError, ValueError):
            continue
    total.versions.sort()
    return total
