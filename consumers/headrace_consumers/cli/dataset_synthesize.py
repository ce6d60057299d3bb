"""`headrace dataset synthesize`: edge cases for a dataset, by an LM."""

from collections import Counter
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headrace_consumers.cli.making_examples import (
    ApiBase,
    LMName,
    MaxCalls,
    Program,
    SignatureClass,
    SignatureName,
    Wanted,
    asker_of,
    insist_on_use,
    progress,
    reason_rows,
    target_from,
)
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import count, figures, print_json, print_lines
from headrace_consumers.cli.versions_place import Root
from headrace_consumers.cli.versions_tables import in_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.config import Config
    from headrace_consumers.versions.sources.synthesis import Synthesized
    from headrace_consumers.versions.sources.there import Known

__all__ = ["EXAMPLE", "synthesize"]

EXAMPLE: Final = "Example: headrace dataset synthesize --signature app.triage:ClassifyTicket --lm openai/gpt-4o-mini"

_MOST_CATEGORIES: Final = 8
_SHOWN: Final = 200
_COMPARED: Final = 5000
"""Real examples of which the LM sees a few at a time, and examples that those it makes must differ from."""

_ENDED: Final = {
    "target": "the target is reached",
    "calls": "--max-calls is reached; start it again to go on",
    "nothing new": "the last questions gave nothing new; give other categories, real examples or another model",
}


def synthesize(
    *,
    signature: SignatureName,
    signature_class: SignatureClass = None,
    program: Program = None,
    lm: LMName = None,
    api_base: ApiBase = None,
    target_count: Wanted = None,
    categories: Annotated[
        list[str] | None,
        typer.Option(
            "--category",
            metavar="TEXT",
            show_default=False,
            help="What examples are about; else the categories that there are, else the LM's own. Repeatable.",
        ),
    ] = None,
    most_alike: Annotated[
        float,
        typer.Option(
            "--most-alike",
            min=0,
            max=0.99,
            help="An example whose inputs are more alike to others' is left out, 0 to 1.",
        ),
    ] = 0.7,
    max_calls: MaxCalls = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Make edge cases by category and difficulty with an LM, up to optimization.synthetic_target, for the next cut.

    Each must fit the signature's types and be new. The LM is shown a few examples of train: of the latest version, or
    those imported or added by hand that a cut puts there. Stopped at any time, the same command goes on where it was.
    """
    import time

    from headrace.config import load
    from headrace_consumers.versions.sources.asking import asked_quietly
    from headrace_consumers.versions.sources.done import alone
    from headrace_consumers.versions.sources.making import Maker, redactor_of
    from headrace_consumers.versions.sources.novelty import Novelty
    from headrace_consumers.versions.sources.pool import Pool, pool_path, read_pool
    from headrace_consumers.versions.sources.synthesis import Synthesis, Synthesized, cells_of, edge_case_program
    from headrace_consumers.versions.sources.there import of_pools, of_train, of_version
    from headrace_schemas.dataset_files import DIFFICULTIES

    config = in_root(load(config_path), root)
    target = target_from(config, signature, signature_class)
    asker = asker_of(lambda: edge_case_program(target), program, lm, api_base, max_calls)
    maker = Maker(target, redactor_of(config), lambda: int(time.time() * 1000))
    root = Path(config.versions.path)
    path = pool_path(root, target.name, "synthetic")
    wanted = config.optimization.synthetic_target if target_count is None else target_count
    with alone(path.with_name("synthetic.lock")), asked_quietly(), progress("examples", wanted) as tell:
        there = read_pool(path).lines
        train = of_train(config, target.name, ["hand", "import"], _fields_hashes(config, target.name))
        shown = list(islice(train, _SHOWN))
        known = islice(chain(of_pools(root, target.name), of_version(root, target.name)), _COMPARED)
        shares = cells_of(
            categories or _categories(shown),
            {each: getattr(config.versions.difficulties, each) for each in DIFFICULTIES},
        )
        novelty = Novelty((each.inputs for each in known), most_alike)
        made = Synthesized(target=wanted, in_pool=len(there))
        synthesis = Synthesis(asker, maker, Pool(path), novelty, shares, shown)
        try:
            synthesis.run(there, wanted, made, lambda now: tell(now.in_pool, f"{count(now.asked)} questions"))
        except BaseException:
            if (made.added or made.unusable) and not as_json:
                _show(made, path, ended="stopped")
            raise
    if as_json:
        print_json({"signature": target.name, "path": str(path), **made.as_dict()})
    else:
        _show(made, path, ended=_ENDED[made.ended])
    insist_on_use(made.nothing, asker, is_in_vain=made.is_in_vain)


def _fields_hashes(config: "Config", signature: str) -> set[str]:
    """Return the fields that a first cut may choose: those of the table's newest calls, or unknown ones."""
    from headrace.errors import HeadraceError
    from headrace_consumers.cli.reading import newest

    try:
        return {"", *(row["fields_hash"] for row in newest(config.dataset, signature, _SHOWN))}
    except HeadraceError:  # no table, or no such signature in it
        return {""}


def _categories(examples: "Iterable[Known]") -> list[str]:
    """Return the most frequent categories of examples."""
    counts = Counter(each.category for each in examples if each.category is not None)
    return [category for category, _ in counts.most_common(_MOST_CATEGORIES)]


def _show(made: "Synthesized", path: Path, *, ended: str) -> None:
    rows = [
        ("examples", count(made.in_pool), f"of {count(made.target)}: {ended}"),
        ("added now", count(made.added), f"in {path}"),
        ("questions", count(made.asked), f"{count(made.calls)} calls of the LM"),
        *([("answers of no use", count(made.unusable), "")] if made.unusable else []),
        *reason_rows(
            {
                "by category / difficulty": made.cells,
                "questions without an example": made.nothing,
                "proposals left out": made.left_out,
            }
        ),
    ]
    print_lines(figures(rows))
