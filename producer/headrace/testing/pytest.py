"""A pytest plugin: the fixture `headrace_capture`. Opt-in: name it in your conftest.py.

pytest_plugins = ["headrace.testing.pytest"]

def test_my_program_is_captured(headrace_capture):
    program(question="why?")
    assert headrace_capture.records[0]["module_name"] == "support"

@pytest.mark.headrace(telemetry={"sampling_rate_pct": 0}, redaction={"kinds": []})
def test_nothing_is_sampled(headrace_capture):
    program(question="why?")
    assert headrace_capture.records == []

No entry point: an installed Headrace changes nobody's test run by itself.
"""

from collections.abc import Iterator

import pytest

from headrace.testing import Captured, capture

__all__ = ["headrace_capture", "pytest_configure"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for those who run with --strict-markers."""
    config.addinivalue_line("markers", "headrace(**sections): the configuration in which headrace_capture captures.")


@pytest.fixture
def headrace_capture(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """Capture every call of the test into memory; see `headrace.testing.Captured`."""
    marker = request.node.get_closest_marker("headrace")
    with capture(**({} if marker is None else marker.kwargs)) as captured:
        yield captured
