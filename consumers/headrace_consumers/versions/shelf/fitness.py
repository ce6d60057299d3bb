"""Which versions become `latest` unasked: those of production that an optimizer can learn from."""

from collections.abc import Mapping
from typing import Any

from headrace_schemas.dataset_files import PRODUCTION
from headrace_schemas.dataset_manifest import environment_of

__all__ = ["has_train", "may_be_latest"]


def may_be_latest(manifest: Mapping[str, Any]) -> bool:
    """Tell whether a version may become `latest` unasked; what its manifest does not tell speaks for it."""
    return environment_of(manifest) == PRODUCTION and has_train(manifest)


def has_train(manifest: Mapping[str, Any]) -> bool:
    """Tell whether a version has an example in train, or was to have none."""
    try:
        is_wanted = manifest["recipe"]["splits"]["train"] > 0
        return bool(manifest["files"]["train.jsonl"]["size_bytes"] > 0 or not is_wanted)
    except (KeyError, TypeError):
        return True
