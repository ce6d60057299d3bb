"""`make matrix`: the tests of capture, routing and the cycle against each supported DSPy, one line a version.

Each version has a virtual environment of its own under .cache/matrix, made once; there, as here, the code under test is
this checkout. Arguments select versions: `make matrix ARGS="3.2"`.
"""

import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "matrix"
VERSIONS: Final = {
    "3.0.0": "dspy==3.0.0",  # the floor of the range in pyproject.toml
    "3.0": "dspy>=3.0,<3.1",
    "3.1": "dspy>=3.1,<3.2",
    "3.2": "dspy>=3.2,<3.3",
    "3.3": "dspy>=3.3,<3.4",
    "3.4": "dspy>=3.4,<3.5",
}
TESTS: Final = (
    "tests/unit/headrace/capture",
    "tests/unit/headrace/ways",
    "tests/unit/headrace/routing",
    "tests/unit/cycle",
    "tests/integration/test_instrumented_program.py",
)
_WARNINGS: Final = ("-o", "filterwarnings=default\nerror:::headrace")
"""Older releases warn of their own dependencies; what Headrace itself does is an error as ever."""
_SUMMARY: Final = re.compile(r"\d+ (passed|failed|error)")  # not the last line where something complains at exit
_EXTRAS: Final = ("encryption", "consumers", "optimize", "dev")
_NOT_FOR_TESTS: Final = ("headrace", "mypy", "ruff")


def requirements(version: str) -> list[str]:
    """Return what a version's environment holds: that DSPy, the dependencies of what is tested, the tests'."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [each for extra in _EXTRAS for each in project["optional-dependencies"][extra]]
    needed = [each for each in (*project["dependencies"], *extras) if not each.startswith(_NOT_FOR_TESTS)]
    return [VERSIONS[version], *needed]


def environment(version: str) -> Path:
    """Return the version's Python, set up for what it is to hold."""
    folder = CACHE / version
    python, stamp = folder / "bin" / "python", folder / "holds.txt"
    wanted = "\n".join(requirements(version))
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *requirements(version)], check=True)
        subprocess.run([*install, "--no-deps", "--editable", ROOT], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def run(version: str) -> bool:
    """Run the tests against a version, print its line, and tell whether all passed."""
    python = environment(version)
    which = [python, "-c", "import importlib.metadata as m; print(m.version('dspy'))"]
    exact = subprocess.run(which, check=True, capture_output=True, text=True).stdout.strip()
    log, started_s = CACHE / version / "tests.log", time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_WARNINGS, *TESTS],
            cwd=ROOT,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # else litellm asks the network for it
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    lines = log.read_text(encoding="utf-8").splitlines()
    summary = next((line.strip("= ") for line in reversed(lines) if _SUMMARY.search(line)), "no summary")
    what = "ok    " if done.returncode == 0 else f"FAILED (see {log.relative_to(ROOT)})"
    print(f"dspy {exact:<8} {what} {summary}, {time.monotonic() - started_s:.0f} s in all", flush=True)
    return done.returncode == 0


def main(selected: list[str]) -> int:
    """Run the versions selected, or all."""
    unknown = [version for version in selected if version not in VERSIONS]
    if unknown:
        print(f"matrix: no version {unknown[0]!r}; there are {', '.join(VERSIONS)}")
        return 2
    results = [run(version) for version in selected or VERSIONS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
