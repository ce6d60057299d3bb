"""Consumers have no dspy: cuts and imports work all the same, and what needs an LM says what to install."""

import subprocess
import sys

import pytest

_WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "dspy":
            raise ModuleNotFoundError("no dspy", name="dspy")
sys.meta_path.insert(0, Missing())
from headrace_consumers.cli import main
for arguments in sys.argv[1].split(";"):
    code = main(arguments.split())
sys.exit(code)
"""
_IMPORT = "dataset import-examples t.csv -s Route --map input.ticket=body --map output.queue=team"


def run(folder, *commands):
    (folder / "t.csv").write_text("body,team\nIt crashes,bug\nIt costs too much,billing\n")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, ";".join(commands)],
        cwd=folder,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr


def test_a_cut_of_imported_examples_needs_none(tmp_path):
    assert run(tmp_path, _IMPORT, "dataset cut -s Route") == (0, "")
    assert (tmp_path / "training_data" / "Route" / "v1" / "report.html").exists()


@pytest.mark.parametrize(
    "command", ["dataset synthesize -s Route --lm openai/x", "dataset cut -s Route --judge-lm openai/x"]
)
def test_what_needs_an_lm_says_what_to_install(tmp_path, command):
    code, said = run(tmp_path, _IMPORT, command)
    assert code == 1
    assert said == "headrace: dspy is not installed: pip install 'headrace[dspy]', or any dspy from 3.0\n"
