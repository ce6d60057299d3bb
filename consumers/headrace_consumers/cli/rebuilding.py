"""The configuration of a dataset that is built anew beside the live one."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headrace.config import Config

__all__ = ["rebuilding", "switch_lines"]

_TAKEN: Final = frozenset({"sightings", "feedback"})
"""See `dataset/side_tables.py`."""


def rebuilding(config: "Config", name: str) -> "Config":
    """Return the configuration with a table, a state folder and a group of its own; all else is as it was.

    Args:
        config: the live one.
        name: of the rebuild; it is appended to the live names.

    Raises:
        UsageError: the name is not fit for a path.
    """
    from headrace.errors import UsageError
    from headrace_consumers.dataset.side_tables import feedback_path
    from headrace_schemas.names import is_valid_name

    if not is_valid_name(name):
        raise UsageError(f"--rebuild {name}: expected a name of A-Z a-z 0-9 _ . -")
    if name in _TAKEN:
        raise UsageError(f"--rebuild {name}: <dataset.path>-{name} is a table of the live dataset; take another name")
    live = config.dataset
    path = f"{live.path.rstrip('/')}-{name}"
    if path == feedback_path(live):
        raise UsageError(f"--rebuild {name}: {path} is dataset.feedback_path; take another name")
    changes = {
        "path": path,
        "feedback_path": feedback_path(live),  # it is not built anew: Kafka holds the newest of it only
        "state_path": f"{live.state_path.rstrip('/')}-{name}",
        "group_id": f"{live.group_id}-{name}",
        "group_instance_id": None if live.group_instance_id is None else f"{live.group_instance_id}-{name}",
        "health_port": None,  # the live consumer has it
    }
    return config.model_copy(update={"dataset": live.model_copy(update=changes)})


def switch_lines(live: "Config", rebuilt: "Config") -> list[str]:
    """Return what to do to use the table that was built anew in the place of the live one.

    Args:
        live: the configuration before.
        rebuilt: see `rebuilding`.
    """
    from headrace_consumers.cli.present import columns
    from headrace_consumers.dataset.side_tables import sightings_path

    old, new = live.dataset.path, rebuilt.dataset
    settings = [("  dataset.path", new.path), ("  dataset.feedback_path", str(new.feedback_path))]
    return [
        f"table: {new.path}",
        "to switch to it, set for all commands, and start the consumers again:",
        *columns(settings),
        f"then delete {old} and {sightings_path(old)}; as long as they are kept, erase from them too:",
        f"  headrace erase ... --table {old}",
    ]
