"""The folder that a demo leaves behind, and the only one that it may delete."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.errors import UsageError

__all__ = ["MARKER", "Workspace"]

MARKER: Final = ".headrace-demo"
"""A folder with this file in it was made by a demo."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a demo keeps its things; `folder` is absolute."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> "Workspace":
        """Return the workspace of a folder, which must not hold anything but an earlier demo.

        Raises:
            UsageError: it holds something else, or is no folder.
        """
        folder = Path(os.path.abspath(folder))  # noqa: PTH100  # resolve() would follow a link to somewhere else
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError(f"--dir {folder}: not a folder; give another one")
        try:
            if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
                raise UsageError(
                    f"--dir {folder}: not empty and not made by headrace demo, so it stays untouched; give another one"
                )
        except OSError as error:
            raise UsageError(f"--dir {folder}: cannot be read ({error.strerror})") from error
        return cls(folder)

    @property
    def config_path(self) -> Path:
        """The configuration that all processes use, and that `headrace dataset ls` can use afterwards."""
        return self.folder / "headrace.json"

    @property
    def dataset_path(self) -> Path:
        """The Delta table."""
        return self.folder / "dataset"

    @property
    def state_path(self) -> Path:
        """The consumer's seen-set."""
        return self.folder / "state"

    def log_path(self, process: str) -> Path:
        """Return where the output of a process is kept."""
        return self.folder / f"{process}.log"

    def make_anew(self, config: Mapping[str, Any]) -> None:
        """Delete an earlier demo, and write the configuration, readable by its owner only.

        Raises:
            UsageError: the folder cannot be written.
        """
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True)
            (self.folder / MARKER).write_text("headrace demo made this folder and may delete it.\n", encoding="utf-8")
            self.config_path.touch(mode=0o600)
            self.config_path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--dir {self.folder}: cannot be written ({error.strerror})") from error
