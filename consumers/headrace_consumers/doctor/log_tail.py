"""The newest lines of the JSON Lines log, as records. The document: "must be valid JSON Lines"."""

import json
from pathlib import Path
from typing import Any, Final

from headrace_consumers.dataset.records.decode import Decoded
from headrace_consumers.doctor.traffic import Sample
from headrace_schemas import Interaction

__all__ = ["read_log"]

_TAIL_BYTES: Final = 4_000_000
_FIELDS: Final = frozenset(Interaction.__annotations__)


def read_log(path: Path) -> Sample:
    """Return the records in the last megabytes of a log; one without any where there is none.

    Raises:
        OSError: it cannot be read.
    """
    sample = Sample(str(path))
    if not path.exists():
        return sample
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().splitlines()
    for line in lines[1 if size > _TAIL_BYTES else 0 :]:  # the first of a tail is cut
        decoded = _decoded(line)
        if decoded is None:
            sample.unreadable["no line of JSON with an interaction's fields"] += 1
        else:
            sample.readable.append(decoded)
    return sample


def _decoded(line: bytes) -> Decoded | None:
    try:
        fields: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not fields.keys() >= _FIELDS or not isinstance(fields["output"], dict):
        return None
    output = fields["output"]
    record: Any = {**fields, "output": json.dumps(output, ensure_ascii=False)}
    return Decoded(record, output)
