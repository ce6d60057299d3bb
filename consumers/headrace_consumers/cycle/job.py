"""What a worker is told to do, over its stdin, and what it answers, over a pipe: one JSON object a line.

{"progress": {...}}     any number of times
{"result": {...}}       at the end, or
{"failed": "line", "is_usage": false}
"""

import json
import os
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

__all__ = ["Channel", "Job"]


class Job(BaseModel):
    """A piece of work.

    Attributes:
        task: collect, baseline or optimize.
        config: the configuration, as JSON values.
        signature: whose.
        folder: the run's folder of the signature.
        version: of the dataset; None: not cut yet.
        fields: the dataset's inputs and outputs; None: unknown.
        fields_hashes: of the calls that there are.
        number: N of optimized_v<N>.
        served: the program version that is served, as JSON; None: the code as it is deployed.
        baseline: example id -> its score.
        reserved_calls: what the test of the candidate will take of the budget.
        reserved_usd: likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    config: dict[str, Any]
    signature: str
    folder: str
    version: str | None = None
    fields: dict[str, list[str]] | None = None
    fields_hashes: list[str] = []
    number: int | None = None
    served: str | None = None
    baseline: dict[str, float] = {}
    reserved_calls: int = 0
    reserved_usd: float = 0.0


class Channel:
    """The worker's way to its run.

    Args:
        descriptor: of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._file: Final = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)

    def progress(self, **told: Any) -> None:
        """Tell how far the work is."""
        self._send({"progress": told})

    def result(self, value: Any) -> None:
        """Tell what came of it."""
        self._send({"result": value})

    def failed(self, line: str, *, is_usage: bool) -> None:
        """Tell why nothing did."""
        self._send({"failed": line, "is_usage": is_usage})

    def _send(self, value: Any) -> None:
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()
