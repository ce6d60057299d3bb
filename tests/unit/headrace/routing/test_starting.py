"""`instrument(router=True)`: routes from the last known state at once, and says so where none can be followed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import runtime
from headrace.config import load
from headrace.programs import ProgramRegistry
from headrace.programs.blobs import LocalBlobs
from headrace.routing import attached
from headrace.routing.last_known import LastKnown
from headrace.routing.starting import route_all
from headrace_schemas.programs import digest_of
from tests.support.waiting import wait_until
from tests.unit.headrace.capture.offline import KeepingPipeline
from tests.unit.headrace.routing.test_routing import ask, counted
from tests.unit.headrace.routing.world import Hearing, Twice, rollout, version_of


class _Follower:
    """Stands where one would follow the topic; nobody is there."""


@contextmanager
def running(folder: Path, *, follows: bool = True, **telemetry: Any) -> Iterator[runtime.Runtime]:
    values = {
        "telemetry": {
            "enabled": True,
            "sampling_rate_pct": 0,
            "log_file_path": str(folder / "log.jsonl"),
            **telemetry,
        },
        "registry": {"path": str(folder / "registry")},
    }
    follower: Any = _Follower() if follows else None
    service = runtime.Runtime(load(None, values, {}), KeepingPipeline(), follower=follower)
    previous = runtime.swap(service)
    try:
        yield service
    finally:
        runtime.swap(previous)


def kept(folder: Path, state: Any = "promoted") -> str:
    """Leave on disk what an earlier process of the service knew."""
    data = version_of("v2").encoded()
    known = LastKnown(folder / "spool/router", lambda: None)
    known.keep_program(digest_of(data), data, None)
    known.keep([rollout(digest_of(data), state)])
    return digest_of(data)


def pipeline_of(service: runtime.Runtime) -> KeepingPipeline:
    assert isinstance(service.pipeline, KeepingPipeline)
    return service.pipeline


def test_the_first_call_already_gets_what_was_known_last(tmp_path: Path, lm: Hearing) -> None:
    kept(tmp_path)
    with running(tmp_path) as service:
        ask(headrace.instrument(Twice(), "qa", router=True))
        assert lm.versions == ["v2", "v2"]
        assert counted(pipeline_of(service)) == {("qa", "v2", "", "", 0): 1}


def test_a_program_and_its_parts_are_routed_together(tmp_path: Path, lm: Hearing) -> None:
    kept(tmp_path, "running")
    with running(tmp_path) as service:
        ask(headrace.instrument_all(Twice(), "qa", router=True))
        assert lm.versions == ["v2", "v2"]
        modules = {(each[0], each[1], each[2]): calls for each, calls in counted(pipeline_of(service)).items()}
    assert modules == {(name, "v2", "candidate"): 1 for name in ("qa", "qa.think", "qa.inner")}


def test_what_the_topic_says_comes_before_what_was_known_last(tmp_path: Path, lm: Hearing) -> None:
    digest = kept(tmp_path)
    with running(tmp_path) as service:
        service.rollouts = {"production/qa": rollout(digest, "rolled_back")}
        ask(headrace.instrument(Twice(), "qa", router=True))
        assert lm.versions == ["deployed", "deployed"]


def test_a_new_configuration_routes_the_same_modules(tmp_path: Path, lm: Hearing) -> None:
    kept(tmp_path)
    with running(tmp_path):
        program = headrace.instrument(Twice(), "qa", router=True)
        with running(tmp_path) as other:
            route_all(other)
            ask(program)
        with running(tmp_path, follows=False) as last:
            route_all(last)
            ask(program)
    assert lm.versions == ["v2", "v2", "deployed", "deployed"]


def test_a_module_that_is_not_to_be_routed_is_left_alone(tmp_path: Path, lm: Hearing) -> None:
    kept(tmp_path)
    with running(tmp_path):
        ask(headrace.instrument(Twice(), "qa"))
    assert lm.versions == ["deployed", "deployed"]


def test_without_a_topic_to_follow_one_line_says_so(
    tmp_path: Path, lm: Hearing, caplog: pytest.LogCaptureFixture
) -> None:
    kept(tmp_path)
    with running(tmp_path, follows=False), caplog.at_level(logging.WARNING, "headrace"):
        ask(headrace.instrument(Twice(), "qa", router=True))
    assert lm.versions == ["deployed", "deployed"]
    assert [each for each in caplog.messages if "no rollouts are followed" in each] == caplog.messages[:1]


def test_with_telemetry_off_the_code_as_deployed_serves(tmp_path: Path, lm: Hearing) -> None:
    kept(tmp_path)
    with running(tmp_path, enabled=False):
        ask(headrace.instrument(Twice(), "qa", router=True))
    assert lm.versions == ["deployed", "deployed"]


def test_a_service_needs_no_signing_key(tmp_path: Path, lm: Hearing) -> None:
    digest = ProgramRegistry(LocalBlobs(tmp_path / "registry")).put(version_of("v2"))
    with running(tmp_path) as service:
        section = service.config.registry.model_copy(update={"signing_key": "env:HEADRACE_NOT_SET"})
        service.config = service.config.model_copy(update={"registry": section})
        program = headrace.instrument(Twice(), "qa", router=True)
        assert service.router is not None
        order = rollout(digest)
        service.router.follow({order.name: order})
        service.router.idle()
        wait_until(lambda: service.router.is_on, "the program")
        ask(program)
        assert pipeline_of(service).program_failures == []
    assert lm.versions == ["v2", "v2"]


def test_where_no_routed_module_lives_a_configuration_that_follows_nothing_is_not_complained_of(
    tmp_path: Path, lm: Hearing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    del lm
    monkeypatch.setattr(attached, "attached", list)
    with running(tmp_path, follows=False) as service:
        route_all(service)
        assert caplog.messages == []
        monkeypatch.undo()
        program = headrace.instrument(Twice(), "qa", router=True)
        caplog.clear()
        route_all(service)
        assert len(caplog.messages) == 1
        del program
