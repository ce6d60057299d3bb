"""`headrace demo --loop`: a program with a weakness gets better while it serves, from its own traffic.

service --Kafka--> dataset, feedback consumers --> table --> headrace cycle run --> registry, control topic
   ^-------------------------- the router swaps, as headrace consume rollout decides -------------'
"""

import json
import queue
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from headrace.config import Config, load
from headrace_consumers.demo.children import Child, Line
from headrace_consumers.demo.conversation import DemoError, environ_of
from headrace_consumers.demo.endpoint import model_at
from headrace_consumers.demo.loop_config import EXAMPLES, MODULE, SIGNATURE, loop_config
from headrace_consumers.demo.run import sigterm_as_exit
from headrace_consumers.demo.story import Story
from headrace_consumers.demo.workspace import Workspace
from headrace_consumers.embedded import EmbeddedBroker

__all__ = ["Loop", "loop"]

_WINDOW_CALLS: Final = 200
_PATIENCE_S: Final = 240.0
_LM_PATIENCE_S: Final = 3600.0
_CALLS_PER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Loop:
    """How it went.

    Attributes:
        before: the share of calls with the right desk, before.
        after: likewise, after the promotion.
        calls: of the service, in all.
        failed: of them; a swap fails none.
        rollout_id: the rollout that was promoted.
        report: the cycle's report.
    """

    before: float
    after: float
    calls: int
    failed: int
    rollout_id: str
    report: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def loop(*, folder: Path, lm: str | None, show: bool) -> Loop:
    """Close the loop once, and return how it went.

    Args:
        folder: made anew.
        lm: the address of an OpenAI-compatible endpoint; None: an offline language model.
        show: print what happens on stdout, as it happens.

    Raises:
        UsageError: the folder or the endpoint cannot be used.
        DemoError: a package is missing, or a process failed.
    """
    for package, extra in (("dspy", "dspy"), ("optuna", "optimize")):
        if find_spec(package) is None:
            raise DemoError(
                f"the demo needs {package}, which is not installed: pip install 'headrace[{extra},consumers]'"
            )
    model = None if lm is None else f"openai/{model_at(lm)} {lm}"
    workspace = Workspace.at(folder)
    lines: queue.Queue[Line] = queue.Queue()
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_exit())
        names = Config().kafka.topics
        broker = stack.enter_context(EmbeddedBroker(names.model_dump().values()))
        workspace.make_anew(loop_config(workspace, broker, is_offline=model is None))
        environ = environ_of(workspace)
        if model is not None:
            environ["HEADRACE_DEMO_LM"] = model

        def start(name: str, *argv: str) -> Child:
            argv = (sys.executable, "-m", *argv, "--config", str(workspace.config_path))
            return stack.enter_context(Child(name, argv, environ, workspace.log_path(name), lines))

        def consumer(name: str) -> Child:
            return start(f"{name}-consumer", "headrace_consumers.cli", "consume", name, "--log-format", "json")

        children = [consumer("dataset"), consumer("feedback")]
        rate = _CALLS_PER_S if model is None else 1000.0
        children.append(start("service", "headrace_consumers.demo.loop_service", "--calls-per-s", f"{rate:g}"))
        story = Story(show=show, children=children, patience_s=_PATIENCE_S if model is None else _LM_PATIENCE_S)
        return _Play(story, lines, workspace, load(workspace.config_path, environ={}), start).play()


