"""A program version that cannot be used leaves the baseline serving, is counted, and said once; a restart goes on."""

import base64
import errno
import json
import logging
import os
import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest

import headrace
from headrace.capture.marks import mark_of
from headrace.programs import ProgramRegistry, Signer, Verifier, public_key_of
from headrace.programs.blobs import LocalBlobs
from headrace.routing.last_known import LastKnown
from headrace.routing.router import Router
from headrace_schemas.programs import ProgramError, digest_of
from headrace_schemas.rollouts import ProgramVersion
from tests.unit.headrace.capture.conftest import At
from tests.unit.headrace.capture.offline import KeepingPipeline
from tests.unit.headrace.routing.test_routing import ask, counted
from tests.unit.headrace.routing.world import Hearing, Inner, Twice, World, rollout, version_of

_SEED = b"s" * 32


def _changed(world: World) -> str:
    digest = world.registry.put(version_of("v2"))
    file = world.spool.parent / f"registry/programs/{digest}.json"
    file.write_bytes(file.read_bytes().replace(b"VERSION-v2", b"VERSION-vX"))
    return digest


def _no_program(world: World) -> str:
    data = b'{"format":"headrace.program.v1","module":"qa"}'
    file = world.spool.parent / f"registry/programs/{digest_of(data)}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return digest_of(data)


