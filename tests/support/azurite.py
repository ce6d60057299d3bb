"""Azurite, Microsoft's own emulator of Azure Blob Storage: npm installs it once into .cache; one a test run."""

import base64
import datetime as dt
import hashlib
import hmac
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.lifeline import LOG, Lifeline
from tests.support.once import filled_once

__all__ = ["Azurite", "NoAzuriteError", "start"]

_VERSION: Final = "3.37.0"
_CACHE: Final = Path(__file__).parents[2] / ".cache" / f"azurite-{_VERSION}"
_TIMEOUT_S: Final = 300
_ACCOUNT: Final = "devstoreaccount1"
_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Everybody's: it is written in Azurite's documentation."""

_API: Final = "2021-08-06"


class NoAzuriteError(Exception):
    """There is none; one line says why."""


@dataclass(frozen=True)
class Azurite:
    """A running emulator.

    Attributes:
        port: on 127.0.0.1.
        lifeline: ends it.
    """

    port: int
    lifeline: Lifeline

    def options(self) -> dict[str, str]:
        """Return delta-rs' storage options that reach it."""
        return {
            "azure_storage_account_name": _ACCOUNT,
            "azure_storage_account_key": _KEY,
            "azure_storage_endpoint": f"http://127.0.0.1:{self.port}/{_ACCOUNT}",
            "azure_allow_http": "true",
        }

    def make_container(self, name: str) -> None:
        """Make a container, as the Blob service's "Authorize with Shared Key" says."""
        date = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": date, "x-ms-version": _API}
        signed = ["PUT", *[""] * 11, *(f"{key}:{value}" for key, value in headers.items())]
        signed += [f"/{_ACCOUNT}/{_ACCOUNT}/{name}", "restype:container"]
        digest = hmac.new(base64.b64decode(_KEY), "\n".join(signed).encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {_ACCOUNT}:{base64.b64encode(digest).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("PUT", f"/{_ACCOUNT}/{name}?restype=container", headers=headers)
        answer = connection.getresponse()
        assert answer.status == http.client.CREATED, answer.read()
        connection.close()


def start(environ: Mapping[str, str], cache: Path = _CACHE) -> Azurite:
    """Start one.

    Raises:
        NoAzuriteError: no npm, no download, or none that starts.
    """
    npm = shutil.which("npm", path=environ.get("PATH", ""))
    if npm is None:
        raise NoAzuriteError("no npm on the PATH to install Azurite with")
    program = filled_once(cache, lambda folder: _install(npm, folder)) / "node_modules/.bin/azurite-blob"
    folder = Path(tempfile.mkdtemp(prefix="headrace-azurite-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "--blobPort", str(port), "--location", str(folder), "--silent", "--disableTelemetry"]
    lifeline = Lifeline("process", str(folder), *command, "--skipApiVersionCheck")
    until = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < until and lifeline.holds():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return Azurite(port, lifeline)
    last_words = (folder / LOG).read_text(errors="replace").strip().rpartition("\n")[2]
    lifeline.cut()
    raise NoAzuriteError(f"Azurite did not start: {last_words}")


def _install(npm: str, folder: Path) -> None:
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", f"azurite@{_VERSION}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoAzuriteError(f"npm install was not done after {_TIMEOUT_S} s") from None
    if done.returncode:
        raise NoAzuriteError(f"npm install azurite failed: {done.stderr.strip().rpartition(os.linesep)[2]}")
