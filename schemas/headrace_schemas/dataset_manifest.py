"""What stands in a version's manifest.json and metadata.json, as far as its readers look; the cut writes more.

    manifest.json    for `dataset replay` and for checking: what it was made from, and the hash of every other file
    metadata.json    figures for people; nothing here is needed to read the examples

Names of the files and their lines: `dataset_files`.
"""

from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypedDict

from headrace_schemas.dataset_files import PRODUCTION, Split

__all__ = [
    "MANIFEST",
    "METADATA",
    "Erased",
    "FileFacts",
    "Filter",
    "GateVerdict",
    "Manifest",
    "Metadata",
    "OffsetRange",
    "SplitFigures",
    "environment_of",
]

MANIFEST: Final = "manifest.json"
METADATA: Final = "metadata.json"


class FileFacts(TypedDict):
    """One file of a version.

    Attributes:
        sha256: of its bytes, 64 hex digits.
        size_bytes: how many.
    """

    sha256: str
    size_bytes: int


class GateVerdict(TypedDict):
    """What a gate said.

    Attributes:
        gate: its name.
        threshold: what was asked for; None where it has none.
        figure: what was found; None where it could not be told.
        is_passed: whether that is enough.
        is_judged: whether there was something to judge: if not it is passed. Absent in versions of before: True.
        set_aside: how many examples it took out.
    """

    gate: str
    threshold: float | None
    figure: float | None
    is_passed: bool
    is_judged: NotRequired[bool]
    set_aside: int


class OffsetRange(TypedDict):
    """What was read of a topic's partition.

    Attributes:
        topic: its name.
        topic_id: its id in Kafka.
        partition: its number.
        first: the least offset of a row of the signature.
        last: the greatest.
    """

    topic: str
    topic_id: str
    partition: int
    first: int
    last: int


class Filter(TypedDict):
    """What the consumer's filter asks of a signature's calls, as it was configured when the version was cut.

    Attributes:
        version: the first 8 hex digits of the SHA-256 of the thresholds' canonical JSON.
        thresholds: by name, `filters` of the configuration.
    """

    version: str
    thresholds: dict[str, Any]


class Erased(TypedDict):
    """An erasure that rewrote the version.

    Attributes:
        erasure_id: as its certificate has it.
        at: when, ISO 8601 in UTC with a Z.
        examples: how many were taken out.
        previous_manifest_sha256: of the manifest before it.
    """

    erasure_id: str
    at: str
    examples: int
    previous_manifest_sha256: str


class Manifest(TypedDict):
    """manifest.json.

    Attributes:
        format: of the files; 1.
        signature: its name.
        version: its folder's name, e.g. v3.
        fields_hash: the identity of the signature's fields (`keys.fields_hash`); "": no call was captured yet.
        environment: whose calls were read.
        offsets: what was read of Kafka's partitions, through the table.
        filter: what the consumer's filter asks. Absent in versions of before, and so are the next three.
        redaction_versions: by which rules the rows were redacted -> how many.
        dedup_policies: what made two inputs of rows the same -> how many.
        module_versions: which program answered -> how many rows.
        gates: the gates' verdicts.
        files: of the version by name, but for manifest.json itself, and README.md and report.html, which can be
            made anew.
        erased: the erasures that rewrote it, the oldest first; absent where there was none.
    """

    format: int
    signature: str
    version: str
    fields_hash: str
    environment: str
    offsets: list[OffsetRange]
    filter: NotRequired[Filter]
    redaction_versions: NotRequired[dict[str, int]]
    dedup_policies: NotRequired[dict[str, int]]
    module_versions: NotRequired[dict[str, int]]
    gates: list[GateVerdict]
    files: dict[str, FileFacts]
    erased: NotRequired[list[Erased]]


class SplitFigures(TypedDict):
    """The examples of one split, counted.

    Attributes:
        examples: all.
        sources: by source; what is not there is absent, here and below.
        labels: by label.
        difficulties: by difficulty.
        categories: by category, "" for those without.
    """

    examples: int
    sources: dict[str, int]
    labels: dict[str, int]
    difficulties: dict[str, int]
    categories: dict[str, int]


class Metadata(TypedDict):
    """metadata.json.

    Attributes:
        signature: its name.
        version: its folder's name.
        made_at: when it was cut, ISO 8601 in UTC with a Z.
        examples: in all splits.
        splits: by split.
    """

    signature: str
    version: str
    made_at: str
    examples: int
    splits: dict[Split, SplitFigures]


def environment_of(manifest: Mapping[str, Any]) -> str:
    """Return whose calls a version was cut of; versions of before environments were told are of production."""
    return str(manifest.get("environment", PRODUCTION))
