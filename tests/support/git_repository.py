"""A git repository of a test, made commit by commit."""

import os
import subprocess
from pathlib import Path

__all__ = ["GitRepository"]

_IDENTITY = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A"}
_FIXED = {
    **_IDENTITY,
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
_FIRST_S = 1_700_000_000


class GitRepository:
    """A new repository; each commit is a day after the one before.

    Args:
        path: its folder, which is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits = 0
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        """Run git in it and return what it says."""
        date = f"{_FIRST_S + 86_400 * self._commits} +0000"
        environ = {**os.environ, **_FIXED, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        done = subprocess.run(["git", *arguments], cwd=self.path, env=environ, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, message: str, files: dict[str, str | bytes]) -> str:
        """Write files, commit them, and return the commit's id."""
        self._commits += 1
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")
