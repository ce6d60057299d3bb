"""The table as these questions need it: perhaps missing, perhaps another topic's, opened without changing anything."""

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.compute as pc
from deltalake.exceptions import DeltaError, TableNotFoundError

from headrace.config import Config
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.store_at import store_of
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.judging.suppression import NOBODY, Suppression
from headrace_consumers.verification.snapshot import Snapshot

if TYPE_CHECKING:
    from deltalake import DeltaTable

__all__ = ["TableAtHand"]


class TableAtHand:
    """The table of a configuration.

    Args:
        config: the whole configuration.

    Attributes:
        path: dataset.path.
        table: delta-rs' handle; None: there is no table yet.
        snapshot: the files of its newest version; None: likewise.

    Raises:
        TableError: there is one, and it cannot be opened.
    """

    def __init__(self, config: Config) -> None:
        self.path = config.dataset.path
        self.table: DeltaTable | None = None
        self.snapshot: Snapshot | None = None
        try:
            self.table = store_of(config.dataset).handle()
            self.snapshot = Snapshot(self.table)
        except TableNotFoundError:
            return
        except (DeltaError, OSError) as error:
            raise TableError(
                f"{self.path}: cannot open the table ({one_line(error)}); headrace dataset verify tells what is wrong"
            ) from error

    def position(self, app_id: str) -> int | None:
        """Return a partition's next offset; None: nothing was read of it."""
        return None if self.table is None else self.table.transaction_version(app_id)

    @property
    def suppression(self) -> Suppression:
        """Whom the table no longer takes.

        Raises:
            TableError: it cannot be read.
        """
        try:
            return NOBODY if self.table is None else Suppression.of(self.table.metadata().configuration)
        except ValueError as error:
            raise TableError(f"{self.path}: the table's property {one_line(error)}") from None

    def signatures(self) -> Counter[str]:
        """Return signature -> rows."""
        if self.table is None:
            return Counter()
        found: Counter[str] = Counter()
        for batch in self.table.to_pyarrow_dataset().to_batches(columns=["signature"]):
            found.update({each["values"]: each["counts"] for each in pc.value_counts(batch["signature"]).to_pylist()})
        return found
