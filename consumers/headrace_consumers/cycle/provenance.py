"""Whether a version's examples come from where its figures say, by provenance.jsonl, example by example."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from headrace.datasets.place import Version
from headrace_consumers.cycle.errors import CycleError
from headrace_schemas.dataset_files import SPLITS
from headrace_schemas.dataset_manifest import METADATA

__all__ = ["Contents", "verified"]

_FILE: Final = "provenance.jsonl"
_OF_KAFKA: Final = ("topic", "partition", "offset")


class Contents:
    """What a version holds, as far as a cycle looks.

    Attributes:
        examples: split -> how many.
        labels: split -> label -> how many.
        sources: source -> how many, as provenance.jsonl has it.
        fields: the names of inputs and outputs, in the order of the first example.
    """

    def __init__(self) -> None:
        self.examples: dict[str, int] = {}
        self.labels: dict[str, dict[str, int]] = {}
        self.sources: Counter[str] = Counter()
        self.fields: dict[str, list[str]] = {"inputs": [], "outputs": []}

    @property
    def telemetry_share(self) -> float:
        """The share of the examples that come from telemetry."""
        total = self.sources.total()
        return self.sources["telemetry"] / total if total else 0.0


def verified(version: Version) -> Contents:
    """Return what a version holds, once provenance, examples and figures agree.

    Every example has one line of provenance, of the same source; one of telemetry names its place in Kafka; and
    metadata.json counts the sources as they are.

    Raises:
        CycleError: they do not.
        DatasetError: a file was changed, or cannot be read.
    """
    told = _sources(version)
    contents = Contents()
    for split in SPLITS:
        labels: Counter[str] = Counter()
        for line in _lines(version, f"{split}.jsonl"):
            source = told.pop(line["example_id"], "")
            if source != line["source"]:
                raise CycleError(
                    f"{version.path / _FILE}: says that example {line['example_id']} is of {source or 'nothing'}, "
                    f"{split}.jsonl that it is of {line['source']}; cut the version anew"
                )
            contents.sources[source] += 1
            labels[line["label"]] += 1
            if not contents.fields["inputs"]:
                contents.fields = {side: list(line[side]) for side in ("inputs", "outputs")}
        contents.examples[split] = labels.total()
        contents.labels[split] = dict(labels)
    if told:
        raise CycleError(
            f"{version.path / _FILE}: tells of {len(told):,} examples that no split has, e.g. {next(iter(told))}; "
            "cut the version anew"
        )
    _insist_on_figures(version, contents)
    return contents


def _sources(version: Version) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _lines(version, _FILE):
        example, source = line["example_id"], line["source"]
        if example in found:
            raise CycleError(f"{version.path / _FILE}: tells of example {example} twice; cut the version anew")
        if source == "telemetry" and any(line["metadata"].get(part) is None for part in _OF_KAFKA):
            raise CycleError(
                f"{version.path / _FILE}: says that example {example} is of telemetry, and not from which topic, "
                "partition and offset; cut the version anew"
            )
        found[example] = source
    return found


def _insist_on_figures(version: Version, contents: Contents) -> None:
    metadata: Any = json.loads(version.content(METADATA))
    counted: Counter[str] = Counter()
    for split in metadata["splits"].values():
        counted.update(split["sources"])
    if +counted != +contents.sources:
        said = ", ".join(f"{name} {counted[name]}" for name in sorted(counted))
        has = ", ".join(f"{name} {contents.sources[name]}" for name in sorted(contents.sources))
        raise CycleError(
            f"{version.path}: metadata.json says {said}, provenance.jsonl {has}; telemetry's share is not what it is "
            "said to be: cut the version anew"
        )


def _lines(version: Version, file_name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in version.content(file_name).splitlines()]


def version_at(path: Path, signature: str) -> Version:
    """Return the version whose folder it is."""
    return Version(signature, path.name, path)
