"""What `headrace ui` shows of the loop: runs of the cycle as they lie on disk, and a topic with a rollout's decisions.

Texts that come from elsewhere hold markup.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace_consumers.cycle.artefacts import (
    Artefact,
    Baseline,
    Collected,
    CutMade,
    Decided,
    Gated,
    Interval,
    Optimized,
    RolledOut,
    SourceFound,
    Trial,
    VerdictFound,
)
from headrace_consumers.cycle.run_folder import RunFolder
from headrace_consumers.rollout.decision import Decision, Guard, Verdict
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.moves import Change, decided, ordered
from headrace_consumers.rollout.state import Found, Holder, State
from tests.support.rollouts import started
from tests.support.statistics import NOW_MS

__all__ = ["ATTACK", "ROLLOUT_ID", "decisions", "made_run", "vector"]

ATTACK = "<img src=x onerror=alert(1)>"
ROLLOUT_ID = "support-v2-1"
_SCORES = {f"{number:032x}": float(number % 2) for number in range(30)}
_BETTER = dict.fromkeys(_SCORES, 1.0)


def made_run(
    folder: Path, root: Path, signature: str, *, run_id: str = "202611", steps: int = 7, outcome: str = "ship"
) -> RunFolder:
    """Write the first steps of a run as the cycle does.

    Args:
        folder: of the run.
        root: optimization.path.
        signature: whose.
        run_id: its name.
        steps: how many are done.
        outcome: what was decided.
    """
    run = RunFolder(folder)
    begun_at = f"2026-11-01T02:00:0{len(run_id) % 10}Z"
    run.begin({"id": run_id, "begun_at": begun_at, "signatures": [signature], "settings": {"trials": 50}}, root)
    of = run.of(signature)
    for make in _STEPS[:steps]:
        made = make(signature, of.hash_before, outcome)
        of.save(made)
    return run


def _artefact(kind: type[Any], of: Callable[[str], dict[str, Any]]) -> Callable[..., Artefact]:
    def made(signature: str, hash_before: Callable[[Any], str | None], outcome: str) -> Artefact:
        whole = {"signature": signature, "made_at": "2026-11-01T02:01:00Z", "took_s": 1.5}
        found: Artefact = kind(**whole, made_from=hash_before(kind.step), **of(outcome))
        return found

    return made


_STEPS = (
    _artefact(
        Collected,
        lambda _: {"sources": {"telemetry": SourceFound(wanted=500, found=210)}, "notes": [f"short of it {ATTACK}"]},
    ),
    _artefact(
        Gated,
        lambda _: {
            "examples": 210,
            "set_aside": {"quality": 4},
            "verdicts": [
                VerdictFound(gate="quality", judges="examples", is_passed=True, threshold=0.5, figure=1.0, what=ATTACK)
            ],
        },
    ),
    _artefact(
        CutMade,
        lambda _: {
            "version": "v1",
            "path": f"training_data/{ATTACK}",
            "fields_hash": "f" * 16,
            "examples": {"train": 146, "val": 31, "test": 30},
            "labels": {"train": {"unverified": 146}},
            "sources": {"telemetry": 207},
            "telemetry_share": 1.0,
            "fields": {"inputs": ["ticket"], "outputs": ["queue"]},
        },
    ),
    _artefact(
        Baseline,
        lambda _: {
            "program": "triage:Triage",
            "metric": "auto",
            "model": f"openai/{ATTACK}",
            "signature_hashes": {"classify": "0" * 16},
            "scores": _SCORES,
            "score": 0.5,
            "failed": 0,
            "reads_labels": False,
            "unverified_share": 0.0,
            "lm_calls": 30,
            "cost_usd": 0.01,
            "refused": None,
        },
    ),
    _artefact(
        Optimized,
        lambda _: {
            "optimizer": "MIPROv2",
            "trials": [Trial(score=score, is_full=score > 55, examples=31) for score in (50.0, 60.0, 90.0)],
            "stopped": None,
            "file": "ClassifyTicket_optimized_v1.json",
            "file_sha256": "a" * 64,
            "number": 1,
            "scores": _BETTER,
            "failed": 0,
            "comparison": Interval(
                examples=30,
                baseline=0.5,
                candidate=1.0,
                difference=0.5,
                low=0.32,
                high=0.68,
                confidence=0.95,
                relative=1.0,
            ),
            "is_changed": True,
            "lm_calls": 242,
            "cost_usd": 0.5,
        },
    ),
    _artefact(
        Decided,
        lambda outcome: {"outcome": outcome, "reason": f"because of 0.500 -> 1.000 {ATTACK}", "required_pct": 5.0},
    ),
    _artefact(RolledOut, lambda _: {"registered": "c" * 64, "rollout_id": ROLLOUT_ID, "command": None}),
)


def vector(calls: int, failures: int, latency_s: float = 0.5) -> list[float]:
    """What an arm counted: so many calls, all of one latency, whose cost nobody knows."""
    from headrace_schemas.latency import BOUNDS_S

    buckets = [0.0] * (len(BOUNDS_S) + 1)
    buckets[sum(bound < latency_s for bound in BOUNDS_S)] = float(calls)
    return [float(calls), 0.0, float(failures), calls * latency_s, 0.0, 0.0, 0.0, 0.0, *buckets]


def decisions(now_ms: int = NOW_MS) -> Found:
    """A module whose candidate went one stage up and is paused, and another whose candidate was taken back."""
    first = _started("support", now_ms - 7_200_000)
    grown = _counted(first.experiment, (300, 9), (2_700, 135))
    up = decided(grown, Decision(Verdict.PROMOTE, "at most 5.0% more calls fail", Guard.failures), now_ms - 3_600_000)
    assert up is not None
    more = _counted(up.experiment, (120, 3), (118, 6))
    held = _ordered(more, "pause", now_ms - 1_800_000)
    second = _started("billing", now_ms - 900_000)
    failing = _counted(second.experiment, (210, 60), (1_890, 90))
    back = decided(failing, Decision(Verdict.ROLLBACK, "fails more often", Guard.failures), now_ms - 600_000)
    assert back is not None
    state = State(holder=Holder("h", is_command=False), written_at_ms=now_ms - 5_000).with_changes([held, back])
    return Found(state, [each.entry for each in (first, up, held, second, back)])


def _started(module: str, at_ms: int) -> Change:
    return started(now_ms=at_ms, module=module, by=f"ann {ATTACK}")


def _counted(experiment: Experiment, candidate: tuple[int, int], baseline: tuple[int, int]) -> Experiment:
    number = experiment.at_hand.number
    for arm, counted in (("candidate", candidate), ("baseline", baseline)):
        experiment = experiment.counted(number, arm, vector(*counted))
    return experiment.bounded()


def _ordered(experiment: Experiment, what: Any, at_ms: int) -> Change:
    return ordered(experiment, experiment.name, what, now_ms=at_ms, by="ann@host", reason=f"release at noon {ATTACK}")
