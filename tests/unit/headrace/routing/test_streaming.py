"""dspy.streamify over a real dspy.LM: a routed program streams the chunks of its version, listeners intact."""

import asyncio
from typing import Any

import dspy
import pytest

import headrace
from tests.support.openai_server import chat
from tests.unit.headrace.capture.conftest import At
from tests.unit.headrace.routing.world import World, rollout, version_of


class Chain(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.think = dspy.ChainOfThought("question -> answer")
        self.sum_up = dspy.Predict("answer -> summary")

    def forward(self, question: str) -> Any:
        return self.sum_up(answer=self.think(question=question).answer)

    async def aforward(self, question: str) -> Any:
        return await self.sum_up.acall(answer=(await self.think.acall(question=question)).answer)


def _answer(body: Any) -> Any:
    said = str(body["messages"])
    version = "new words of version two" if "VERSION-v2" in said else "the old words of the code"
    fields = {"summary": version.upper()} if "`summary`" in said else {"reasoning": "looks so", "answer": version}
    return chat(**fields)(body)


def _chunks(program: Any, *, sync: bool, is_async_program: bool) -> dict[str, str]:
    """Return listener -> the text that it heard, of one call."""
    heard: dict[str, list[str]] = {"answer": [], "summary": []}
    listeners = [dspy.streaming.StreamListener(signature_field_name=name) for name in heard]
    stream = dspy.streamify(
        program, stream_listeners=listeners, async_streaming=not sync, is_async_program=is_async_program
    )

    async def run() -> list[Any]:
        return [chunk async for chunk in stream(question="colour?")]

    for chunk in stream(question="colour?") if sync else asyncio.run(run()):
        if isinstance(chunk, dspy.streaming.StreamResponse):
            heard[chunk.signature_field_name].append(chunk.chunk)
    assert all(len(each) > 1 for each in heard.values()), heard
    return {name: "".join(each).strip() for name, each in heard.items()}


@pytest.mark.parametrize("sync", [False, True], ids=["async consumer", "sync consumer"])
@pytest.mark.parametrize("is_async_program", [False, True], ids=["sync program", "async program"])
@pytest.mark.parametrize("rate_pct", [0, 100])
def test_listeners_hear_the_version_that_the_request_has(
    world: World, real_lm: Any, at: At, *, sync: bool, is_async_program: bool, rate_pct: float
) -> None:
    pipeline = at(rate_pct)
    lm, _ = real_lm(_answer)
    program = world.route(Chain())
    order = rollout(world.registry.put(version_of("v2", Chain)), share=0.5)
    world.order(order)
    ids = [f"r{number}" for number in range(20)]
    chosen = {arm: next(each for each in ids if order.arm_of(each) == arm) for arm in ("candidate", "baseline")}
    said = {}
    with dspy.context(lm=lm):
        for arm, request_id in chosen.items():
            with headrace.request(request_id):
                said[arm] = _chunks(program, sync=sync, is_async_program=is_async_program)
    assert said == {
        "candidate": {"answer": "new words of version two", "summary": "NEW WORDS OF VERSION TWO"},
        "baseline": {"answer": "the old words of the code", "summary": "THE OLD WORDS OF THE CODE"},
    }
    arms = {each["arm"]: each["module_version"] for each in pipeline.counters.snapshot()}
    assert arms == {"candidate": "v2", "baseline": "baseline"}
