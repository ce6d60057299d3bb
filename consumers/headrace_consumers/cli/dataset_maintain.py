"""`headrace dataset maintain`: what the consumer does for the table now and then, done at once."""

from typing import Any, Final

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import count, figures, print_json, print_lines

__all__ = ["EXAMPLE", "maintain"]

EXAMPLE: Final = "Example: headrace dataset maintain --config headrace.json"


def maintain(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Merge small files, remove rows past the retention, delete what is no longer needed; say what was done.

    Consumers may run on; the one that owns partition 0 does the same, bit by bit.
    """
    import datetime as dt
    import time
    from contextlib import closing
    from pathlib import Path

    from deltalake import DeltaTable

    from headrace.config import load
    from headrace_consumers import logs
    from headrace_consumers.dataset.errors import TableError
    from headrace_consumers.dataset.maintenance import Maintenance
    from headrace_consumers.dataset.steps import hook_from_environment
    from headrace_consumers.dataset.table import InteractionTable

    config = load(config_path).dataset
    if "://" not in config.path and not DeltaTable.is_deltatable(config.path):
        raise TableError(f"{config.path}: no Delta table here yet; headrace consume dataset makes it")
    logs.configure("auto", "warning")
    with closing(InteractionTable(Path(config.path))) as table:
        work = Maintenance(
            table.path, config, now=lambda: dt.datetime.now(dt.UTC), clock=time.monotonic, hook=hook_from_environment()
        )
        work.run()
    if as_json:
        print_json(work.done.as_dict())
    else:
        print_lines(_lines(work.done.as_dict()))


def _lines(done: dict[str, Any]) -> list[str]:
    return figures(
        [
            ("files merged", count(done["files_merged"]), f"into {count(done['files_written'])}"),
            ("files expired", count(done["files_expired"]), f"with {count(done['rows_expired'])} rows"),
            ("files deleted", count(done["files_deleted"]), "replaced before, or never committed"),
            ("log entries deleted", count(done["log_entries_deleted"]), ""),
            ("files in the table", count(done["active_files"]), ""),
        ]
    )
