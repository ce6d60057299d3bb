"""Examples of other sources, up to their targets: commits of a repository, edge cases by an LM. In the worker."""

import time
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from headrace.config import Config
from headrace_consumers.cycle.artefacts import SourceFound
from headrace_consumers.versions.sources.asking import Asker, asked_quietly
from headrace_consumers.versions.sources.commits import Repository
from headrace_consumers.versions.sources.done import CommitsDone, alone
from headrace_consumers.versions.sources.making import Maker, redactor_of
from headrace_consumers.versions.sources.mining import Mined, Mining, commit_program
from headrace_consumers.versions.sources.novelty import Novelty
from headrace_consumers.versions.sources.pool import Pool, pool_path, read_pool
from headrace_consumers.versions.sources.synthesis import Synthesis, Synthesized, cells_of, edge_case_program
from headrace_consumers.versions.sources.target import Target
from headrace_consumers.versions.sources.there import of_pools, of_train, of_version
from headrace_schemas.dataset_files import DIFFICULTIES

__all__ = ["Told", "in_pool", "made_up", "mined"]

Told: TypeAlias = Callable[[str, int, int], None]
"""Given the source, how many there are and how many are wanted."""

_MAX_DIFF_BYTES: Final = 12_000
_MOST_ALIKE: Final = 0.7
_SHOWN: Final = 200
_COMPARED: Final = 5000

_ENDED: Final = {
    "target": "the target is reached",
    "history": "no commits are left",
    "calls": "optimization.max_lm_calls is reached",
    "commits": "no more commits",
    "nothing new": "the last questions gave nothing new",
    "unusable": "the last answers were of no use",
}
_IN_VAIN: Final = "no answer was of any use"


def in_pool(config: Config, target: Target, source: str) -> int:
    """Return how many examples of a source there are.

    Raises:
        PoolError: its pool cannot be read.
    """
    return len(read_pool(pool_path(Path(config.versions.path), target.name, source)).lines)  # type: ignore[arg-type]  # a source


def mined(config: Config, target: Target, lm: Any, calls: int | None, tell: Told) -> SourceFound:
    """Make examples of commits, up to the target, where a repository is named.

    Raises:
        LMError, GitError, PoolError, SourceBusyError, UsageError: see `headrace dataset mine-git`.
    """
    wanted = config.optimization.git_target
    path = pool_path(Path(config.versions.path), target.name, "git")
    there = read_pool(path).lines
    if config.optimization.git_repository is None or len(there) >= wanted:
        return SourceFound(wanted=wanted, found=len(there))
    repository = Repository(Path(config.optimization.git_repository))
    asker = Asker(commit_program(target), lm, max_calls=calls, options="optimization: ")
    maker = Maker(target, redactor_of(config), lambda: int(time.time() * 1000))
    with alone(path.with_name("git.lock")), asked_quietly():
        there = read_pool(path).lines
        done = CommitsDone(path.with_name("git.done.jsonl"), there)
        mining = Mining(repository, asker, maker, Pool(path), done, _MAX_DIFF_BYTES)
        made = mining.run(
            Mined(target=wanted, in_pool=len(there)), on_step=lambda now: tell("git", now.in_pool, wanted)
        )
    return SourceFound(
        wanted=wanted,
        found=made.in_pool,
        added=made.added,
        lm_calls=made.calls,
        ended=_IN_VAIN if made.is_in_vain else _ENDED[made.ended],
    )


def made_up(
    config: Config, target: Target, lm: Any, calls: int | None, *, fields_hashes: set[str], tell: Told
) -> SourceFound:
    """Make edge cases, up to the target.

    Raises:
        LMError, PoolError, SourceBusyError, UsageError: see `headrace dataset synthesize`.
    """
    wanted = config.optimization.synthetic_target
    root = Path(config.versions.path)
    path = pool_path(root, target.name, "synthetic")
    there = read_pool(path).lines
    if len(there) >= wanted:
        return SourceFound(wanted=wanted, found=len(there))
    asker = Asker(edge_case_program(target), lm, max_calls=calls, options="optimization: ")
    maker = Maker(target, redactor_of(config), lambda: int(time.time() * 1000))
    with alone(path.with_name("synthetic.lock")), asked_quietly():
        there = read_pool(path).lines
        shown = list(islice(of_train(config, target.name, ["hand", "import"], fields_hashes), _SHOWN))
        known = islice(chain(of_pools(root, target.name), of_version(root, target.name)), _COMPARED)
        novelty = Novelty((each.inputs for each in known), _MOST_ALIKE)
        categories = sorted({each.category for each in shown if each.category is not None})[:8]
        shares = cells_of(categories, {each: getattr(config.versions.difficulties, each) for each in DIFFICULTIES})
        made = Synthesized(target=wanted, in_pool=len(there))
        Synthesis(asker, maker, Pool(path), novelty, shares, shown).run(
            there, wanted, made, lambda now: tell("synthetic", now.in_pool, wanted)
        )
    return SourceFound(
        wanted=wanted,
        found=made.in_pool,
        added=made.added,
        lm_calls=made.calls,
        ended=_IN_VAIN if made.is_in_vain else _ENDED[made.ended],
    )
