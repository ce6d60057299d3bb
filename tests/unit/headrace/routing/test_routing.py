"""What a call's predictors are told, how the call counts, and that no call is told half of two versions."""

import asyncio
import copy
import threading
from typing import Any

import dspy
import pytest

import headrace
from headrace.capture.marks import mark_of
from headrace_schemas.rollouts import ProgramVersion
from tests.unit.headrace.capture.conftest import At
from tests.unit.headrace.capture.offline import KeepingPipeline
from tests.unit.headrace.routing.world import Hearing, Inner, Twice, World, rollout, version_of


def counted(pipeline: KeepingPipeline) -> dict[tuple[str, str, str, str, int], int]:
    """Return (module, version, arm, rollout, stage) -> calls."""
    return {
        (each["module_name"], each["module_version"], each["arm"], each["rollout_id"], each["stage"]): each["calls"]
        for each in pipeline.counters.snapshot()
    }


def ask(program: Any, request_id: str = "x") -> Any:
    with headrace.request(request_id):
        return program(question=f"QUESTION-{request_id}")


def test_without_a_rollout_the_code_as_deployed_serves(world: World, lm: Hearing, everything: KeepingPipeline) -> None:
    ask(world.route(Twice()))
    assert lm.versions == ["deployed", "deployed"]
    assert counted(everything) == {("qa", "baseline", "", "", 0): 1}
    assert not world.router.is_on


def test_the_candidate_is_told_to_every_predictor_and_its_calls_count_as_its(
    world: World, lm: Hearing, everything: KeepingPipeline
) -> None:
    program = world.route(Twice())
    world.order(rollout(world.registry.put(version_of("v2"))))
    before = [(each.signature.instructions, list(each.demos)) for _, each in program.named_predictors()]
    ask(program)
    assert [each[:2] for each in lm.heard] == [("v2", "v2"), ("v2", "v2")]
    assert counted(everything) == {("qa", "v2", "candidate", "r1", 1): 1}
    assert {call.module_version for call in everything.calls} == {"v2"}
    assert len(everything.calls) == 3
    assert [(each.signature.instructions, list(each.demos)) for _, each in program.named_predictors()] == before


def test_the_same_call_gives_the_same_record_with_the_version_s_program_hash(
    world: World, lm: Hearing, everything: KeepingPipeline
) -> None:
    program = world.route(Twice())
    ask(program)
    world.order(rollout(world.registry.put(version_of("v2"))))
    ask(program)
    ask(program)
    deployed, routed, again = (call.program_hash for call in everything.roots)
    assert routed == again != deployed
    assert lm.versions[:2] == ["deployed", "deployed"]


@pytest.mark.parametrize("rate_pct", [0, 50])
def test_requests_are_split_by_their_id_whether_they_are_sampled_or_not(
    world: World, lm: Hearing, at: At, rate_pct: float
) -> None:
    pipeline = at(rate_pct)
    program = world.route(Twice())
    order = rollout(world.registry.put(version_of("v2")), share=0.4, stage=2)
    world.order(order)
    for number in range(60):
        ask(program, f"r{number}")
    expected = {f"r{number}": "v2" if order.arm_of(f"r{number}") == "candidate" else "deployed" for number in range(60)}
    assert {question: told for told, _, question in lm.heard} == expected
    share = list(expected.values()).count("v2")
    assert 0 < share < 60
    assert counted(pipeline) == {
        ("qa", "v2", "candidate", "r1", 2): share,
        ("qa", "baseline", "baseline", "r1", 2): 60 - share,
    }
    for call in pipeline.roots:
        assert (call.module_version == "v2") == (expected[call.request_id] == "v2")


def test_a_call_without_a_request_has_one_arm_and_its_record_says_by_which_id(
    world: World, lm: Hearing, everything: KeepingPipeline
) -> None:
    program = world.route(Twice())
    order = rollout(world.registry.put(version_of("v2")), share=0.5)
    world.order(order)
    for number in range(20):
        program(question=f"QUESTION-{number}")
    for call in everything.roots:
        assert (call.module_version == "v2") == (order.arm_of(call.request_id) == "candidate")
    told = {question: {each for each, _, asked in lm.heard if asked == question} for _, _, question in lm.heard}
    assert all(len(each) == 1 for each in told.values())


@pytest.mark.parametrize(
    ("state", "told", "series"),
    [
        ("running", "v2", ("qa", "v2", "candidate", "r1", 1)),
        ("paused", "v2", ("qa", "v2", "candidate", "r1", 1)),
        ("promoted", "v2", ("qa", "v2", "", "", 0)),
        ("rolled_back", "deployed", ("qa", "baseline", "", "", 0)),
        ("halted", "deployed", ("qa", "baseline", "", "", 0)),
    ],
)
def test_each_state_says_who_serves(
    world: World, lm: Hearing, everything: KeepingPipeline, *, state: Any, told: str, series: Any
) -> None:
    program = world.route(Twice())
    world.order(rollout(world.registry.put(version_of("v2")), state))
    ask(program)
    assert set(lm.versions) == {told}
    assert counted(everything) == {series: 1}


