"""Whether outputs that a person gives fit their fields: by the signature's class, else by what a version shows of them.

A version does not know its fields' types, only their hash. But a Literal or an enum shows: few texts, each often there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from headrace.errors import UsageError
from headrace_consumers.versions.files.kinds import few_texts
from headrace_consumers.versions.gates.schema import class_of
from headrace_consumers.versions.hand.finding import newest_first
from headrace_schemas import canonical
from headrace_schemas.dataset_manifest import environment_of

if TYPE_CHECKING:
    from headrace.datasets.place import Version

__all__ = ["Check", "FewValues", "check_of", "few_values", "insist_on_class", "insist_on_few"]

Check: TypeAlias = Callable[[str, Mapping[str, Any], Mapping[str, Any]], None]
"""Refuses outputs: of the example so named, those that somebody gives, and all that it then has."""

_LOOKED_AT: Final = 2_000
_LONGEST: Final = 64
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class FewValues:
    """The values of an output that looks like a Literal or an enum.

    Attributes:
        values: all that were found.
        of: in so many examples.
        version: of which version.
    """

    values: frozenset[str]
    of: int
    version: str


def check_of(folder: Path, signature_class: str | None, environment: str | None = None) -> Check:
    """Return what refuses outputs that are not of their fields' types, as far as these are known.

    Args:
        folder: of the signature.
        signature_class: of the gate of schema.
        environment: by whose newest version; None: by the newest of all.

    Raises:
        DatasetError, VersionsError: a version cannot be read.
    """
    if signature_class is not None:
        return lambda name, _given, outputs: insist_on_class(name, outputs, signature_class)
    some = (
        each for each in newest_first(folder) if environment is None or environment_of(each.manifest()) == environment
    )
    newest = next(some, None)
    few = {} if newest is None else few_values(newest)
    return lambda name, given, _outputs: insist_on_few(name, given, few)


def few_values(version: "Version") -> dict[str, FewValues]:
    """Return the outputs of a version whose texts are few and short, and each of them often there.

    Raises:
        DatasetError, VersionsError: the version cannot be read.
    """
    from headrace_consumers.versions.shelf.frames import scan

    found: dict[str, list[Any]] = {}
    for (text,) in scan(version).select("outputs").head(_LOOKED_AT).collect().iter_rows():
        for name, value in canonical.loads(text).items():
            found.setdefault(name, []).append(value)
    few = {name: (few_texts(values), len(values)) for name, values in found.items()}
    return {name: FewValues(texts, of, version.name) for name, (texts, of) in few.items() if texts is not None}


def insist_on_few(example_id: str, outputs: Mapping[str, Any], few: Mapping[str, FewValues]) -> None:
    """Return if each text is one of the few that its field has, where it has few.

    Raises:
        UsageError: one is none of them.
    """
    for name, value in sorted(outputs.items()):
        known = few.get(name)
        if known is not None and isinstance(value, str) and value not in known.values:
            said = f"output {name[:80]}: {value[:_LONGEST]!r}"
            named = ", ".join(map(repr, sorted(known.values)[:_NAMED]))
            more = f" and {len(known.values) - _NAMED} more" if len(known.values) > _NAMED else ""
            raise UsageError(
                f"{example_id}: {said} is none of the values that {known.of:,} examples of {known.version} have there: "
                f"{named}{more} (--any-kind takes it all the same)"
            )


def insist_on_class(example_id: str, outputs: Mapping[str, Any], path: str) -> None:
    """Return if all outputs of an example are of the types of their signature's class.

    Args:
        example_id: which.
        outputs: all.
        path: `signature_class` of the gate of schema.

    Raises:
        ConfigError: the class cannot be imported.
        UsageError: one is not.
    """
    from headrace.datasets.fields import FieldTypes, InvalidFieldError

    try:
        FieldTypes(class_of(path)).read("output", outputs)
    except InvalidFieldError as error:
        raise UsageError(f"{example_id}: {error}, by {path} (--any-kind takes it all the same)") from None
