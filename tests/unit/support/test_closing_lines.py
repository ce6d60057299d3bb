"""What tests have to say at the end of a run is printed once, from however many processes it comes."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_ROOT = Path(__file__).parents[3]
_CONFTEST = """
import pytest
from tests.support import closing_lines

@pytest.fixture
def say(request):
    return lambda line: closing_lines.say(request.config, line)

def pytest_sessionfinish(session):
    closing_lines.hand_over(session.config)

@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    closing_lines.take_over(node.config, node)

def pytest_terminal_summary(terminalreporter, config):
    for line in closing_lines.collected(config):
        terminalreporter.write_line(line)
"""
_TEST = """
def test_it(say):
    say("all of us")
    say("number {number}")
"""


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]], ids=["one process", "two"])
def test_they_are_printed_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(**{f"test_{number}": _TEST.format(number=number) for number in range(3)})
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(passed=3)
    said = [line for line in result.outlines if line == "all of us" or line.startswith("number")]
    assert sorted(said) == ["all of us", "number 0", "number 1", "number 2"]
