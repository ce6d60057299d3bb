"""The configuration of a dataset that is built anew beside the live one."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from headrace.config import Config

__all__ = ["rebuilding", "switch_from", "switch_lines"]

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


def switch_from(live: "Config", rebuilt: "Config") -> dict[str, Any]:
    """Return what to do to use the table that was built anew in the place of the live one, as JSON values.

    Args:
        live: the configuration before.
        rebuilt: see `rebuilding`.
    """
    from headrace_consumers.dataset.side_tables import sightings_path

    old, new = live.dataset.path, rebuilt.dataset
    return {
        "table": new.path,
        "settings": {"dataset.path": new.path, "dataset.feedback_path": new.feedback_path},
        "then_delete": [old, sightings_path(old)],
        "until_then_erase_from": [old],
    }


def switch_lines(live: "Config", rebuilt: "Config") -> list[str]:
    """Return the same as lines for people."""
    from headrace_consumers.cli.present import columns

    told = switch_from(live, rebuilt)
    return [
        f"table: {told['table']}",
        "to switch to it, set for all commands, and start the consumers again:",
        *columns([(f"  {key}", str(value)) for key, value in told["settings"].items()]),
        f"then delete {' and '.join(told['then_delete'])}; as long as they are kept, erase from them too:",
        *(f"  headrace erase ... --table {table}" for table in told["until_then_erase_from"]),
    ]
