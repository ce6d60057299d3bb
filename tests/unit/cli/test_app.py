"""How every command ends: exit code, one line, and nothing heavy before it runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import ConfigError, HeadraceError, UsageError
from headrace_consumers.cli.app import guarded

COMMANDS = [
    ["config", "show"],
    ["config", "check"],
    ["topics", "create"],
    ["topics", "check"],
    ["acls", "show"],
    ["acls", "apply"],
    ["acls", "check"],
    ["acls", "remove"],
    ["consume", "dataset"],
    ["dataset", "ls"],
    ["dataset", "show"],
    ["dataset", "cut"],
    ["dataset", "mine-git"],
    ["dataset", "synthesize"],
    ["dataset", "import-examples"],
    ["cycle", "run"],
    ["cycle", "ls"],
    ["cycle", "show"],
    ["cycle", "report"],
    ["registry", "ls"],
    ["registry", "show"],
    ["registry", "sign"],
    ["registry", "public-key"],
    ["deadletter", "ls"],
    ["deadletter", "show"],
    ["deadletter", "replay"],
    ["privacy", "pseudonym"],
    ["alerts", "render"],
    ["dashboards", "render"],
    ["demo"],
]


def headrace(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("headrace")), *arguments],
        cwd=cwd,
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_an_example_of_that_command(command, path):
    shown = command(*path, "--help")
    assert shown.code == 0
    assert f"Example: headrace {' '.join(path)}" in shown.out
    assert "--config" in shown.out


def test_no_arguments_show_the_help(command):
    assert command().out == command("--help").out
    assert "Commands:" in command().out


def test_a_misspelt_command_is_one_line_and_exit_code_2(command):
    ended = command("consme")
    assert ended.code == 2
    assert "consme" in ended.error
    assert "headrace --help" in ended.error


def test_a_group_without_a_command_is_one_line_and_exit_code_2(command):
    ended = command("topics")
    assert (ended.code, ended.out) == (2, "")
    assert "headrace topics --help" in ended.error


def test_an_unknown_option_names_the_command_whose_help_to_read(command):
    ended = command("consume", "dataset", "--idle", "3")
    assert ended.code == 2
    assert ended.error.endswith("see headrace consume dataset --help")


def test_a_wrong_option_value_is_exit_code_2(command):
    ended = command("topics", "create", "--partitions", "many")
    assert ended.code == 2
    assert "--partitions" in ended.error


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("telemetry.x: unknown key"), 2), (UsageError("--dir x: no"), 2), (HeadraceError("no broker"), 1)],
)
def test_our_errors_become_their_line_and_exit_code(capsys, error, code):
    def work():
        raise error

    assert guarded(work) == code
    assert capsys.readouterr().err == f"headrace: {error}\n"


def test_a_message_of_several_lines_becomes_one(capsys):
    def work():
        raise HeadraceError("first\n  second")

    guarded(work)
    assert capsys.readouterr().err == "headrace: first second\n"


def test_an_unexpected_error_tells_how_to_see_its_traceback(capsys, monkeypatch):
    monkeypatch.delenv("HEADRACE_TRACEBACK", raising=False)

    def work():
        raise ZeroDivisionError("division by zero")

    assert guarded(work) == 1
    line = capsys.readouterr().err
    assert line.startswith("headrace: unexpected ZeroDivisionError: division by zero (")
    assert "HEADRACE_TRACEBACK=1" in line
    assert line.count("\n") == 1


def test_an_unexpected_error_shows_its_traceback_when_asked(capsys, monkeypatch):
    monkeypatch.setenv("HEADRACE_TRACEBACK", "1")

    def work():
        raise ZeroDivisionError("division by zero")

    assert guarded(work) == 1
    assert "in work" in capsys.readouterr().err


def test_ctrl_c_is_quiet_and_130(capsys):
    def work():
        raise KeyboardInterrupt

    assert guarded(work) == 130
    assert capsys.readouterr() == ("", "")


def test_the_installed_program_has_the_exit_codes(tmp_path):
    assert headrace("--version", cwd=tmp_path).stdout.startswith("headrace ")
    assert headrace("config", "check", cwd=tmp_path).returncode == 0
    assert headrace("dataset", "ls", cwd=tmp_path).returncode == 1
    ended = headrace("config", "check", cwd=tmp_path, HEADRACE_TELEMETRY__SAMPLING_RATE_PCT="110")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed_pipe:
        program = str(Path(sys.executable).with_name("headrace"))
        ended = subprocess.run(
            [program, "config", "show"],
            cwd=tmp_path,
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.stderr == ""
    assert ended.returncode == 1


def test_help_imports_nothing_heavy():
    script = (
        "import sys, json\n"
        "from headrace_consumers.cli import main\n"
        "main(['--help'])\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(ended.stderr))
    stores, others = {"duckdb", "deltalake", "polars", "pyarrow"}, {"dspy", "numba", "rich", "pydantic", "structlog"}
    heavy = {*stores, *others, "confluent_kafka"}
    assert not loaded & heavy
