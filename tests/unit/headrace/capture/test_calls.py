"""Instrumented modules called by name."""

import asyncio
import gc

import pytest

import headrace
from headrace.errors import UsageError
from tests.unit.headrace.capture.offline import Echo, Program


@pytest.fixture
def reviewer():
    return headrace.instrument(Program(), "reviewer", "baseline")


@pytest.mark.usefixtures("reviewer")
def test_a_module_is_called_by_name_and_version_in_the_request_given(everything):
    output = headrace.call_module_with_sampling("reviewer", "baseline", {"question": "x"}, "r-1")
    assert output == {"answer": "blue", "score": 0.5}
    assert {call.request_id for call in everything.calls} == {"r-1"}
    assert everything.roots[0].module_name == "reviewer"


@pytest.mark.usefixtures("reviewer")
def test_the_async_twins_do_the_same(everything):
    async def both():
        return (
            await headrace.acall_module_with_sampling("reviewer", "baseline", {"question": "x"}, "r-2"),
            await headrace.acall_agent_module("reviewer", {"question": "x"}),
        )

    assert asyncio.run(both()) == ({"answer": "blue", "score": 0.5},) * 2
    assert [call.request_id == "r-2" for call in everything.roots] == [True, False]


@pytest.mark.usefixtures("reviewer")
def test_without_an_id_the_open_request_holds(everything):
    with headrace.request("r-3"):
        headrace.call_agent_module("reviewer", {"question": "x"})
        headrace.call_module_with_sampling("reviewer", "baseline", {"question": "x"}, None)
    assert {call.request_id for call in everything.calls} == {"r-3"}


def test_of_two_modules_with_one_name_the_newest_is_called(everything):
    old = headrace.instrument(Echo(), "echo", "v1")
    new = headrace.instrument(Echo(), "echo", "v2")
    headrace.call_agent_module("echo", {"value": 1})
    headrace.call_module_with_sampling("echo", "v1", {"value": 1}, "r")
    newer = headrace.instrument(Echo(), "echo", "v1")
    headrace.call_agent_module("echo", {"value": 1})
    assert [call.module_version for call in everything.calls] == ["v2", "v1", "v1"]
    assert {id(old), id(new), id(newer)} == {id(module) for module in (old, new, newer)}


def test_a_module_is_found_under_its_latest_name_only(everything):
    echo = headrace.instrument(Echo(), "before")
    headrace.instrument(echo, "after")
    assert headrace.call_agent_module("after", {"value": 1}) == {"output": 1}
    with pytest.raises(UsageError):
        headrace.call_agent_module("before", {"value": 1})
    assert len(everything.calls) == 1


def test_being_instrumented_keeps_no_module_alive():
    headrace.instrument(Echo(), "short-lived")
    gc.collect()
    with pytest.raises(UsageError):
        headrace.call_agent_module("short-lived", {})


@pytest.mark.usefixtures("reviewer")
def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(UsageError, match=r"^no instrumented module 'reviwer'; did you mean 'reviewer' version"):
        headrace.call_agent_module("reviwer", {})
    with pytest.raises(
        UsageError,
        match=r"^no instrumented module 'reviewer' version 'v9'; did you mean 'reviewer' version 'baseline'\?$",
    ):
        headrace.call_module_with_sampling("reviewer", "v9", {}, "r")


@pytest.mark.usefixtures("reviewer")
def test_inputs_are_a_mapping_by_field_name():
    with pytest.raises(UsageError, match="expected a mapping from field name to value, found list"):
        headrace.call_agent_module("reviewer", ["x"])
    with pytest.raises(UsageError, match="a field's name must be a string, found int"):
        headrace.call_agent_module("reviewer", {1: "x"})


def test_the_modules_exception_passes(everything):
    echo, raised = headrace.instrument(Echo(), "raises"), LookupError("x")
    with pytest.raises(LookupError) as caught:
        headrace.call_agent_module("raises", {"value": raised})
    assert caught.value is raised
    assert everything.calls[0].success is False
    assert isinstance(echo, Echo)
