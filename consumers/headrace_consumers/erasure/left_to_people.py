"""What an erasure does not touch: where a person's records may be beside tables and topics, and what to do there."""

from typing import Final

from headrace.config import Config
from headrace_consumers.dataset.delta.store import Store

__all__ = ["left_in", "not_touched"]

_POOLS: Final = (
    "sources/{hand,import,git,synthetic}.jsonl, and versions' examples of these: they name nobody; find them by what "
    "they hold, headrace dataset erase-examples -s SIGNATURE --containing TEXT"
)


def not_touched(config: Config) -> list[str]:
    """Return where the person's records may be beside tables and topics, and what to do there."""
    log, spool = config.telemetry.rotation, config.spool.rotation
    path = config.telemetry.log_file_path
    return [
        f"services' logs ({path}): rotated ones go after {log.max_age_days:g} days; if that is too late, delete them",
        f"services' spools: what waits is dropped after {spool.max_age_days:g} days; once sent, the tables refuse it",
        "dataset versions in other folders: headrace erase --versions FOLDER; what was exported: export it anew",
        f"{config.versions.path}/SIGNATURE/{_POOLS}",
        "other tables (headrace aggregate, a table of before): headrace erase --table PLACE for each",
        "backups and snapshots of disks: delete the person from what you restore, by this command again",
        "models and prompts that were optimized with these examples; your own logs; your model provider's",
    ]


def left_in(store: Store) -> list[str]:
    """Return what the dataset's store may hold of deleted files, and what to do there; nothing on a local disk.

    Args:
        store: opened for writing before.
    """
    if not store.is_remote:
        return []
    told = {
        True: "keeps old versions of deleted objects: delete the noncurrent versions",
        False: "says that it keeps no old versions; if it did before, delete the noncurrent versions",
        None: "does not tell whether it keeps deleted objects (versions, soft delete): look, and delete them",
    }
    return [
        f"{store.place} and its side tables: the store {told[store.keeps_deleted()]} (docs/stores.md, Erasure)",
        "uploads in parts that a killed process began: have a lifecycle rule abort them (docs/stores.md, Erasure)",
    ]
