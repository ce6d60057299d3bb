"""How many examples the table has of each signature."""

from collections.abc import Callable
from typing import Final

from headrace.config import Config

__all__ = ["examples_of"]

_SQL: Final = (
    "select environment, signature, count(*) from dataset where capture_level = 'full' group by environment, signature"
)
_MOST_SIGNATURES: Final = 100_000


def examples_of(config: Config, on_missing: Callable[[str], object]) -> dict[tuple[str, str], int]:
    """Return environment and signature -> examples; where there is no table yet, there are none.

    Args:
        config: the whole configuration.
        on_missing: told in one line that there is no table.

    Raises:
        TableReadError: it cannot be read.
    """
    from headrace_consumers.cli.querying import query
    from headrace_consumers.cli.table_access import TableMissingError

    try:
        rows = query(config.dataset, _SQL, _MOST_SIGNATURES).rows
    except TableMissingError as error:
        on_missing(f"every signature counts as without examples: {error}")
        return {}
    return {(environment, signature): count for environment, signature, count in rows}
