"""Lines that are no records, kept aside: each with file, number and reason, to be mended and read again."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import IO

from headrace_consumers.history.lines import LogFileError, LogLine

__all__ = ["BadLines"]


class BadLines:
    """A side file of JSON Lines, made with the first bad line; it holds what the log held, so nobody else may read it.

    Args:
        path: the side file; one of an earlier run is written anew.

    Attributes:
        path: see above.
        reasons: reason -> lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        self._file: IO[str] | None = None

    def add(self, line: LogLine, reason: str, detail: str) -> None:
        """Keep a line.

        Raises:
            LogFileError: the side file cannot be written.
        """
        entry = {"file": str(line.path), "line": line.number, "reason": reason, "detail": detail}
        if line.content is not None:
            entry["text"] = line.content.decode("utf-8", "backslashreplace")
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise LogFileError(f"{self.path}: cannot keep the bad lines ({error.strerror}); see --bad-lines") from None
        self.reasons[reason] += 1

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[str]:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, 0o600)
        return os.fdopen(descriptor, "w", encoding="utf-8")
