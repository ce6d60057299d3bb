"""The commits of a git repository, read by the program `git`, newest first.

Nothing of the repository is run: no hook, pager, text conversion or external diff, and no file-system monitor. Names of
commits and paths go where git takes them for nothing else.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from headrace.errors import HeadraceError, UsageError

__all__ = ["Change", "Commit", "GitError", "Repository"]

_KEPT: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "SYSTEMROOT")
_FIXED: Final = {
    "LC_ALL": "C.UTF-8",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
}
_SETTINGS: Final = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.quotePath=false", "core.attributesFile=/dev/null",
    "diff.external=", "diff.noprefix=false", "diff.mnemonicPrefix=false", "log.showSignature=false",
    "protocol.allow=never",
)  # fmt: skip
_FIELDS: Final = "%H%x00%ct%x00%s%x00%b%x00"
_PIECE_BYTES: Final = 1 << 16
_CUT: Final = "\n[the rest of the diff was left out]\n"


class GitError(HeadraceError):
    """git is not there, or the repository cannot be read."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, as `git log` has it.

    Attributes:
        id: its hash, in hex.
        time_s: when it was committed, since the epoch.
        subject: the first line of its message.
        body: the rest.
    """

    id: str
    time_s: int
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Change:
    """A file that a commit touched.

    Attributes:
        path: inside the repository.
        lines: added and removed; None: a binary file.
    """

    path: str
    lines: int | None


class Repository:
    """A git repository on this machine.

    Args:
        path: a folder of it.
        environ: the process's environment; little of it is handed on.

    Raises:
        GitError: git is not installed.
        UsageError: the folder is no repository.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._environ = {**{name: environ[name] for name in _KEPT if name in environ}, **_FIXED}
        if not path.is_dir():
            raise UsageError(f"--repo {path}: no such folder")
        self._root = path
        self._run("rev-parse", "--git-dir")
        # git names files from the top, and takes names from where it is; a bare repository has no way up.
        self._root = path / self._run("rev-parse", "--show-cdup").strip()

    def commits(self, ref: str = "HEAD", since: str | None = None) -> Iterator[Commit]:
        """Yield the commits that are no merges, the newest first.

        Args:
            ref: from where on back, as git names it.
            since: none before this date, as git reads dates.

        Raises:
            UsageError: there is no such commit, or no such date in the past.
            GitError: git failed.
        """
        tip = self._commit_id(ref)
        if since is not None:
            self._insist_on_past(since)
        bound = [] if since is None else [f"--since={since}"]
        command = ("log", "--no-merges", "--no-show-signature", "--no-notes", f"--format=tformat:{_FIELDS}", *bound)
        with self._started(*command, "--end-of-options", tip, "--") as process:
            for commit_id, time_s, subject, body in _records(_out(process), 4):
                yield Commit(commit_id.strip(), int(time_s), subject.strip(), body.strip())
            self._ended(process)

    def changes(self, commit_id: str) -> list[Change]:
        """Return the files that a commit touched.

        Raises:
            GitError: git failed.
        """
        options = (
            "--root",
            "-r",
            "--no-commit-id",
            "--no-renames",
            "--numstat",
            "-z",
            "--no-ext-diff",
            "--no-textconv",
        )
        found = []
        for record in self._run("diff-tree", *options, "--end-of-options", commit_id, "--").split("\x00"):
            if record:
                added, removed, path = record.split("\t", 2)
                found.append(Change(path, None if added == "-" else int(added) + int(removed)))
        return found

    def diff(self, commit_id: str, paths: Sequence[str], max_bytes: int) -> str:
        """Return what a commit changed in some files, cut at the end of a line where it is longer than `max_bytes`.

        Raises:
            GitError: git failed.
        """
        options = (
            "--root",
            "-r",
            "-p",
            "--no-commit-id",
            "--no-renames",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
        )
        with self._started("diff-tree", *options, "--end-of-options", commit_id, "--", *paths) as process:
            content = _out(process).read(max_bytes + 1)
            if len(content) <= max_bytes:
                self._ended(process)
                return content.decode("utf-8", "replace")
            process.kill()
        kept = content[: content.rfind(b"\n", 0, max_bytes) + 1] or content[:max_bytes]
        return kept.decode("utf-8", "replace") + _CUT

    def _commit_id(self, ref: str) -> str:
        try:
            return self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").strip()
        except GitError:
            raise UsageError(f"--ref {ref}: {self._path} has no such commit") from None

    def _insist_on_past(self, since: str) -> None:
        """Refuse what git cannot read, which it takes for now."""
        now_s = int(time.time())
        found = self._run("rev-parse", f"--since={since}").strip().removeprefix("--max-age=")
        if not found.isdigit() or int(found) >= now_s:
            raise UsageError(f"--since {since}: is no date before now, as git reads dates; e.g. 2026-01-31")

    def _run(self, *arguments: str) -> str:
        with self._started(*arguments) as process:
            said = _out(process).read()
            self._ended(process)
        return said.decode("utf-8", "replace")

    def _started(self, *arguments: str) -> "_Started":
        settings = [each for setting in _SETTINGS for each in ("-c", setting)]
        command = ["git", "--literal-pathspecs", "--no-replace-objects", "-C", str(self._root.absolute()), *settings]
        try:
            return _Started([*command, *arguments], self._environ)
        except FileNotFoundError:
            raise GitError("git: not installed, or not in PATH; install it to mine commits") from None
        except OSError as error:
            raise GitError(f"git: cannot be started ({error.strerror})") from None

    def _ended(self, process: "_Started") -> None:
        if process.wait() != 0:
            said = process.complaints().strip().splitlines()
            reason = said[0].removeprefix("fatal: ") if said else f"git ended with {process.returncode}"
            if "not a git repository" in reason:
                raise UsageError(f"--repo {self._path}: no git repository")
            raise GitError(f"--repo {self._path}: {reason}")


class _Started(subprocess.Popen[bytes]):
    """Ends when its block does: whoever has seen enough leaves.

    Its complaints go to a file: a pipe that nobody reads would stop it once it is full.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        try:
            super().__init__(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._complaints, env=environ
            )
        except BaseException:
            self._complaints.close()
            raise

    def complaints(self) -> str:
        """Return the beginning of what it has said on its standard error."""
        self._complaints.seek(0)
        return self._complaints.read(_PIECE_BYTES).decode("utf-8", "replace")

    def __exit__(self, *raised: object) -> None:
        if self.poll() is None:
            self.kill()
        super().__exit__(*raised)  # type: ignore[arg-type]
        self._complaints.close()


def _out(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    return cast("IO[bytes]", process.stdout)


def _records(stream: IO[bytes], fields: int) -> Iterator[list[str]]:
    """Yield so many fields at a time; each ends with a NUL."""
    record: list[str] = []
    for part in _parts(stream):
        record.append(part.decode("utf-8", "replace"))
        if len(record) == fields:
            yield record
            record = []


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    left = b""
    while piece := stream.read(_PIECE_BYTES):
        *whole, left = (left + piece).split(b"\x00")
        yield from whole
