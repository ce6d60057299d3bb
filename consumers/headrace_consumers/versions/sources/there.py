"""Which examples of a signature there are already: in its latest version, and waiting in its pools."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl

from headrace.config import Config
from headrace.dedup import Policies
from headrace_consumers.versions.cutting.latest_recipe import latest_recipe
from headrace_consumers.versions.files.examples import split_of
from headrace_consumers.versions.sources.pool import pool_path, read_pool
from headrace_consumers.versions.sources.waiting import key_maker
from headrace_schemas import CanonicalizationError, canonical
from headrace_schemas.dataset_files import LATEST, SOURCES, SPLITS, Difficulty, Source, Split, folder_name

__all__ = ["Known", "of_pools", "of_train", "of_version"]

_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """An example that is there.

    Attributes:
        inputs: a value a field, JSON.
        outputs: likewise.
        category: what it is about, or None.
        difficulty: as it was made or computed, or None.
    """

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    category: str | None
    difficulty: Difficulty | None


def of_version(root: Path, signature: str, splits: Iterable[Split] = SPLITS) -> Iterator[Known]:
    """Yield the examples of the latest version, if there is one that can be read.

    An LM may see those of train only: what it makes of an example of test would otherwise be learnt from.
    """
    folder = root / folder_name(signature)
    try:
        version = folder / (folder / LATEST).read_text(encoding="utf-8").strip()
        for split in splits:
            with (version / f"{split}.jsonl").open("rb") as lines:
                yield from (_known(canonical.loads(line)) for line in lines)
    except (OSError, ValueError, CanonicalizationError, KeyError, TypeError):
        return  # there is no version, or it is just being deleted; `headrace versions` tells what is wrong with one


def of_pools(root: Path, signature: str, sources: Iterable[Source] = SOURCES) -> Iterator[Known]:
    """Yield the examples that wait in pools.

    Raises:
        PoolError: one cannot be read.
    """
    for source in sources:
        yield from map(_known, read_pool(pool_path(root, signature, source)).lines)


def of_train(
    config: Config, signature: str, sources: Iterable[Source], fields_hashes: Iterable[str]
) -> Iterator[Known]:
    """Yield the examples of train that an LM may see: of the latest version, then those that wait for train in pools.

    The split of one that waits is told by its key, with the shares and the fields of the latest version, with the
    shares of the configuration, and, where there is no version, with any of the fields that a first cut may choose.

    Args:
        config: `versions` and `dedup`.
        signature: its name.
        sources: the pools.
        fields_hashes: where there is no version.

    Raises:
        PoolError: a pool cannot be read.
    """
    root = Path(config.versions.path)
    yield from of_version(root, signature, ["train"])
    splits = config.versions.splits
    shares = {(splits.train, splits.val, splits.test)}
    hashes = set(fields_hashes)
    if latest := latest_recipe(root / folder_name(signature)):
        _, recipe = latest
        shares.add(recipe.shares)
        hashes = {recipe.fields_hash}
    key_makers = [key_maker(signature, each, Policies(config.dedup)) for each in sorted(hashes)]
    waiting = of_pools(root, signature, sources)
    while some := list(islice(waiting, _AT_ONCE)):
        is_train = pl.Series([True] * len(some))
        for key_of in key_makers:
            keys = pl.Series([key_of(each.inputs) for each in some], dtype=pl.String)
            for each in sorted(shares):
                is_train &= split_of(keys, each) == "train"
        yield from (each for each, is_shown in zip(some, is_train, strict=True) if is_shown)


def _known(line: Any) -> Known:
    return Known(line["inputs"], line["outputs"], line["category"], line["difficulty"])
