"""The files of compose/ as data: services as docker compose merges them, and the image below the Dockerfile."""

import re
from pathlib import Path
from typing import Any

import yaml

__all__ = ["COMPOSE", "HERE", "base_image", "load", "services"]

HERE = Path(__file__).parent
COMPOSE = HERE.parents[1] / "compose"


class _Tolerant(yaml.SafeLoader):
    """Reads compose's own tags as what they stand on."""


_Tolerant.add_constructor("!override", lambda loader, node: loader.construct_mapping(node))


def load(path: Path) -> Any:
    return yaml.load(path.read_text(), _Tolerant)  # a SafeLoader


def services(*paths: Path) -> dict[str, dict[str, Any]]:
    """Return each service; a later file's keys stand in place of an earlier one's."""
    merged: dict[str, dict[str, Any]] = {}
    for path in paths:
        for name, service in load(path)["services"].items():
            merged[name] = {**merged.get(name, {}), **service}
    return merged


def base_image(dockerfile: Path) -> str:
    """Return the one image that all stages of a Dockerfile begin with."""
    text = dockerfile.read_text()
    (argument, image), *more = re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE)
    froms = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert not more
    assert froms
    assert set(froms) == {f"${{{argument}}}"}
    return str(image)