def test_a_tombstone_gives_everybody_the_code_as_deployed(world: World, lm: Hearing, at: At) -> None:
    at(0)
    program = world.route(Twice())
    world.order(rollout(world.registry.put(version_of("v2")), "promoted"))
    world.order()
    ask(program)
    assert set(lm.versions) == {"deployed"}


def test_a_baseline_of_its_own_digest_serves_the_other_requests(world: World, lm: Hearing, at: At) -> None:
    pipeline = at(0)
    program = world.route(Twice())
    baseline = ProgramVersion("v1", world.registry.put(version_of("v1")))
    digest = world.registry.put(version_of("v2"))
    world.order(rollout(digest, share=0.0, baseline=baseline))
    ask(program)
    world.order(rollout(digest, "rolled_back", baseline=baseline))
    ask(program)
    assert lm.versions == ["v1"] * 4
    assert counted(pipeline) == {("qa", "v1", "baseline", "r1", 1): 1, ("qa", "v1", "", "", 0): 1}


def test_a_caller_that_says_its_own_signature_or_demos_is_obeyed(world: World, lm: Hearing, at: At) -> None:
    at(0)
    program = world.route(dspy.Predict("question -> answer"))
    make = lambda: dspy.Predict("question -> answer")  # noqa: E731  # a class would do the same in six lines
    world.order(rollout(world.registry.put(version_of("v2", make))))
    ask(program)
    own = program.signature.with_instructions("VERSION-own")
    program(question="QUESTION-x", signature=own, demos=[])
    assert [each[:2] for each in lm.heard] == [("v2", "v2"), ("own", "none")]


def test_parts_and_nested_modules_count_under_the_version_of_the_call_around_them(
    world: World, lm: Hearing, at: At
) -> None:
    pipeline = at(50)
    program = Twice()
    headrace.instrument(program.inner, "inner")
    world.route(program)
    order = rollout(world.registry.put(version_of("v2")), share=0.5)
    world.order(order)
    arms = [order.arm_of(f"r{number}") for number in range(12)]
    for number in range(12):
        ask(program, f"r{number}")
    candidates = arms.count("candidate")
    assert counted(pipeline) == {
        ("qa", "v2", "candidate", "r1", 1): candidates,
        ("inner", "v2", "candidate", "r1", 1): candidates,
        ("qa", "baseline", "baseline", "r1", 1): 12 - candidates,
        ("inner", "baseline", "baseline", "r1", 1): 12 - candidates,
    }
    versions = {order.arm_of(call.request_id): call.module_version for call in pipeline.calls}
    assert all(call.module_version == versions[order.arm_of(call.request_id)] for call in pipeline.calls)
    assert versions == {"candidate": "v2", "baseline": "baseline"}
    assert set(lm.versions) == {"v2", "deployed"}


def test_a_nested_module_with_a_rollout_of_its_own_is_told_by_that(world: World, lm: Hearing, at: At) -> None:
    pipeline = at(0)
    program = Twice()
    world.route(program.inner, "inner")
    world.route(program)
    inner = world.registry.put(version_of("v9", Inner, "inner"))
    world.order(
        rollout(world.registry.put(version_of("v2"))),
        rollout(inner, module="inner", version="v9", rollout_id="r2"),
    )
    ask(program)
    assert lm.versions == ["v2", "v9"]
    assert counted(pipeline) == {("qa", "v2", "candidate", "r1", 1): 1, ("inner", "v9", "candidate", "r2", 1): 1}


def test_suppressed_calls_get_what_everybody_gets_and_count_nowhere(world: World, lm: Hearing, at: At) -> None:
    pipeline = at(100)
    program = world.route(Twice())
    digest = world.registry.put(version_of("v2"))
    world.order(rollout(digest))
    with headrace.suppress():
        ask(program)
    world.order(rollout(digest, "promoted"))
    with headrace.suppress():
        ask(program)
    assert lm.versions == ["deployed", "deployed", "v2", "v2"]
    assert (counted(pipeline), pipeline.calls) == ({}, [])


def test_errors_and_streams_leave_nothing_of_a_route_behind(world: World, lm: Hearing, at: At) -> None:
    at(0)
    program = world.route(Twice())
    world.order(rollout(world.registry.put(version_of("v2"))))
    lm.error = RuntimeError("on purpose")
    with pytest.raises(Exception, match="on purpose"):
        ask(program)
    lm.error = None
    dspy.Predict("question -> answer")(question="QUESTION-after")
    assert lm.versions == ["deployed"]


