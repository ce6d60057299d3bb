"""By what the latest version was cut: where there are no calls any more, its fields go on to make the keys."""

import json
from pathlib import Path

from headrace_consumers.versions.cutting.recipe import Recipe
from headrace_schemas.dataset_files import LATEST
from headrace_schemas.dataset_manifest import MANIFEST

__all__ = ["latest_recipe"]


def latest_recipe(signature_folder: Path) -> tuple[str, Recipe] | None:
    """Return the name of the latest version and its recipe; None: there is none that can be read."""
    try:
        name = (signature_folder / LATEST).read_text(encoding="utf-8").strip()
        return name, Recipe.of(json.loads((signature_folder / name / MANIFEST).read_bytes())["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is just being deleted; `headrace versions` tells what is wrong with one