class _Play:
    """The story, from the first call to the promotion."""

    def __init__(
        self, story: Story, lines: "queue.Queue[Line]", workspace: Workspace, config: Config, start: Any
    ) -> None:
        self._story = story
        self._lines = lines
        self._workspace = workspace
        self._config = config
        self._start = start
        self._tally = {"calls": 0, "right": 0, "failed": 0}
        self._shown = 0
        self._sampled = 0

    def play(self) -> Loop:
        story = self._story
        story.tell("a service sorts tickets to three desks, and nobody has told its program which desk answers what")
        story.wait(
            lambda: self._rows() >= EXAMPLES,
            f"{EXAMPLES} examples",
            lambda: (self._sampled, self._calls() > 0),
        )
        before = self._tally_now()
        share_before = before["right"] / before["calls"]
        story.tell(
            f"{before['calls']:,} calls, {share_before:.0%} to the right desk; {self._rows():,} were sampled, "
            "and people have looked at nine of ten answers"
        )
        story.tell("headrace cycle run:")
        self._cycle()
        # The embedded broker fences nobody, so whoever decides begins behind the command that began the rollout.
        self._start("rollout-consumer", "headrace_consumers.cli", "consume", "rollout", "--port", "0")
        rollout_id = self._promoted()
        promoted = self._tally_now()
        begin = story.wait(lambda: self._since(promoted), "the service to have followed", self._calls)
        end = story.wait(lambda: self._since(begin), f"{_WINDOW_CALLS} calls after the promotion", self._calls)
        share_after = (end["right"] - begin["right"]) / (end["calls"] - begin["calls"])
        report = str(self._workspace.folder / "cycle" / "report.html")
        story.show(
            [
                "",
                f"before  {share_before:.0%} of the calls to the right desk",
                f"after   {share_after:.0%}",
                f"failed calls meanwhile: {end['failed']} of {end['calls']:,}",
                "",
                f"the report of the cycle: {report}",
                f"its steps: headrace cycle show --config {self._workspace.config_path}",
            ]
        )
        if share_after <= share_before:
            raise DemoError(f"the program did not get better: {share_before:.0%} before, {share_after:.0%} after")
        return Loop(share_before, share_after, end["calls"], end["failed"], rollout_id, report)

    def _cycle(self) -> None:
        options = ("--output-dir", str(self._workspace.folder / "cycle"), "--no-log-file")
        child = self._start("cycle", "headrace_consumers.cli", "cycle", "run", *options)
        ended = self._story.wait(lambda: None if self._heard(child) else child, "the cycle", self._cycle_so_far)
        code = ended.exit_code
        self._read(child.name)
        if code != 0:
            raise DemoError(f"the cycle failed: {child.why()}; its log: {child.log_path}")
        decided = json.loads((self._workspace.folder / "cycle" / SIGNATURE / "decide.json").read_bytes())
        if decided["outcome"] != "ship":
            raise DemoError(f"the loop ends here: {decided['reason']}")

    def _heard(self, child: Child) -> bool:
        """Show what the cycle says; tell whether it still runs."""
        self._read(child.name)
        return child.exit_code is None

    def _cycle_so_far(self) -> tuple[int, int]:
        """Return how many lines the cycle has said, and how much it has noted of calls of the language model."""
        spent = self._workspace.folder / "cycle" / SIGNATURE / "spent.jsonl"
        return self._shown, spent.stat().st_size if spent.exists() else 0

    def _promoted(self) -> str:
        """Tell each stage of the rollout until it is promoted; return its id."""
        from headrace_consumers.rollout.desk import look

        seen: list[tuple[str, float]] = []

        def found() -> str | None:
            each = look(self._config).state.experiments.get(f"production/{MODULE}")
            if each is None:  # not there yet, or just being written
                return None
            if (each.state, each.share) not in seen:
                seen.append((each.state, each.share))
                self._story.tell(f"rollout {each.state}, {each.share:.0%} of the requests get the new version")
            if each.state in ("rolled_back", "halted"):
                raise DemoError(f"the rollout is {each.state}: {each.reason}")
            return each.rollout_id if each.state == "promoted" else None

        return self._story.wait(found, "the promotion", lambda: len(seen))

    def _since(self, begin: Mapping[str, int]) -> dict[str, int] | None:
        now = self._tally_now()
        return now if now["calls"] - begin["calls"] >= _WINDOW_CALLS else None

    def _calls(self) -> int:
        return self._tally["calls"]

    def _tally_now(self) -> dict[str, int]:
        self._read(None)
        return dict(self._tally)

    def _read(self, shown: str | None) -> None:
        with suppress(queue.Empty):
            while True:
                line = self._lines.get_nowait()
                if line.text is None or line.stream != "stdout":
                    continue
                if line.child == "service":
                    with suppress(ValueError):
                        self._tally = json.loads(line.text)
                elif line.child == shown:
                    self._shown += 1
                    self._story.show([f"          {line.text}"])

    def _rows(self) -> int:
        from deltalake import DeltaTable

        self._read(None)
        path = str(self._workspace.dataset_path)
        if DeltaTable.is_deltatable(path):
            counts = DeltaTable(path).get_add_actions(flatten=True)["num_records"].to_pylist()
            self._sampled = sum(int(count) for count in counts)
        return self._sampled
