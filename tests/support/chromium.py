"""A real Chromium, without its window: that of the PATH, else Debian's, unpacked once into .cache and not installed.

It has a profile of its own, asks nobody on the network, and ends when the page is loaded.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.once import filled_once

__all__ = ["Chromium", "NoChromiumError", "find"]

_CACHE: Final = Path(__file__).parents[2] / ".cache" / "chromium"
_PACKAGES: Final = ("chromium", "fonts-dejavu-core")
_TIMEOUT_S: Final = 280
_OPTIONS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip
_INSTALL: Final = "put chromium on the PATH (on Debian: apt-get install chromium)"


class NoChromiumError(Exception):
    """It is not to be had; one line says why, and what to do."""


class Chromium:
    """A browser.

    Args:
        program: of Chromium.
        libraries: a folder of libraries that the machine lacks; None: it lacks none.
    """

    def __init__(self, program: Path, libraries: Path | None = None) -> None:
        self._program = program
        self._environ = dict(os.environ) if libraries is None else _with_libraries(libraries)

    def screenshot(self, address: str, path: Path, *, width: int, height: int, is_dark: bool = False) -> None:
        """Load a page and write what it looks like, PNG."""
        self._run([*_dark(is_dark), f"--window-size={width},{height}", f"--screenshot={path}", address])

    def document(self, address: str) -> str:
        """Load a page, let its scripts run, if it has any, and return the document that there is then."""
        return self._run(["--dump-dom", "--virtual-time-budget=2000", address])

    def _run(self, arguments: list[str]) -> str:
        with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
            done = subprocess.run(
                [str(self._program), *_OPTIONS, f"--user-data-dir={profile}", *arguments],
                env={**self._environ, "HOME": profile},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


def find(environ: Mapping[str, str] = os.environ, cache: Path = _CACHE) -> Chromium:
    """Return the browser.

    Raises:
        NoChromiumError: it is neither on the PATH nor to be had as Debian's package.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name, path=environ.get("PATH", "")):
            return Chromium(Path(found))
    folder = filled_once(cache, lambda made: _fetch(made, environ))
    return Chromium(folder / "usr" / "lib" / "chromium" / "chromium", folder)


def _dark(is_dark: bool) -> list[str]:
    return ["--blink-settings=preferredColorScheme=0"] if is_dark else []


def _with_libraries(folder: Path) -> dict[str, str]:
    libraries = sorted({str(each.parent) for each in (folder / "usr" / "lib").rglob("*.so*")})
    fonts = folder / "fonts.conf"
    fonts.write_text(
        f"<fontconfig><dir>{folder / 'usr' / 'share' / 'fonts'}</dir><dir>/usr/share/fonts</dir>"
        f"<cachedir>{folder / 'fonts'}</cachedir></fontconfig>"
    )
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "FONTCONFIG_FILE": str(fonts)}


def _fetch(folder: Path, environ: Mapping[str, str]) -> None:
    path = environ.get("PATH", "")
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool, path=path) is None:
            raise NoChromiumError(f"no {tool} on the PATH to fetch Debian's packages with; {_INSTALL}")
    apt = folder / "apt"
    (apt / "archives" / "partial").mkdir(parents=True)
    (apt / "lists" / "partial").mkdir(parents=True)
    own = ["-o", f"Dir::Cache={apt}", "-o", f"Dir::State::lists={apt / 'lists'}", "-o", "APT::Sandbox::User=root"]
    download = ["-o", "Debug::NoLocking=1", "install", "-y", "--no-install-recommends", "--download-only", *_PACKAGES]
    for step in (["update"], download):
        _run(["apt-get", "-q", *own, *step], environ)
    for package in sorted((apt / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder)], environ)
    shutil.rmtree(apt)


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        env={**environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg-deb: error"))]
        raise NoChromiumError(f"{command[0]} failed: {(lines or ['it said nothing'])[-1]}; {_INSTALL}")
