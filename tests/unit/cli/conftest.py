"""Runs a command in this process, as its user would see it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from headrace_consumers.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line on stderr; anything more or less fails the test."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("headrace: ")
        assert "Traceback" not in self.err
        return self.err.removeprefix("headrace: ").strip()


RunCommand: TypeAlias = Callable[..., Ended]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunCommand:
    """Run `headrace` with arguments, in an empty folder and without the developer's own settings."""
    import os

    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return run


@pytest.fixture
def config_file(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Write a configuration and return its path."""

    def write(values: dict[str, Any]) -> Path:
        path = tmp_path / "headrace.json"
        path.write_text(json.dumps(values))
        return path

    return write