class Fewer(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.think = dspy.ChainOfThought("question, context -> answer")


BAD = {
    "missing": lambda _: "ab" * 32,
    "digest": _changed,
    "invalid": _no_program,
    "other_program": lambda world: world.registry.put(version_of("v2", module="other")),
    "unknown_predictor": lambda world: world.registry.put(version_of("v2", Inner)),
    "signature_changed": lambda world: world.registry.put(version_of("v2", Fewer)),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_candidate_leaves_the_baseline_serving_and_is_told_once(
    world: World, lm: Hearing, at: At, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    pipeline = at(0)
    program = world.route(Twice())
    baseline = ProgramVersion("v1", world.registry.put(version_of("v1")))
    order = rollout(BAD[reason](world), share=1.0, baseline=baseline)
    with caplog.at_level(logging.WARNING, "headrace"):
        world.order(order)
        for step in range(1, 4):
            world.now_s += 1000
            world.order(rollout(order.candidate.digest or "", share=1.0, baseline=baseline, sequence=step + 1))
    ask(program)
    assert set(lm.versions) == {"v1"}
    assert counted(pipeline) == {("qa", "v1", "", "", 0): 1}
    assert world.failures == [reason]
    (line,) = caplog.messages
    assert line.startswith(f"headrace: a program version is not used ({reason}): ")
    assert "\n" not in line


@pytest.mark.parametrize(("signed_by", "reason"), [(None, "unsigned"), (b"o" * 32, "signature"), (_SEED, None)])
def test_with_a_key_configured_only_what_it_signed_is_used(
    tmp_path: Path, lm: Hearing, at: At, signed_by: bytes | None, reason: str | None
) -> None:
    at(0)
    blobs = LocalBlobs(tmp_path / "registry")
    verifier = Verifier([base64.b64decode(public_key_of(_SEED))])
    digest = ProgramRegistry(blobs, signer=Signer(signed_by) if signed_by else None).put(version_of("v2"))
    world = World(tmp_path, ProgramRegistry(blobs, verifier=verifier), verifier)
    program = world.route(Twice())
    world.order(rollout(digest))
    ask(program)
    assert set(lm.versions) == ({"v2"} if reason is None else {"deployed"})
    assert world.failures == ([] if reason is None else [reason])


def test_a_baseline_that_cannot_be_had_leaves_the_code_as_deployed_and_compares_nothing(
    world: World, lm: Hearing, at: At
) -> None:
    pipeline = at(0)
    program = world.route(Twice())
    digest = world.registry.put(version_of("v2"))
    world.order(rollout(digest, share=0.5, baseline=ProgramVersion("v1", "cd" * 32)))
    for number in range(10):
        ask(program, f"r{number}")
    assert set(lm.versions) == {"deployed"}
    assert counted(pipeline) == {("qa", "baseline", "", "", 0): 10}
    assert world.failures == ["missing"]


class Away(ProgramRegistry):
    """A registry that cannot be reached until it can."""

    is_away = True
    asked = 0

    def read(self, digest: str) -> tuple[bytes, bytes | None]:
        self.asked += 1
        if self.is_away:
            raise ProgramError("unreachable", "the store is away")
        return super().read(digest)


def test_a_registry_that_is_away_is_asked_again_later_and_later_and_then_used(
    tmp_path: Path, lm: Hearing, at: At
) -> None:
    at(0)
    registry = Away(LocalBlobs(tmp_path / "registry"))
    world = World(tmp_path, registry)
    program = world.route(Twice())
    world.order(rollout(registry.put(version_of("v2"))))
    asked_at = []
    for second in range(200):
        world.now_s = float(second)
        before = registry.asked
        world.router.idle()
        if registry.asked > before:
            asked_at.append(second)
    assert asked_at == [5, 15, 35, 75, 135, 195]
    assert world.failures == ["unreachable"]
    ask(program)
    registry.is_away = False
    world.now_s += 60
    world.router.idle()
    ask(program)
    assert lm.versions == ["deployed", "deployed", "v2", "v2"]


def test_while_a_registry_hangs_orders_are_applied_and_what_comes_too_late_is_not_used(
    world: World, lm: Hearing, at: At
) -> None:
    at(0)
    hanging: list[Callable[[], None]] = []
    qa, other = world.route(Twice()), world.route(Twice(), "other")
    second = rollout(world.registry.put(version_of("v2", module="other")), module="other")
    world.order(second)
    world.in_background = hanging.append
    third = rollout(world.registry.put(version_of("v3")), version="v3")
    world.order(third, second)
    assert len(hanging) == 1  # the only one, however often it is time to look
    back = rollout(second.candidate.digest or "", "rolled_back", module="other")
    world.order(third, back)
    ask(other)
    assert lm.versions == ["deployed", "deployed"]
    world.order(back)  # the third is wanted no more
    hanging.pop()()
    ask(qa)
    assert lm.versions == ["deployed"] * 4
    world.order(third, back)
    assert len(hanging) == 0  # it is on disk by now
    ask(qa)
    assert lm.versions[4:] == ["v3", "v3"]


def test_a_program_is_fetched_in_a_thread_of_its_own(tmp_path: Path) -> None:
    threads: list[threading.Thread] = []
    registry = ProgramRegistry(LocalBlobs(tmp_path / "registry"))
    done = threading.Event()

    def opened() -> ProgramRegistry:
        threads.append(threading.current_thread())
        return registry

    router = Router(
        "production",
        LastKnown(tmp_path / "spool", lambda: None),
        opened,
        count_failure=lambda _: None,
        on_change=lambda: done.set() if threads else None,
        modules=list,
    )
    order = rollout(registry.put(version_of("v2")))
    router.follow({order.name: order})
    router.idle()
    assert done.wait(60)
    assert [(each.name, each.daemon) for each in threads] == [("headrace-programs", True)]


def test_where_no_thread_can_be_started_the_baseline_serves_and_it_is_tried_again(
    world: World, lm: Hearing, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    at(0)

    def no_thread(_: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    run, world.in_background = world.in_background, no_thread
    program = world.route(Twice())
    order = rollout(world.registry.put(version_of("v2")))
    world.order(order)
    assert [each.rpartition(": ")[2] for each in caplog.messages] == ["can't start new thread; the baseline serves"]
    world.in_background = run
    world.now_s += 60
    world.router.idle()
    ask(program)
    assert lm.versions == ["v2", "v2"]


def test_a_router_of_an_earlier_configuration_routes_nothing_any_more(world: World, lm: Hearing, at: At) -> None:
    at(0)
    hanging: list[Callable[[], None]] = []
    world.in_background = hanging.append
    program = world.route(Twice())
    world.order(rollout(world.registry.put(version_of("v2"))))
    world.router.close()
    hanging.pop()()
    ask(program)
    assert lm.versions == ["deployed", "deployed"]


def test_a_rollback_needs_no_registry(tmp_path: Path, lm: Hearing, at: At) -> None:
    at(0)
    registry = Away(LocalBlobs(tmp_path / "registry"))
    registry.is_away = False
    world = World(tmp_path, registry)
    program = world.route(Twice())
    digest = registry.put(version_of("v2"))
    world.order(rollout(digest))
    ask(program)
    registry.is_away = True
    world.order(rollout(digest, "rolled_back"))
    ask(program)
    assert lm.versions == ["v2", "v2", "deployed", "deployed"]


def test_after_a_restart_without_kafka_and_registry_the_last_known_state_serves(
    tmp_path: Path, lm: Hearing, at: At
) -> None:
    at(0)
    first = World(tmp_path)
    first.route(Twice())
    baseline = ProgramVersion("v1", first.registry.put(version_of("v1")))
    order = rollout(first.registry.put(version_of("v2")), share=0.5, baseline=baseline, stage=3)
    first.order(order)
    for file in (tmp_path / "spool").rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600)

    registry = Away(LocalBlobs(tmp_path / "registry"))
    second = World(tmp_path, registry)
    program = second.route(Twice())
    for number in range(20):
        ask(program, f"r{number}")
    assert (registry.asked, second.opened, second.failures) == (0, 0, [])
    for told, _, question in lm.heard:
        assert told == ("v2" if order.arm_of(question) == "candidate" else "v1")
    assert set(lm.versions) == {"v1", "v2"}


def test_what_is_kept_is_checked_again_and_what_nobody_names_is_deleted(tmp_path: Path, lm: Hearing, at: At) -> None:
    at(0)
    first = World(tmp_path)
    digest = first.registry.put(version_of("v2"))
    other = first.registry.put(version_of("v3"))
    first.order(rollout(other, version="v3"))
    first.order(rollout(digest))
    kept = tmp_path / "spool/programs"
    assert [each.name for each in kept.iterdir()] == [f"{digest}.json"]
    (kept / f"{digest}.json").write_bytes((kept / f"{digest}.json").read_bytes().replace(b"VERSION-v2", b"VERSION-vX"))
    second = World(tmp_path)
    program = second.route(Twice())
    ask(program)
    second.router.idle()
    ask(program)
    assert lm.versions == ["deployed", "deployed", "v2", "v2"]


def test_what_another_process_is_just_writing_is_left_and_what_a_killed_one_left_is_deleted(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, written_s in (("ab.json", 10_000), ("cd.json", 10_000), (".part-new", 9_000), (".part-old", 100)):
        (programs / name).write_text("{}")
        os.utime(programs / name, (written_s, written_s))
    LastKnown(tmp_path, lambda: None, lambda: 10_000.0).forget_programs_but({"ab"})
    assert {each.name for each in programs.iterdir()} == {"ab.json", ".part-new"}


@pytest.mark.parametrize(
    "kept",
    [
        "{",
        "[]",
        '{"format":"headrace.rollouts.v9"}',
        '{"format":"headrace.rollouts.v1","orders":{"production/qa":"AAAA"}}',
    ],
)
def test_a_state_that_cannot_be_read_is_one_line_and_the_topic_sets_it_right(
    tmp_path: Path, lm: Hearing, at: At, caplog: pytest.LogCaptureFixture, kept: str
) -> None:
    at(0)
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool/rollouts.json").write_text(kept)
    with caplog.at_level(logging.WARNING, "headrace"):
        world = World(tmp_path)
    assert len(caplog.messages) == 1
    assert re.search(r"last known rollouts? (of 'production/qa' )?cannot be read", caplog.messages[0])
    program = world.route(Twice())
    ask(program)
    world.order(rollout(world.registry.put(version_of("v2"))))
    ask(program)
    assert lm.versions == ["deployed", "deployed", "v2", "v2"]
    assert json.loads((tmp_path / "spool/rollouts.json").read_text())["format"] == "headrace.rollouts.v1"


def test_a_disk_that_takes_nothing_is_counted_and_the_rollout_goes_on(
    tmp_path: Path, lm: Hearing, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    at(0)
    (tmp_path / "spool").write_text("a file where a folder should be")
    world = World(tmp_path)
    program = world.route(Twice())
    world.order(rollout(world.registry.put(version_of("v2"))))
    ask(program)
    assert set(lm.versions) == {"v2"}
    assert set(world.failures) == {"not_kept"}
    of_reading, *of_keeping = caplog.messages
    assert "cannot be read" in of_reading
    assert of_keeping
    for line in of_keeping:
        assert "cannot be kept on disk (" in line
        assert line.endswith("; it holds, but a restart without Kafka goes on from what was kept before")


def test_what_could_not_be_kept_is_kept_once_the_disk_takes_it(
    tmp_path: Path, lm: Hearing, at: At, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full at the moment of a rollback must not bring the candidate back to life after a restart."""
    at(0)
    first = World(tmp_path)
    first.route(Twice())
    digest = first.registry.put(version_of("v2"))
    first.order(rollout(digest))
    write = LastKnown._replace

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LastKnown, "_replace", full)
    baseline = ProgramVersion("v1", first.registry.put(version_of("v1")))
    back = rollout(digest, "rolled_back", stage=2, baseline=baseline)
    first.order(back, fetches=9)
    assert first.failures == ["not_kept", "not_kept"]  # the order and the program, however often it is tried again
    monkeypatch.setattr(LastKnown, "_replace", write)
    with caplog.at_level(logging.INFO, "headrace"):
        first.order(back)  # nothing new is ordered
    assert caplog.messages[-1] == "headrace: the rollouts are kept on disk again"

    registry = Away(LocalBlobs(tmp_path / "registry"))
    second = World(tmp_path, registry)
    ask(second.route(Twice()))
    assert lm.versions == ["v1", "v1"]
    assert (registry.asked, second.failures) == (0, [])


def test_of_what_was_known_last_one_rollout_that_cannot_be_read_takes_no_other_with_it(
    tmp_path: Path, lm: Hearing, at: At, caplog: pytest.LogCaptureFixture
) -> None:
    at(0)
    first = World(tmp_path)
    digest = first.registry.put(version_of("v2"))
    first.order(rollout(digest, updated_at_ms=2**45), rollout(digest, module="other"))
    file = tmp_path / "spool/rollouts.json"
    kept = json.loads(file.read_text())
    kept["orders"]["production/other"] = "AAAA"
    file.write_text(json.dumps(kept))
    second = World(tmp_path)
    ask(second.route(Twice()))
    assert lm.versions == ["v2", "v2"]
    (line,) = caplog.messages
    assert line.startswith("headrace: the last known rollout of 'production/other' cannot be read (")


def test_rollouts_of_other_environments_and_modules_change_nothing(world: World, lm: Hearing, at: At) -> None:
    at(0)
    program = world.route(Twice())
    digest = world.registry.put(version_of("v2"))
    other: Any = rollout(digest)
    world.router.follow({"staging/qa": type(other)(**{**_members(other), "environment": "staging"})})
    world.order(rollout(digest, module="other"))
    ask(program)
    assert set(lm.versions) == {"deployed"}
    assert not world.router.is_on


def test_a_record_that_only_tells_why_changes_nothing_and_is_not_written_to_disk(world: World) -> None:
    program = world.route(Twice())
    order = rollout(world.registry.put(version_of("v2")))
    world.order(order)
    routing, changes = mark_of(program).routing, world.changes
    (world.spool / "rollouts.json").unlink()
    looked = rollout(order.candidate.digest or "", sequence=2, decision={"action": "hold"}, controller={"looks": 7})
    world.order(looked)
    assert (mark_of(program).routing, world.changes) == (routing, changes)
    assert not (world.spool / "rollouts.json").exists()
    world.order(rollout(order.candidate.digest or "", share=0.5, stage=2))
    assert mark_of(program).routing is not routing
    assert (world.spool / "rollouts.json").exists()


def _members(order: Any) -> dict[str, Any]:
    return {name: getattr(order, name) for name in type(order).__slots__}


def test_a_signature_that_the_service_replaced_is_not_told_and_from_that_call_on_none_counts_in_an_arm(
    world: World, lm: Hearing, everything: KeepingPipeline
) -> None:
    program = world.route(Twice())
    digest = world.registry.put(version_of("v2"))
    world.order(rollout(digest))
    ask(program)
    program.inner.score.signature = dspy.Signature("question, answer -> score: float", "VERSION-mine")
    ask(program)
    ask(program, "y")
    assert lm.versions == ["v2", "v2", "v2", "mine", "deployed", "mine"]
    assert counted(everything) == {
        ("qa", "v2", "candidate", "r1", 1): 1,
        ("qa", "v2", "", "", 0): 1,
        ("qa", "baseline", "", "", 0): 1,
    }
    sampled = {each["arm"]: sum(usage["sampled"] for usage in each["usage"]) for each in everything.counters.snapshot()}
    assert sampled["candidate"] == 1
    assert everything.program_failures == ["signature_changed"]
    world.order(rollout(digest, stage=2))  # fitted to what is there now
    ask(program)
    assert lm.versions[-2:] == ["v2", "v2"]
    assert counted(everything)["qa", "v2", "candidate", "r1", 2] == 1


def test_a_replaced_signature_ends_the_comparison_for_both_arms(world: World, lm: Hearing, at: At) -> None:
    pipeline = at(0)
    program = world.route(Twice())
    order = rollout(world.registry.put(version_of("v2")), share=0.5)
    world.order(order)
    ids = [f"r{number}" for number in range(40)]
    in_arm = {arm: [each for each in ids if order.arm_of(each) == arm] for arm in ("candidate", "baseline")}
    program.inner.score.signature = dspy.Signature("question, answer -> score: float", "VERSION-mine")
    ask(program, in_arm["baseline"][0])  # is told nothing by its own route, and notices nothing
    assert counted(pipeline) == {("qa", "baseline", "baseline", "r1", 1): 1}
    for each in (in_arm["candidate"][0], in_arm["baseline"][1], in_arm["candidate"][1]):
        ask(program, each)
    assert lm.versions == ["deployed", "mine", "v2", "mine", "deployed", "mine", "deployed", "mine"]
    assert counted(pipeline) == {
        ("qa", "baseline", "baseline", "r1", 1): 1,
        ("qa", "v2", "", "", 0): 1,
        ("qa", "baseline", "", "", 0): 2,
    }


def test_a_predictor_that_was_put_in_place_later_is_told_from_the_next_order_on(
    world: World, lm: Hearing, at: At
) -> None:
    at(0)
    program = world.route(Twice())
    digest = world.registry.put(version_of("v2"))
    program.inner.score = dspy.Predict("question, answer -> score: float")
    world.order(rollout(digest))
    ask(program)
    assert lm.versions == ["v2", "v2"]


def test_routes_stay_while_capture_is_ordered_off(tmp_path: Path, lm: Hearing, at: At) -> None:
    del at
    from headrace import runtime
    from headrace.config import load
    from tests.unit.headrace.capture.offline import KeepingPipeline

    config = load(None, {"telemetry": {"enabled": True, "sampling_rate_pct": 100}}, {})
    pipeline = KeepingPipeline()
    service = runtime.Runtime(config, pipeline)
    previous = runtime.swap(service)
    try:
        world = World(tmp_path)
        program = world.route(Twice())
        world.order(rollout(world.registry.put(version_of("v2")), "promoted"))
        service.router = world.router
        headrace.set_sampling(enabled=False)
        ask(program)
        world.order()
        headrace.set_sampling(enabled=False)
        ask(program)
    finally:
        runtime.swap(previous)
    assert lm.versions == ["v2", "v2", "deployed", "deployed"]
    assert (counted(pipeline), pipeline.calls) == ({}, [])
