"""`headrace.testing.pytest`, as a user's own test run has it."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

CONFTEST = 'pytest_plugins = ["headrace.testing.pytest"]'

TESTS = """
    import dspy
    import headrace
    import pytest

    class Echo(dspy.Module):
        def forward(self, question):
            return dspy.Prediction(answer=question)

    program = headrace.instrument(Echo(), "support")

    def test_a_call_is_captured(headrace_capture):
        with headrace.request("r-1"):
            program(question="why?")
            headrace.feedback(score=1.0)
        (record,) = headrace_capture.records
        assert (record["module_name"], record["request_id"]) == ("support", "r-1")
        assert [feedback["request_id"] for feedback in headrace_capture.feedback] == ["r-1"]

    def test_each_test_begins_with_nothing(headrace_capture):
        assert headrace_capture.records == headrace_capture.feedback == headrace_capture.statistics == []

    @pytest.mark.headrace(telemetry={"sampling_rate_pct": 0})
    def test_a_marker_configures(headrace_capture):
        program(question="why?")
        assert headrace_capture.records == []
        headrace.flush()
        assert headrace_capture.statistics[-1]["calls"][0]["calls"] == 1

    @pytest.mark.headrace(telemetri={})
    def test_a_marker_that_is_wrong(headrace_capture):
        pass

    def test_a_broker_that_refuses(headrace_capture):
        headrace_capture.fail_with = "kafka:_MSG_TIMED_OUT"
        program(question="why?")
        assert headrace_capture.records == []
        assert headrace.stats().dropped == {"kafka:_MSG_TIMED_OUT": 1}

    def test_without_the_fixture_nothing_is_captured():
        program(question="why?")
        assert headrace.stats().sampled == 0
"""


def test_the_fixture_captures_and_the_marker_configures(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("--strict-markers", "-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*ConfigError: telemetri: unknown key; did you mean telemetry?*"])


def test_an_installed_headrace_is_in_nobodys_test_run_by_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_it():
            assert not [name for name in sys.modules if name.startswith("headrace")]
    """)
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)
    assert "headrace_capture" not in pytester.runpytest_subprocess("--fixtures").stdout.str()


def test_the_in_memory_sink_does_not_need_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import headrace.testing"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
