"""`headrace.load_dataset`: a version's split as dspy.Examples."""

import os
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from headrace.datasets.examples import ExampleFacts, Examples
from headrace.datasets.place import Version, located
from headrace.errors import DatasetError, UsageError, require_dspy
from headrace_schemas import canonical
from headrace_schemas.dataset_files import LABELS, PRODUCTION, SPLITS, ExampleLine, Label, Split
from headrace_schemas.dataset_manifest import environment_of
from headrace_schemas.errors import CanonicalizationError

__all__ = ["TRUSTED", "load_dataset"]

TRUSTED: Final[tuple[Label, ...]] = ("corrected", "judged", "given")
"""Labels of outputs that somebody vouches for."""

_ALL: Final = "all"
_UNDECLARED: Final = "StringSignature"

Invalid: TypeAlias = Literal["raise", "skip"]


def load_dataset(
    signature: Any,
    version: str | int = "latest",
    *,
    split: Split | Literal["all"] = "train",
    types: Any = None,
    root: str | os.PathLike[str] | None = None,
    labels: Collection[Label] | None = None,
    min_trusted_share: float = 0.0,
    on_invalid: Invalid = "raise",
    check_fields: bool = True,
    environment: str = PRODUCTION,
) -> Examples:
    """Return a split of a dataset version as dspy.Examples, with the inputs set.

        trainset = headrace.load_dataset(ClassifyTicket)
        valset = headrace.load_dataset(ClassifyTicket, trainset.version, split="val")
        optimizer.compile(program, trainset=trainset, valset=valset)

    The files' hashes are checked against the version's manifest.

    Args:
        signature: a dspy.Signature class, or the name of a dataset. With a class, or a name whose class is found among
            the instrumented modules of this process, each value is validated by its field's type; else it stays JSON.
        version: latest, or one like v3 or 3.
        split: train, val, test, or all.
        types: the class by which to validate, where `signature` is a name: of an inline signature, say.
        root: the folder of all versions; else `versions.path` of what is configured, or of the file that
            HEADRACE_CONFIG names.
        labels: only examples with these labels (corrected, judged, given, generated, unverified).
        min_trusted_share: from 0 to 1, how much of what is returned must be corrected, judged or given; an answer of
            the serving program that nobody looked at is neither.
        on_invalid: what to do with an example that does not fit the types: raise, or skip it and tell it in `.skipped`.
        check_fields: whether a class with other fields than the dataset's is refused.
        environment: whose calls the version must be of; a version of another one is refused.

    Returns:
        A list with `facts` (label, weight, source ... by id), `weights`, `labels`, `skipped`, `lossy`, `version`.

    Raises:
        DatasetError: there is no such version, or it is of another environment; a file was changed; an example does
            not fit; too few are trusted.
        UsageError: an argument that cannot be used.
        ConfigError: the configuration cannot be used.
        DSPyMissingError: dspy is not installed.
    """
    require_dspy()
    _check(split, labels, min_trusted_share, on_invalid)
    name, types = _meant(signature, types)
    meant = located(_root(root), name, version)
    _insist_on_environment(meant, environment)
    fields = None
    if types is not None:
        if check_fields:
            _insist_on_fields(meant, types, split)
        from headrace.datasets.fields import FieldTypes

        fields = FieldTypes(types)
    examples: list[Any] = []
    facts: dict[str, ExampleFacts] = {}
    skipped: dict[str, str] = {}
    for file_name, line in _lines(meant, split):
        if labels is not None and line["label"] not in labels:
            continue
        try:
            examples.append(_example(line, fields))
        except _InvalidExampleError as error:
            where = f"{meant.path / file_name}: example {line['example_id']}, {error}"
            if on_invalid == "raise":
                raise DatasetError(
                    f"{where}; headrace dataset relabel or exclude mends it for the next version, "
                    "on_invalid='skip' leaves such examples out"
                ) from None
            skipped[line["example_id"]] = str(error)
            continue
        facts[line["example_id"]] = ExampleFacts.of(line)
    loaded = Examples(
        examples,
        signature=name,
        version=meant.name,
        split=split,
        facts=facts,
        skipped=skipped,
        lossy={} if fields is None else fields.lossy,
    )
    _insist_on_trust(loaded, meant, min_trusted_share)
    for field, loss in loaded.lossy.items():
        warnings.warn(f"{name}.{field}: {loss}", stacklevel=2)
    return loaded


class _InvalidExampleError(Exception):
    """An example does not fit the types."""


def _check(split: str, labels: Collection[str] | None, min_trusted_share: float, on_invalid: str) -> None:
    if split not in (*SPLITS, _ALL):
        raise UsageError(f"split: found {split!r}, expected one of {', '.join((*SPLITS, _ALL))}")
    if isinstance(labels, str) or any(label not in LABELS for label in labels or ()):
        raise UsageError(f"labels: found {labels!r}, expected some of {', '.join(LABELS)}")
    if not 0 <= min_trusted_share <= 1:
        raise UsageError(f"min_trusted_share: found {min_trusted_share!r}, expected a share from 0 to 1")
    if on_invalid not in ("raise", "skip"):
        raise UsageError(f"on_invalid: found {on_invalid!r}, expected raise or skip")


