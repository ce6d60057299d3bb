"""Which examples of a signature there are already: in its latest version, and waiting in its pools."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace_consumers.versions.sources.pool import pool_path, read_pool
from headrace_schemas import CanonicalizationError, canonical
from headrace_schemas.dataset_files import LATEST, SOURCES, SPLITS, Difficulty, Source, Split, folder_name

__all__ = ["Known", "of_pools", "of_version"]


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


def _known(line: Any) -> Known:
    return Known(line["inputs"], line["outputs"], line["category"], line["difficulty"])
