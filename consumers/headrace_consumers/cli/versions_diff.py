"""`headrace versions diff`: which examples differ between two versions, and how far they have drifted."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines, shares, shortened
from headrace_consumers.cli.versions_place import Root, Signature, root_of, version_of

if TYPE_CHECKING:
    from headrace_consumers.versions.telling.diff import Diff, Property

__all__ = ["EXAMPLE", "diff"]

EXAMPLE: Final = "Example: headrace versions diff -s ClassifyTicket v2 v3 --examples 5"

_SHOWN: Final = 4


def diff(
    *,
    signature: Signature,
    before: Annotated[str, typer.Argument(metavar="A", show_default=False, help="One like v2 or 2, or latest.")],
    after: Annotated[str, typer.Argument(metavar="B", show_default=False, help="Another one.")],
    examples: Annotated[int, typer.Option("--examples", min=0, help="Name so many of each kind, by id.")] = 0,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions: examples added, removed, changed; drift of lengths, labels, categories and more.

    Drift is the Jensen-Shannon distance, 0 to 1, beside what chance alone would show.
    """
    from headrace_consumers.versions.shelf.frames import scan
    from headrace_consumers.versions.telling import diff as room

    place = root_of(root, config_path)
    first, second = (version_of(place, signature, name) for name in (before, after))
    frames = scan(first), scan(second)
    found, ids = room.compared(*frames, examples) if examples else (room.diff(*frames), {})
    if as_json:
        print_json({"versions": [first.name, second.name], **found.as_dict(), "example_ids": ids})
        return
    print_lines(_lines(f"{signature}: {first.name} -> {second.name}", found))
    print_lines(f"{kind}: {each}" for kind, named in ids.items() for each in named)


def _lines(title: str, found: "Diff") -> list[str]:
    changed = f" ({shares(found.changed)})" if found.changed else ""
    header = ("", "distance", "by chance", "", "before", "after")
    rows = [header, *(_row(name, each) for name, each in found.properties.items())]
    return [
        f"{title}: {count(found.before)} -> {count(found.after)} examples",
        f"added {count(found.added)}, removed {count(found.removed)}, changed {count(found.changed_examples)}{changed}",
        "",
        *columns(rows, right=frozenset({1, 2})),
        "",
        "numbers are told by their quartiles",
    ]


def _row(name: str, each: "Property") -> tuple[str, ...]:
    from headrace_consumers.versions.telling.diff import NUMERIC

    figures = (each.drift.distance, each.drift.by_chance)
    told = ["-" if figure is None else f"{figure:.3f}" for figure in figures]
    show = _quartiles if name in NUMERIC else _largest
    return (name, *told, "DRIFT" if each.drift.has_drifted else "", show(each.before), show(each.after))


def _largest(shares_: "dict[str, float]") -> str:
    named = [f"{shortened(name, 24) or '(none)'} {share:.1%}" for name, share in list(shares_.items())[:_SHOWN]]
    more = len(shares_) - _SHOWN
    return ", ".join([*named, f"{more} more"] if more > 0 else named)


def _quartiles(quartiles: "dict[str, float]") -> str:
    return " / ".join(f"{value:,.4g}" for value in quartiles.values()) or "-"