def _meant(signature: Any, types: Any) -> tuple[str, Any]:
    """Return the dataset's name and the class to validate by, if there is one."""
    import dspy

    for argument, value in (("types", types), ("signature", signature)):
        is_class = isinstance(value, type) and issubclass(value, dspy.Signature)
        is_right = is_class or (value is None if argument == "types" else isinstance(value, str) and value)
        if not is_right:
            expected = "a dspy.Signature class" if argument == "types" else "a name or a dspy.Signature class"
            raise UsageError(f"{argument}: found {type(value).__name__}, expected {expected}")
    if isinstance(signature, str):
        from headrace.datasets.declared import declared

        return signature, declared(signature) if types is None else types
    if signature.__name__ == _UNDECLARED:
        raise UsageError(
            "signature: an inline signature has no name of its own; give the dataset's name, as headrace versions ls "
            "shows it, and the class as types="
        )
    return signature.__name__, signature if types is None else types


def _root(root: str | os.PathLike[str] | None) -> Path:
    if root is not None:
        return Path(root)
    from headrace.config import load
    from headrace.runtime import slot

    config = load() if slot.active is None else slot.active.config
    return Path(config.versions.path)


def _insist_on_environment(meant: Version, environment: str) -> None:
    found = environment_of(meant.manifest())
    if found != environment:
        raise DatasetError(
            f"{meant.path}: was cut of the calls of {found[:80]}, not of {environment}; environment={found!r} "
            "loads it all the same, headrace versions ls names the others"
        )


def _insist_on_fields(meant: Version, types: Any, split: str) -> None:
    from headrace.datasets.fields import hashes_of

    expected, possible = meant.manifest()["fields_hash"], hashes_of(types)
    if not expected or expected in possible:  # "": nothing was captured, the examples are of other sources
        return
    line = next((line for _, line in _lines(meant, split)), None)
    has = "nothing" if line is None else f"{', '.join(line['inputs'])} -> {', '.join(line['outputs'])}"
    raise DatasetError(
        f"{meant.path}: has other fields than the class: {has} (fields_hash {expected}); the class: {_told(types)} "
        f"(fields_hash {possible[0]}). Cut a version of today's fields, or give check_fields=False to validate anyway"
    )


def _told(types: Any) -> str:
    from headrace.capture.annotations import type_name

    sides = (types.input_fields, types.output_fields)
    texts = [", ".join(f"{name}: {type_name(info.annotation)}" for name, info in side.items()) for side in sides]
    return " -> ".join(texts)


def _lines(meant: Version, split: str) -> Iterator[tuple[str, ExampleLine]]:
    for each in SPLITS if split == _ALL else (split,):
        file_name = f"{each}.jsonl"
        for number, text in enumerate(meant.content(file_name).split(b"\n"), 1):
            if not text:
                continue
            try:
                line = canonical.loads(text)
            except CanonicalizationError:
                line = None
            if not isinstance(line, dict) or not line.keys() >= ExampleLine.__annotations__.keys():
                raise DatasetError(f"{meant.path / file_name}:{number}: no example; cut the version anew")
            yield file_name, line  # type: ignore[misc]  # it has all members


def _example(line: ExampleLine, fields: Any) -> Any:
    import dspy

    inputs, outputs = line["inputs"], line["outputs"]
    if fields is not None:
        from headrace.datasets.fields import InvalidFieldError

        try:
            inputs, outputs = fields.read("input", inputs), fields.read("output", outputs)
        except InvalidFieldError as error:
            raise _InvalidExampleError(f"{error.field}: {error.reason}") from None
    # An input that is an output too can stand there only once.
    return dspy.Example({**outputs, **inputs, "dspy_uuid": line["example_id"]}).with_inputs(*inputs)


def _insist_on_trust(loaded: Examples, meant: Version, least: float) -> None:
    counts = loaded.labels
    trusted = sum(counts[label] for label in TRUSTED)
    if trusted >= least * len(loaded) and (loaded or not least):
        return
    share = trusted / len(loaded) if loaded else 0.0
    has = ", ".join(f"{label} {count}" for label, count in counts.most_common()) or "no examples"
    raise DatasetError(
        f"{meant.path}, {loaded.split}: {share:.1%} of the examples are corrected, judged or given ({has}), and "
        f"{least:.1%} were asked for; collect feedback with corrections or scores (headrace.feedback), relabel or add "
        "examples by hand (headrace dataset relabel, add) and cut again; or ask for less, or for labels=..."
    )
