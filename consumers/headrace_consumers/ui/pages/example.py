"""One example: inputs, outputs, where it came from; beside it, how another version has it; or why it is not there."""

from typing import Any, Final

from headrace_consumers.ui.page import Asked, NothingThereError, Page, Shown
from headrace_consumers.ui.reading.examples import aside, example
from headrace_consumers.ui.reading.shelves import version_named
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]

_SIDES: Final = ("inputs", "outputs")
_FACTS: Final = (
    "split", "label", "source", "category", "difficulty", "quality", "weight", "times_seen", "timestamp_ms", "key",
)  # fmt: skip


def show(sources: Sources, asked: Asked) -> Shown:
    """Return an example.

    Raises:
        NothingThereError: there is no such version, or nothing is known of the example there.
        HeadraceError: the folder cannot be read.
    """
    signature, id_ = asked.names["signature"], asked.names["example"]
    version = version_named(sources, signature, asked.names["version"])
    found, missing = _or_none(sources, signature, version.name, id_)
    other_name = asked.get("with")
    other, other_missing = _or_none(sources, signature, other_name, id_) if other_name else (None, "")
    set_aside = [] if found is not None else aside(version, example_id=id_).rows
    if found is None and other is None and not set_aside:
        raise NothingThereError(missing)
    return {
        "title": f"Example {id_[:12]} of {signature} {version.name}",
        "signature": signature,
        "version": version.name,
        "id": id_,
        "found": found,
        "facts": {} if found is None else {name: found[name] for name in _FACTS if found[name] is not None},
        "sides": _SIDES,
        "set_aside": set_aside,
        "other_name": other_name,
        "other": other,
        "other_missing": other_missing,
        "changed": _changed(found, other),
    }


def _or_none(sources: Sources, signature: str, name: str, id_: str) -> tuple[dict[str, Any] | None, str]:
    try:
        return example(version_named(sources, signature, name), id_), ""
    except NothingThereError as error:
        return None, str(error)


def _changed(found: dict[str, Any] | None, other: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return what differs: a name, what this version has, what the other has."""
    if found is None or other is None:
        return []
    rows = []
    for side in _SIDES:
        names = dict.fromkeys([*other[side], *found[side]])
        rows += [
            {"name": f"{side}: {name}", "before": other[side].get(name), "after": found[side].get(name)}
            for name in names
            if other[side].get(name) != found[side].get(name)
        ]
    rows += [
        {"name": name, "before": other[name], "after": found[name]} for name in _FACTS if other[name] != found[name]
    ]
    return rows


PAGE: Final = Page("/signatures/{signature}/versions/{version}/examples/{example}", "example.html", show)
