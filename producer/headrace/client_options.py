"""librdkafka's options that all clients share, the secret ones fetched from where the configuration says they are.

A configuration names passwords and never holds them: it can be shown, logged and kept in git. Neither a secret nor what
was found in its place ever reaches a message.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from headrace.config import Kafka
from headrace.errors import ConfigError

__all__ = ["client_options", "open_secrets"]

_LARGEST_FILE: Final = 65_536  # a private key as text, with its chain
_SETTING: Final = "kafka.secret_options"


def client_options(kafka: Kafka, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return `kafka.options` with the secret ones; each call reads the files anew.

    Args:
        kafka: the section.
        environ: the environment variables.

    Raises:
        ConfigError: a secret is not where it should be, or is empty.
    """
    secrets = {
        name: _fetched(reference, f"{_SETTING}.{name}", environ) for name, reference in kafka.secret_options.items()
    }
    return {**kafka.options, **secrets}


def open_secrets(kafka: Kafka) -> Iterator[str]:
    """Yield a line for each file of a secret that everybody on this host may read."""
    for name, reference in kafka.secret_options.items():
        kind, _, path = reference.partition(":")
        if kind == "file" and (mode := Path(path).stat().st_mode) & stat.S_IROTH:
            yield f"{_SETTING}.{name}: everybody on this host may read {path} (mode {stat.S_IMODE(mode):o}); chmod o-r"


def _fetched(reference: str, setting: str, environ: Mapping[str, str]) -> str:
    kind, _, name = reference.partition(":")
    if kind == "env":
        secret = environ.get(name, "")
        if not secret:
            raise ConfigError(f"{setting}: the environment variable {name} is not set")
        return secret
    try:
        with Path(name).open("rb") as file:
            found = file.read(_LARGEST_FILE + 1)
        secret = found.decode().rstrip("\r\n")  # editors and `echo` end a file with one
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read the file {name} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{setting}: the file {name} is not UTF-8 text") from None
    if not secret or len(found) > _LARGEST_FILE:
        what = "empty" if not secret else f"larger than {_LARGEST_FILE} bytes"
        raise ConfigError(f"{setting}: the file {name} is {what}; it should hold the secret and nothing else")
    return secret
