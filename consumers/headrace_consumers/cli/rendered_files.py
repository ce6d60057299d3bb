"""Files that another program reads while they may be written: whole or not at all, whatever the umask."""

import os
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["made_folder", "write_rendered"]

_READABLE: Final = 0o644
_OPEN: Final = 0o755
"""What is rendered holds no secrets, and Prometheus and Grafana run as other users."""


def write_rendered(path: Path, text: str) -> None:
    """Write a file, or leave what is there as it is.

    Raises:
        OSError: it cannot be written.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(_READABLE)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def made_folder(path: Path) -> Path:
    """Return a folder that others may read, made where it is missing; one that is there keeps its mode.

    Raises:
        OSError: it cannot be made, or a file has its name.
    """
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(_OPEN)
    return path
