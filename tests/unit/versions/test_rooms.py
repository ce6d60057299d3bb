"""The rooms of dataset, metrics, rollout and versions know nothing of each other."""

import ast
from itertools import permutations
from pathlib import Path

import pytest

import headrace_consumers

PACKAGE = Path(headrace_consumers.__file__).parent


def imported(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


@pytest.mark.parametrize(("room", "other"), list(permutations(["dataset", "metrics", "rollout", "versions"], 2)))
def test_neither_room_imports_the_other(room, other):
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert len(files) >= 5
    names = [(path.name, name) for path in files for name in imported(path)]
    assert any(name.startswith(f"headrace_consumers.{room}.") for _, name in names)
    assert [each for each in names if f"{each[1]}.".startswith(f"headrace_consumers.{other}.")] == []
