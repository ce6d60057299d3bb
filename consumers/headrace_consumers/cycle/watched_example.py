"""An example that notices whether somebody looks at its outputs: a metric that never does needs no labels."""

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["watched"]


class _Watched(dict[str, Any]):
    """The fields of an example; tells when an output is read, by whatever way."""

    def __init__(self, values: dict[str, Any], outputs: frozenset[str], on_read: Callable[[], None]) -> None:
        super().__init__(values)
        self._outputs = outputs
        self._on_read = on_read

    def __getitem__(self, name: str) -> Any:
        if name in self._outputs:
            self._on_read()
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name in self._outputs:
            self._on_read()
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:  # that it is ours keeps dict(...) and ** from going past __getitem__
        return super().__iter__()

    def items(self) -> Any:
        self._on_read()
        return super().items()

    def values(self) -> Any:
        self._on_read()
        return super().values()

    def copy(self) -> dict[str, Any]:
        self._on_read()
        return dict(super().items())


def watched(example: Any, outputs: frozenset[str], on_read: Callable[[], None]) -> Any:
    """Return a copy of a dspy.Example that calls `on_read` when one of the outputs is read."""
    found = example.copy()
    fields = _Watched(dict(found._store), outputs, on_read)  # noqa: SLF001  # where an Example has its fields
    found._store = fields  # noqa: SLF001
    found._input_keys = example._input_keys  # noqa: SLF001  # DSPy 3.0 copies an Example without them
    return found
