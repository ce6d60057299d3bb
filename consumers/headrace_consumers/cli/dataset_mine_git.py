"""`headrace dataset mine-git`: a repository's commits into examples, by an LM."""

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
    from headrace_consumers.versions.sources.mining import Mined

__all__ = ["EXAMPLE", "mine_git"]

EXAMPLE: Final = (
    "Example: headrace dataset mine-git --signature app.triage:ClassifyTicket --repo . --lm openai/gpt-4o-mini"
)

_ENDED: Final = {
    "target": "the target is reached",
    "history": "no commits are left",
    "calls": "--max-calls is reached; start it again to go on",
    "commits": "--max is reached; start it again to go on",
    "unusable": "the last answers were of no use; try another model or program",
}


def mine_git(
    *,
    signature: SignatureName,
    repository_path: Annotated[Path, typer.Option("--repo", metavar="PATH", help="A git repository.")],
    signature_class: SignatureClass = None,
    program: Program = None,
    lm: LMName = None,
    api_base: ApiBase = None,
    target_count: Wanted = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", show_default=False, help="No older commits, as git reads dates."),
    ] = None,
    ref: Annotated[str, typer.Option("--ref", metavar="REF", help="From this commit or branch on back.")] = "HEAD",
    max_commits: Annotated[
        int | None,
        typer.Option("--max", min=1, metavar="N", show_default=False, help="Ask about N commits at most this time."),
    ] = None,
    max_calls: MaxCalls = None,
    max_diff_bytes: Annotated[
        int, typer.Option("--max-diff-bytes", min=500, metavar="N", help="So much of a commit's diff is shown.")
    ] = 12_000,
    again: Annotated[
        bool, typer.Option("--again", help="Ask again about commits that gave nothing, e.g. with another model.")
    ] = False,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Make examples of a repository's commits with an LM, up to optimization.git_target, for the next cut.

    Of commits that are no merges and say what they did, the changes in source files go to the LM, without secrets.
    Stopped at any time, the same command goes on where it was. Code 1 where no answer was of any use.
    """
    import time

    from headrace.config import load
    from headrace_consumers.versions.sources.asking import asked_quietly
    from headrace_consumers.versions.sources.commits import Repository
    from headrace_consumers.versions.sources.done import UNUSABLE, CommitsDone, alone
    from headrace_consumers.versions.sources.making import Maker, redactor_of
    from headrace_consumers.versions.sources.mining import Mined, Mining, commit_program
    from headrace_consumers.versions.sources.pool import Pool, pool_path, read_pool

    config = in_root(load(config_path), root)
    repository = Repository(repository_path)
    target = target_from(config, signature, signature_class)
    asker = asker_of(lambda: commit_program(target), program, lm, api_base, max_calls)
    maker = Maker(target, redactor_of(config), lambda: int(time.time() * 1000))
    path = pool_path(Path(config.versions.path), target.name, "git")
    wanted = config.optimization.git_target if target_count is None else target_count
    with alone(path.with_name("git.lock")), asked_quietly(), progress("examples", wanted) as tell:
        there = read_pool(path).lines
        done = CommitsDone(path.with_name("git.done.jsonl"), there, again=again)
        mining = Mining(repository, asker, maker, Pool(path), done, max_diff_bytes, max_commits)
        mined = Mined(target=wanted, in_pool=len(there))
        try:
            mining.run(
                mined,
                ref=ref,
                since=since,
                on_step=lambda now: tell(now.in_pool, f"{count(now.looked_at)} commits, {count(now.asked)} asked"),
            )
        except BaseException:
            if (mined.added or mined.unusable) and not as_json:
                _show(mined, path, ended="stopped")
            raise
    if as_json:
        print_json({"signature": target.name, "path": str(path), **mined.as_dict()})
    else:
        _show(mined, path, ended=_ENDED[mined.ended])
    unusable = {reason: number for reason, number in mined.nothing.items() if reason in UNUSABLE}
    insist_on_use(unusable, asker, is_in_vain=mined.is_in_vain)


def _show(mined: "Mined", path: Path, *, ended: str) -> None:
    again = f"the next run asks again about {count(mined.asked_again)} of these commits; about each three times in all"
    rows = [
        ("examples", count(mined.in_pool), f"of {count(mined.target)}: {ended}"),
        ("added now", count(mined.added), f"in {path}"),
        ("commits looked at", count(mined.looked_at), f"{count(mined.done_before)} of them done before"),
        ("commits asked about", count(mined.asked), f"{count(mined.calls)} calls of the LM"),
        *([("answers of no use", count(mined.unusable), again)] if mined.unusable else []),
        *reason_rows(
            {
                "commits without an example": mined.nothing,
                "proposals left out": mined.left_out,
                "hidden from the LM": mined.redactions,
            }
        ),
    ]
    print_lines(figures(rows))