class Generating(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ask = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        def steps() -> Any:
            for _ in range(2):
                yield self.ask(question=question).answer

        return steps()


@pytest.mark.parametrize("rate_pct", [0, 100])
def test_a_generator_is_told_at_each_of_its_steps_what_its_call_was(
    world: World, lm: Hearing, at: At, rate_pct: float
) -> None:
    pipeline = at(rate_pct)
    program = world.route(Generating())
    digest = world.registry.put(version_of("v2", Generating))
    world.order(rollout(digest))
    steps = program(question="QUESTION-x")
    next(steps)
    world.order(rollout(digest, "rolled_back"))
    assert list(steps) == ["a"]
    assert lm.versions == ["v2", "v2"]
    assert counted(pipeline) == {("qa", "v2", "candidate", "r1", 1): 1}


def test_async_calls_at_once_and_parallel_threads_keep_their_arms(world: World, lm: Hearing, at: At) -> None:
    at(30)
    program = world.route(Twice())
    order = rollout(world.registry.put(version_of("v2")), share=0.5)
    world.order(order)

    async def one(number: int) -> None:
        with headrace.request(f"a{number}"):
            await program.acall(question=f"QUESTION-a{number}")

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    asyncio.run(all_of_them())

    class Spread(dspy.Module):
        def forward(self) -> Any:
            pairs = [(program.think, {"question": f"QUESTION-p{number}"}) for number in range(8)]
            return dspy.Parallel(num_threads=4, disable_progress_bar=True)(pairs)

    assert set(lm.versions) == {"v2", "deployed"}
    for told, _, question in lm.heard:
        assert (told == "v2") == (order.arm_of(question) == "candidate")


def test_threads_of_parallel_inside_a_call_are_told_what_the_call_is(world: World, lm: Hearing, at: At) -> None:
    at(0)

    class Spread(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ask = dspy.Predict("question -> answer")

        def forward(self) -> Any:
            pairs = [(self.ask, dspy.Example(question=f"QUESTION-{n}").with_inputs("question")) for n in range(8)]
            return dspy.Parallel(num_threads=4, disable_progress_bar=True)(pairs)

    program = world.route(Spread())
    order = rollout(world.registry.put(version_of("v2", Spread)), share=0.5)
    world.order(order)
    for number in range(6):
        lm.heard.clear()
        with headrace.request(f"r{number}"):
            program()
        assert set(lm.versions) == {"v2" if order.arm_of(f"r{number}") == "candidate" else "deployed"}


def test_copies_made_inside_a_routed_call_are_of_its_version_and_others_of_the_code(
    world: World, lm: Hearing, at: At
) -> None:
    at(0)

    class Best(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            ask = dspy.Predict("question -> answer")
            self.best = dspy.BestOfN(module=ask, N=2, reward_fn=lambda *_: 0.0, threshold=1.0)

        def forward(self, question: str) -> Any:
            return self.best(question=question)

    program = world.route(Best())
    order = rollout(world.registry.put(version_of("v2", Best)))
    world.order(order)
    ask(program)
    assert len(lm.heard) >= 2
    assert set(lm.versions) == {"v2"}
    lm.heard.clear()
    for copied in (copy.deepcopy(program), program.deepcopy(), program.reset_copy()):
        assert type(copied.best.module) is dspy.Predict
        assert mark_of(copied) is None
        ask(copied)
    assert set(lm.versions) == {"deployed"}


def test_swaps_under_load_never_mix_two_versions_in_a_call(world: World, lm: Hearing, at: At) -> None:
    pipeline = at(10)
    program = world.route(Twice())
    orders = [
        rollout(world.registry.put(version_of(name)), "running", 0.7, version=name, rollout_id=f"r-{name}")
        for name in ("v2", "v3")
    ]
    world.order(*orders[:1])
    world.order(*orders[1:])
    failed: list[BaseException] = []
    settings = dspy.settings.lm

    def call(thread: int) -> None:
        try:
            with dspy.context(lm=settings):
                for number in range(30):
                    ask(program, f"t{thread}n{number}")
        except BaseException as error:  # told to the test
            failed.append(error)

    threads = [threading.Thread(target=call, args=(thread,)) for thread in range(4)]
    for each in threads:
        each.start()
    for number in range(40):
        world.order(*(orders[number % 2 :][:1]), fetches=1)
    for each in threads:
        each.join()
    assert failed == []
    told: dict[str, set[str]] = {}
    for version, _, question in lm.heard:
        told.setdefault(question, set()).add(version)
    assert len(told) == 120
    assert all(len(each) == 1 for each in told.values())
    assert sum(counted(pipeline).values()) == 120


def test_instrumenting_again_without_the_router_takes_the_route_away(world: World, lm: Hearing, at: At) -> None:
    at(0)
    program = world.route(Twice())
    world.order(rollout(world.registry.put(version_of("v2"))))
    headrace.instrument(program, "qa")
    ask(program)
    assert set(lm.versions) == {"deployed"}
