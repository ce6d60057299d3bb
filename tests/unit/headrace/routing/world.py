"""A program whose prompts tell their version, a registry on disk, and a router that is told what the topic says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import dspy

from headrace.capture import wrapper
from headrace.capture.marks import mark_of
from headrace.programs import ProgramRegistry, program_of
from headrace.programs.blobs import LocalBlobs
from headrace.routing.last_known import LastKnown
from headrace.routing.router import Router
from headrace_schemas.rollouts import ProgramVersion, Rollout, RolloutState
from tests.unit.headrace.capture.offline import OfflineLM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headrace_schemas.programs import Program

_SAID: Final = re.compile(r"VERSION-(\w+)")
_DEMO: Final = re.compile(r"DEMO-(\w+)")


class Hearing(OfflineLM):
    """Remembers what each prompt said: instructions' version, demos' version, and the question."""

    def __init__(self) -> None:
        super().__init__({"reasoning": "r", "answer": "a", "score": "1", "final": "f"})
        self.heard: list[tuple[str, str, str]] = []

    def update_history(self, entry: dict[str, Any]) -> None:
        messages = entry["messages"]
        text = "\n".join(str(message["content"]) for message in messages)
        told, shown = _SAID.search(text), _DEMO.search(text)
        question = re.search(r"QUESTION-(\w+)", str(messages[-1]["content"]))
        self.heard.append(
            (told[1] if told else "deployed", shown[1] if shown else "none", question[1] if question else "")
        )
        super().update_history(entry)

    def copy(self, **_: Any) -> Hearing:
        """BestOfN asks for copies; what they hear counts, too."""
        return self

    @property
    def versions(self) -> list[str]:
        return [told for told, _, _ in self.heard]


class Twice(dspy.Module):
    """Two predictors in two levels, both of which see the question."""

    def __init__(self) -> None:
        super().__init__()
        self.think = dspy.ChainOfThought("question -> answer")
        self.inner = Inner()

    def forward(self, question: str) -> dspy.Prediction:
        return self.inner(question=question, answer=self.think(question=question).answer)

    async def aforward(self, question: str) -> dspy.Prediction:
        return await self.inner.acall(question=question, answer=(await self.think.acall(question=question)).answer)


class Inner(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.score = dspy.Predict("question, answer -> score: float")

    def forward(self, question: str, answer: str) -> dspy.Prediction:
        return self.score(question=question, answer=answer)

    async def aforward(self, question: str, answer: str) -> dspy.Prediction:
        return await self.score.acall(question=question, answer=answer)


def version_of(name: str, make: Any = Twice, module: str = "qa") -> Program:
    """Return a program whose instructions and demos say which version they are of."""
    made = make()
    for _, predictor in made.named_predictors():
        predictor.signature = predictor.signature.with_instructions(f"VERSION-{name} Do it.")
        fields = dict.fromkeys(predictor.signature.fields, f"DEMO-{name}")
        predictor.demos = [dspy.Example(**{**fields, **({"score": 1.0} if "score" in fields else {})})]
    return program_of(made, module=module, version=name)


class World:
    """A router over a registry in a folder.

    Args:
        folder: for both.
        registry: where programs are; None: a folder.
    """

    def __init__(self, folder: Path, registry: ProgramRegistry | None = None, verifier: Any = None) -> None:
        self.registry = registry or ProgramRegistry(LocalBlobs(folder / "registry"))
        self.failures: list[str] = []
        self.now_s = 0.0
        self.opened = 0
        self.changes = 0
        self.modules: list[Any] = []
        self.in_background: Callable[[Callable[[], None]], object] = lambda work: work()
        self.spool = folder / "spool"
        self.router = Router(
            "production",
            LastKnown(self.spool, lambda: verifier),
            self._open,
            count_failure=self.failures.append,
            on_change=self._changed,
            modules=lambda: self.modules,
            in_background=self._start,
            clock=lambda: self.now_s,
        )
        self.router.begin()

    def _open(self) -> ProgramRegistry:
        self.opened += 1
        return self.registry

    def _start(self, work: Callable[[], None]) -> None:
        self.in_background(work)

    def _changed(self) -> None:
        self.changes += 1

    def route(self, module: Any, name: str = "qa") -> Any:
        """Instrument a module and route it, as `instrument(router=True)` does."""
        wrapper.instrument(module, name, "baseline")
        mark = mark_of(module)
        assert mark is not None
        mark.is_routed = True
        wrapper.route(module)
        self.modules.append(module)
        self.router.attach(module)
        return module

    def order(self, *rollouts: Rollout, fetches: int = 3) -> None:
        """Let the topic say this, and nothing else; then let the thread be idle a few times."""
        self.router.follow({each.name: each for each in rollouts})
        for _ in range(fetches):
            self.router.idle()


def rollout(
    candidate: str,
    state: RolloutState = "running",
    share: float = 1.0,
    *,
    module: str = "qa",
    baseline: ProgramVersion | None = None,
    **more: Any,
) -> Rollout:
    """Return a rollout of the program with a digest."""
    return Rollout(
        environment="production",
        module=module,
        rollout_id=more.pop("rollout_id", "r1"),
        state=state,
        share=share,
        candidate=ProgramVersion(more.pop("version", "v2"), candidate),
        baseline=baseline or ProgramVersion("baseline"),
        **more,
    )
