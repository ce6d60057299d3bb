"""Which images are here or can be pulled; a registry that knows one not is an error, one that is away is none."""

import os
import subprocess
from collections.abc import MutableMapping

from tests.compose.files import COMPOSE, base_image

__all__ = ["BASE_ENV", "STAND_IN_BASE", "choose_base", "is_to_be_had", "says_no_registry"]

BASE_ENV = "HEADRACE_PYTHON_IMAGE"
STAND_IN_BASE = "python:3.11-slim-bookworm"
"""Taken where the Dockerfile's base cannot be pulled: another build of the same Python and Debian."""

_NO_REGISTRY = (
    "no such host",
    "server misbehaving",
    "temporary failure in name resolution",
    "connection refused",
    "connection reset by peer",
    "network is unreachable",
    "no route to host",
    "i/o timeout",
    "tls handshake timeout",
    "client.timeout exceeded",
    "context deadline exceeded",
    "proxyconnect",
)


def says_no_registry(said: str) -> bool:
    """Return whether a failed pull says that nobody answered; a mistyped name or tag is answered."""
    return any(sign in said.lower() for sign in _NO_REGISTRY)


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=900, check=False)


def is_to_be_had(image: str) -> bool:
    """Return whether an image is here, after a pull if need be. False only where no registry answers."""
    if _docker("image", "inspect", image).returncode == 0:
        return True
    pulled = _docker("pull", "--quiet", image)
    assert pulled.returncode == 0 or says_no_registry(pulled.stderr), f"{image}: {pulled.stderr}"
    return pulled.returncode == 0


def choose_base(environ: MutableMapping[str, str]) -> None:
    """Name the stand-in for the Dockerfile's base where that is not to be had."""
    if not os.environ.get(BASE_ENV) and not is_to_be_had(base_image(COMPOSE / "Dockerfile")):
        environ[BASE_ENV] = STAND_IN_BASE
