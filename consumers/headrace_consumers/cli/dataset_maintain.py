"""`headrace dataset maintain`: what the consumer does for the table now and then, done at once."""

from typing import Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import count, figures, print_json, print_lines

__all__ = ["EXAMPLE", "maintain"]

EXAMPLE: Final = "Example: headrace dataset maintain --config headrace.json"


def maintain(
    *,
    config_path: ConfigPath = None,
    trust_clock: Annotated[
        bool,
        typer.Option("--trust-clock", help="This host's clock is right though it is days ahead of the newest rows."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Merge small files, remove rows past the retention, delete what is no longer needed; say what was done.

    The tables beside the dataset, sightings and feedback, are maintained too. Consumers may run on; the one that owns
    partition 0 does the same, bit by bit.
    """
    from contextlib import closing

    from headrace.config import load
    from headrace_consumers import logs
    from headrace_consumers.dataset.delta.opening import is_table
    from headrace_consumers.dataset.delta.rows import INTERACTIONS
    from headrace_consumers.dataset.delta.store_at import store_at
    from headrace_consumers.dataset.delta.table import InteractionTable
    from headrace_consumers.dataset.errors import TableError
    from headrace_consumers.dataset.feedback.rows import FEEDBACK
    from headrace_consumers.dataset.side_tables import feedback_path, sightings_path
    from headrace_consumers.dataset.sightings import SIGHTINGS
    from headrace_consumers.dataset.steps import hook_from_environment
    from headrace_consumers.dataset.upkeep.host_clock import HostClock
    from headrace_consumers.dataset.upkeep.upkeep import maintenance_of

    config = load(config_path).dataset
    if not is_table(store_at(config.path, config.storage_options)):
        raise TableError(f"{config.path}: no Delta table here yet; headrace consume dataset makes it")
    logs.configure("auto", "warning")
    host_clock = None if trust_clock else HostClock.of_this_host(config.maintenance.keep_replaced_h)
    done = {}
    for name, path, layout in (
        ("", config.path, INTERACTIONS),
        ("sightings", sightings_path(config.path), SIGHTINGS),
        ("feedback", feedback_path(config), FEEDBACK),
    ):
        store = store_at(path, config.storage_options)
        if name and not is_table(store):
            continue
        with closing(InteractionTable(store, layout)) as table:
            work = maintenance_of(table, config, hook_from_environment(), host_clock)
            work.run()
            done[name] = work.done.as_dict()
    if as_json:
        print_json({**done.pop(""), **done})
    else:
        print_lines([line for name, figures_ in done.items() for line in [name, *_lines(figures_)] if line])


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
