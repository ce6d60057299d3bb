"""Who gives a command, and when something was done, for people."""

import datetime as dt
import getpass
import socket

__all__ = ["moment", "person"]


def person() -> str:
    """Return the user and host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def moment(unix_ms: int) -> str:
    """Return a time."""
    return dt.datetime.fromtimestamp(unix_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
