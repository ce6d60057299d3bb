"""The inputs that came most often: by the sightings, which know of every copy that was read since they are kept."""

import polars as pl
from deltalake import DeltaTable

from headrace.config import Config
from headrace_consumers.cli.table_access import opened, scan_of
from headrace_consumers.dataset.side_tables import sightings_path
from headrace_consumers.fates.loss import Repeated
from headrace_consumers.joins import copies_of

__all__ = ["INPUT_CHARACTERS", "MOST_REPEATED", "most_repeated"]

INPUT_CHARACTERS = 300
MOST_REPEATED = 5


def most_repeated(config: Config, signature: str) -> list[Repeated] | None:
    """Return the inputs of a signature's rows that came most often; None where no sightings are kept.

    Args:
        config: the whole configuration.
        signature: as records name it.

    Raises:
        TableReadError: a table cannot be read.
    """
    dataset = config.dataset
    path = sightings_path(dataset.path)
    options = dict(dataset.storage_options) or None
    if not (DeltaTable.is_deltatable(path, options) and DeltaTable.is_deltatable(dataset.path, options)):
        return None
    with (
        opened(dataset.model_copy(update={"path": path}), scan_of) as sightings,
        opened(dataset, scan_of) as rows,
    ):
        of_signature = rows.filter(pl.col("signature") == signature)
        most = (
            copies_of(sightings)
            .join(of_signature.select("dedup_key"), on="dedup_key")
            .sort("copies", "dedup_key", descending=[True, False])
            .head(MOST_REPEATED)
            .collect()
        )
        keys = most["dedup_key"].to_list()
        shown = of_signature.filter(pl.col("dedup_key").is_in(keys)).select("dedup_key", "input").collect()
    inputs = dict(shown.iter_rows())
    return [Repeated(key, 1 + copies, inputs.get(key, "")[:INPUT_CHARACTERS]) for key, copies in most.iter_rows()]
