"""The real Prometheus, promtool, Alertmanager and amtool: those on the PATH, else Debian's, unpacked once into .cache.

They are unpacked and not installed: Debian's packages start both as services that listen on all addresses. apt-get and
dpkg-deb do it as any user, and leave the machine's own package lists as they are.

Debian has compiled into Alertmanager the folder that its templates are installed in. In the unpacked copy that path is
made relative, of the same length, and a script starts it from where it is right.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.once import filled_once

__all__ = ["NoProgramsError", "Programs", "find"]

_CACHE: Final = Path(__file__).parents[2] / ".cache" / "prometheus"
_PACKAGES: Final = ("prometheus", "prometheus-alertmanager")
_TIMEOUT_S: Final = 240
_TEMPLATES: Final = b"/usr/share/prometheus/alertmanager"
_TEMPLATES_HERE: Final = b"usr/share/prometheus//alertmanager"
_ALERTMANAGER: Final = """#!/bin/sh
cd "$(dirname "$0")/../.." && exec usr/bin/unpacked-alertmanager "$@"
"""
_INSTALL: Final = (
    "put prometheus, promtool, alertmanager and amtool on the PATH "
    "(on Debian: apt-get install prometheus prometheus-alertmanager)"
)


class NoProgramsError(Exception):
    """They are not to be had; one line says why, and what to do."""


@dataclass(frozen=True)
class Programs:
    """Where each program is."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path


def find(environ: Mapping[str, str] = os.environ, cache: Path = _CACHE) -> Programs:
    """Return the programs.

    Raises:
        NoProgramsError: they are neither on the PATH nor to be had as Debian's packages.
    """
    path = environ.get("PATH", "")
    return _among(path) or _unpacked(filled_once(cache, lambda folder: _fetch(folder, environ)))


def _unpacked(folder: Path) -> Programs:
    programs = _among(str(folder / "usr" / "bin"))
    if programs is None:
        raise NoProgramsError(f"{folder} is not complete; delete it and try again, or {_INSTALL}")
    return programs


def _among(path: str) -> Programs | None:
    alertmanager = shutil.which("alertmanager", path=path) or shutil.which("prometheus-alertmanager", path=path)
    found = [shutil.which(name, path=path) for name in ("prometheus", "promtool")]
    found += [alertmanager, shutil.which("amtool", path=path)]
    paths = [Path(each) for each in found if each is not None]
    return Programs(*paths) if len(paths) == len(found) else None


def _fetch(folder: Path, environ: Mapping[str, str]) -> None:
    path = environ.get("PATH", "")
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool, path=path) is None]
    if missing:
        raise NoProgramsError(f"no {missing[0]} on the PATH to fetch Debian's packages with; {_INSTALL}")
    apt = folder / "apt"
    (apt / "lists" / "partial").mkdir(parents=True)
    (apt / "archives" / "partial").mkdir(parents=True)
    own_cache = ["-o", f"Dir::Cache={apt}", "-o", "APT::Sandbox::User=root"]
    own_lists = [*own_cache, "-o", f"Dir::State::lists={apt / 'lists'}"]
    if _run(["apt-get", "-q", *own_cache, "download", *_PACKAGES], apt, environ) is not None:
        # The machine's lists are missing or stale: read new ones, beside them.
        for step in (["update"], ["download", *_PACKAGES]):
            if (problem := _run(["apt-get", "-q", *own_lists, *step], apt, environ)) is not None:
                raise NoProgramsError(f"{problem}; {_INSTALL}")
    for package in sorted(apt.glob("*.deb")):
        if (problem := _run(["dpkg-deb", "-x", str(package), str(folder)], apt, environ)) is not None:
            raise NoProgramsError(problem)
    shutil.rmtree(apt)
    _move_templates(folder / "usr" / "bin")


def _move_templates(programs: Path) -> None:
    installed, unpacked = programs / "prometheus-alertmanager", programs / "unpacked-alertmanager"
    unpacked.write_bytes(installed.read_bytes().replace(_TEMPLATES, _TEMPLATES_HERE))
    installed.write_text(_ALERTMANAGER, encoding="ascii")
    unpacked.chmod(0o755)


def _run(command: list[str], folder: Path, environ: Mapping[str, str]) -> str | None:
    """Run a command; return what was wrong, in one line."""
    named = f"{command[0]} {' '.join(part for part in command[1:] if part in {'update', 'download', '-x'})}"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{named} was not done after {_TIMEOUT_S} s"
    if not done.returncode:
        return None
    lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg-deb: error"))]
    return f"{named} failed: {(lines or ['it said nothing'])[-1]}"
