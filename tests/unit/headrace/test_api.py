"""The package's surface, and what importing it costs."""

import inspect
import json
import subprocess
import sys

import pytest

import headrace
import headrace.errors

PUBLIC = {
    "ConfigError",
    "DSPyMissingError",
    "DatasetError",
    "HeadraceError",
    "UsageError",
    "acall_agent_module",
    "acall_module_with_sampling",
    "autolog",
    "call_agent_module",
    "call_module_with_sampling",
    "configure",
    "feedback",
    "flush",
    "instrument",
    "instrument_all",
    "load_dataset",
    "pseudonym",
    "request",
    "set_sampling",
    "shutdown",
    "stats",
    "suppress",
}
HEAVY = [
    "dspy",
    "duckdb",
    "numba",
    "deltalake",
    "polars",
    "pyarrow",
    "typer",
    "rich",
    "litellm",
    "numpy",
    "cryptography",
    "headrace_consumers",
]


def python(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_all_lists_the_public_names_and_no_others():
    assert set(headrace.__all__) == PUBLIC
    assert list(headrace.__all__) == sorted(headrace.__all__)
    modules = {name for name, value in vars(headrace).items() if inspect.ismodule(value)}
    assert {name for name in vars(headrace) if not name.startswith("_")} - modules == PUBLIC


def test_every_error_of_the_package_is_exported():
    assert set(headrace.errors.__all__) <= set(headrace.__all__)


def test_everything_public_is_documented():
    for name in PUBLIC:
        assert inspect.getdoc(getattr(headrace, name))


def test_the_functions_stay_functions_when_the_submodules_are_imported():
    code = "import headrace, headrace.capture.wrapper, headrace.capture.feedback\n"
    done = python(code + "print(callable(headrace.request), callable(headrace.feedback), headrace.instrument)")
    assert done.stdout.startswith("True True <function instrument")


def test_importing_headrace_imports_nothing_heavy_and_starts_nothing():
    code = (
        "import sys, json, threading, headrace;"
        f"print(json.dumps([[n for n in {HEAVY!r} if n in sys.modules], threading.active_count()]))"
    )
    assert json.loads(python(code).stdout) == [[], 1]


def test_configuring_needs_no_dspy():
    done = python(
        "import sys; sys.modules['dspy'] = None; import headrace; print(headrace.configure().telemetry.enabled)"
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("call", ["instrument(object())", "request('r')", "suppress()", "call_agent_module('a', {})"])
def test_without_dspy_one_line_says_what_to_install(call):
    done = python(
        "import sys; sys.modules['dspy'] = None; import headrace\n"
        f"try: headrace.{call}\n"
        "except headrace.DSPyMissingError as error: print(error)"
    )
    assert done.stdout == "dspy is not installed: pip install 'headrace[dspy]', or any dspy from 3.0\n"
