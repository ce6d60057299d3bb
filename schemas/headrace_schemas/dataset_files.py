"""The files of a dataset version: the cut writes them, `headrace.load_dataset` reads them.

<root>/<signature>/v<N>/                  a version: a folder that is there whole or not at all
    train.jsonl val.jsonl test.jsonl      a line an example (`ExampleLine`), canonical JSON, sorted by key
    train.parquet val.parquet test.parquet    the same rows; inputs and outputs as canonical JSON texts
    provenance.jsonl                      a line an example: where it came from (`ProvenanceLine`)
    set_aside.jsonl                       what a gate took out, and why
    metadata.json manifest.json           figures for people; what `dataset replay` needs to make it again
    README.md report.html                 the card; the gates' report
<root>/<signature>/latest                 one line, the name of a version; replaced by rename
<root>/<signature>/sources/<source>.jsonl    examples that are no telemetry, appended (`SourceLine`)
<root>/<signature>/deleted/v<N>.json      a version that was deleted: who, when, why; its number is not used again
<root>/<signature>/used_by/<name>.json    a run or a rollout that uses a version (`Use`), which is not deleted meanwhile
"""

import re
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args
from urllib.parse import quote, unquote

__all__ = [
    "DELETED_FOLDER",
    "DIFFICULTIES",
    "LABELS",
    "LATEST",
    "PRODUCTION",
    "SOURCES",
    "SOURCES_FOLDER",
    "SOURCE_ORDER",
    "SPLITS",
    "USED_BY_FOLDER",
    "Difficulty",
    "ExampleLine",
    "Label",
    "ProvenanceLine",
    "Source",
    "SourceLine",
    "Split",
    "Use",
    "folder_name",
    "signature_of",
    "version_name",
    "version_number",
]

Split: TypeAlias = Literal["train", "val", "test"]
Source: TypeAlias = Literal["telemetry", "git", "synthetic", "import", "hand"]
Difficulty: TypeAlias = Literal["easy", "medium", "hard"]
Label: TypeAlias = Literal["corrected", "judged", "given", "generated", "unverified"]
"""What is known of an example's outputs: a person corrected them; scored them; they came with the example (import, by
hand); an LM wrote them for it (git, synthetic); they are the serving program's own answer, which nobody looked at."""

SPLITS: Final[tuple[Split, ...]] = get_args(Split)
SOURCES: Final[tuple[Source, ...]] = get_args(Source)
SOURCE_ORDER: Final[tuple[Source, ...]] = ("hand", "import", "telemetry", "git", "synthetic")
"""Of two examples with the same inputs and equally good labels the source that comes first here gives the one that
stands."""
DIFFICULTIES: Final[tuple[Difficulty, ...]] = get_args(Difficulty)
LABELS: Final[tuple[Label, ...]] = get_args(Label)
LATEST: Final = "latest"
PRODUCTION: Final = "production"
"""The environment whose cuts become the latest, and whose versions are loaded unless another is asked for."""
SOURCES_FOLDER: Final = "sources"
DELETED_FOLDER: Final = "deleted"
USED_BY_FOLDER: Final = "used_by"

_VERSION: Final = re.compile(r"v([1-9][0-9]{0,8})")
_LONGEST_FOLDER: Final = 200
_SAFE: Final = " +,=@()[]"


class ExampleLine(TypedDict):
    """One example.

    Attributes:
        example_id: the first 32 hex digits of the key.
        key: the deduplication key, 64 hex digits (`keys.dedup_key`); it decides the split.
        inputs: a value a field, JSON.
        outputs: likewise; a correction stands here if there was one.
        source: where it came from.
        label: what is known of its outputs.
        category: what it is about, where its source says so.
        difficulty: from measurable facts.
        quality: 0 to 1, late feedback included; None: unknown.
        weight: one over the inclusion probability; 1 where nothing was sampled.
        times_seen: how often its key came.
        timestamp_ms: of the call or the making, since the epoch.
    """

    example_id: str
    key: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    source: Source
    label: Label
    category: str | None
    difficulty: Difficulty
    quality: float | None
    weight: float
    times_seen: int
    timestamp_ms: int


class ProvenanceLine(TypedDict):
    """Where an example came from.

    Attributes:
        example_id: as in `ExampleLine`.
        source: likewise.
        timestamp: of the call or the making, ISO 8601 in UTC with a Z.
        metadata: of telemetry: original_timestamp_ms, latency_ms, cost_usd, model, request_id_hash, topic, partition,
            offset, inclusion_probability and versions; of git: the commit; of hand: who, when and why.
    """

    example_id: str
    source: Source
    timestamp: str
    metadata: dict[str, Any]


class SourceLine(TypedDict):
    """An example of a source other than telemetry, as it waits for a cut.

    Attributes:
        inputs: a value a field, JSON.
        outputs: likewise.
        category: what it is about, or None.
        difficulty: the source's own word, or None: computed at the cut.
        timestamp_ms: when it was made, since the epoch.
        metadata: for the provenance.
    """

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    category: str | None
    difficulty: Difficulty | None
    timestamp_ms: int
    metadata: dict[str, Any]


class Use(TypedDict):
    """A run or a rollout that uses a version; whoever uses it writes the file, and removes it at the end.

    Attributes:
        version: the version's name, e.g. v3.
        what: a run, a rollout, in words for people.
        since_ms: since when, since the epoch.
    """

    version: str
    what: str
    since_ms: int


def folder_name(signature: str) -> str:
    """Return the name of a signature's folder: itself, but for what a file name cannot hold.

    Raises:
        ValueError: it is empty or too long for a file name.
    """
    name = quote(signature, safe=_SAFE)
    if not name.strip("."):
        name = name.replace(".", "%2E")  # "." and ".." are other folders
    if not name or len(name) > _LONGEST_FOLDER:
        raise ValueError(f"a signature's name of {len(signature)} characters cannot name a folder")
    return name


def signature_of(folder: str) -> str:
    """Return the signature that a folder is named after."""
    return unquote(folder)


def version_name(number: int) -> str:
    """Return the name of a version's folder."""
    return f"v{number}"


def version_number(name: str) -> int | None:
    """Return the number of a version by its folder's name, or None where it is no version."""
    match = _VERSION.fullmatch(name)
    return None if match is None else int(match[1])
