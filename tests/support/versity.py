"""A real S3-compatible server, versitygw: Go builds it once into .cache; each test run starts one on a free port."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from tests.support.lifeline import LOG, Lifeline
from tests.support.once import filled_once

__all__ = ["NoServerError", "S3Server", "start"]

_VERSION: Final = "v1.8.0"
_PACKAGE: Final = f"github.com/versity/versitygw/cmd/versitygw@{_VERSION}"
_CACHE: Final = Path(__file__).parents[2] / ".cache" / f"versitygw-{_VERSION}"
_BUILD_TIMEOUT_S: Final = 840
_STARTUP_TIMEOUT_S: Final = 120
_ATTEMPTS: Final = 3
_ACCESS_KEY: Final = "headrace-test"
_SECRET_KEY: Final = "headrace-test-secret"
_BUCKET: Final = "headrace"
_VERSIONED: Final = "headrace-versions"


class NoServerError(Exception):
    """There is no server; one line says why."""


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket.

    Attributes:
        port: on 127.0.0.1.
        folder: what it keeps, an object a file.
        lifeline: ends it.
    """

    port: int
    folder: Path
    lifeline: Lifeline

    def options(self, port: int | None = None) -> dict[str, str]:
        """Return delta-rs' storage options that reach it, or what stands before it on another port."""
        return {
            "aws_endpoint_url": f"http://127.0.0.1:{port or self.port}",
            "aws_access_key_id": _ACCESS_KEY,
            "aws_secret_access_key": _SECRET_KEY,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        }

    def uri(self, name: str) -> str:
        """Return the address of a table in its bucket."""
        return f"s3://{_BUCKET}/{name}"

    def versioned_bucket(self) -> Any:
        """Return boto3's resource of a further bucket, which keeps old versions."""
        s3 = boto3.resource(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=_ACCESS_KEY,
            aws_secret_access_key=_SECRET_KEY,
            region_name="us-east-1",
        )
        bucket = s3.Bucket(_VERSIONED)
        bucket.create()
        bucket.Versioning().enable()
        return bucket

    @property
    def data(self) -> Path:
        """Where it keeps its objects, ``<bucket>/<key>``."""
        return self.folder / "data"

    def objects(self, name: str) -> set[str]:
        """Return the names of all objects of a table, relative to it."""
        root = self.data / _BUCKET / name
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def start(environ: Mapping[str, str], cache: Path = _CACHE) -> S3Server:
    """Start a server.

    Raises:
        NoServerError: no Go, no download, or a server that does not start.
    """
    program = filled_once(cache, lambda folder: _build(folder, environ)) / "versitygw"
    for _ in range(_ATTEMPTS):  # somebody else may take a free port before the server does
        folder = Path(tempfile.mkdtemp(prefix="headrace-s3-"))
        (folder / "data" / _BUCKET).mkdir(parents=True)
        (folder / "versions").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(program), "--port", f"127.0.0.1:{port}", "--region", "us-east-1", "posix"]
        command += ["--versioning-dir", str(folder / "versions"), str(folder / "data")]
        secrets = {"ROOT_ACCESS_KEY": _ACCESS_KEY, "ROOT_SECRET_KEY": _SECRET_KEY}
        lifeline = Lifeline("process", str(folder), *command, environ={**os.environ, **secrets})
        if _answers(port, lifeline):
            return S3Server(port, folder, lifeline)
        last_words = (folder / LOG).read_text(errors="replace").strip().rpartition("\n")[2]
        lifeline.cut()
        shutil.rmtree(folder, ignore_errors=True)
    raise NoServerError(f"versitygw did not start, in {_ATTEMPTS} attempts: {last_words}")


def _build(folder: Path, environ: Mapping[str, str]) -> None:
    go = shutil.which("go", path=environ.get("PATH", ""))
    if go is None:
        raise NoServerError("no go on the PATH to build versitygw with; install Go 1.25 or newer")
    command = [go, "install", _PACKAGE]
    try:
        done = subprocess.run(
            command,
            env={**environ, "GOBIN": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoServerError(
            f"go install was not done after {_BUILD_TIMEOUT_S} s; run it again, it goes on from there"
        ) from None
    if done.returncode:
        raise NoServerError(f"go install {_PACKAGE} failed: {done.stderr.strip().rpartition(chr(10))[2]}")


def _answers(port: int, lifeline: Lifeline) -> bool:
    until = time.monotonic() + _STARTUP_TIMEOUT_S
    while time.monotonic() < until and lifeline.holds():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
