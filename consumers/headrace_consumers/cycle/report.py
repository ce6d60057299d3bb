"""report.html of a run: what was collected, cut, tried and decided, with plots, in one file.

Made of the run's artefacts, so that it can be made anew at any time. It needs no network, no script and no other file,
and holds no payload: of the program that was found only how many demos it has, and by how much it is better.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from headrace_consumers.cycle.artefacts import (
    Artefact,
    Baseline,
    Collected,
    CutMade,
    CycleStep,
    Decided,
    Gated,
    Optimized,
    RolledOut,
)
from headrace_consumers.cycle.failures import Failure, failure_of
from headrace_consumers.cycle.narrating import narrated
from headrace_consumers.cycle.run_folder import RunFolder
from headrace_consumers.cycle.trend import interval, trend
from headrace_consumers.versions.telling.plots import bars, histogram, stacked
from headrace_consumers.versions.telling.report_style import STYLE
from headrace_schemas.dataset_files import LABELS

__all__ = ["report", "score_plots"]

_TENTHS: Final = 10


def report(run: RunFolder) -> str:
    """Return the page.

    Raises:
        CycleError: the run, or an artefact of it, cannot be read.
    """
    facts = run.facts()
    title = f"Optimization cycle {facts['id']}"
    parts = [f"<h1>{escape(title)}</h1><p>Begun {escape(str(facts.get('begun_at', '')))}.</p>"]
    for signature in facts["signatures"]:
        of = run.of(signature)
        parts.append(_signature(signature, of.done(), failure_of(of)))
    parts.append(_settings(facts.get("settings", {})))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _signature(signature: str, done: list[Artefact], failure: Failure | None) -> str:
    by_kind: dict[type[Artefact], Any] = {type(each): each for each in done}
    parts = [f"<h2>{escape(signature)}</h2>", _verdict(by_kind.get(Decided), done), _steps(done, failure)]
    if failure is not None:
        parts.insert(2, f'<p><span class="bad">failed</span> {escape(failure.line())}</p>')
    if Optimized in by_kind:
        plots = score_plots(by_kind[Baseline], by_kind[Optimized], by_kind.get(Decided))
        parts.append(f"<h3>Before and after</h3><div class=plots>{''.join(plots)}</div>")
    elif Baseline in by_kind:
        parts.append(_distribution("Baseline, scores of the test examples", by_kind[Baseline].scores))
    if CutMade in by_kind:
        parts.append(_dataset(by_kind[CutMade]))
    if Collected in by_kind:
        parts.append(_sources(by_kind[Collected]))
    if Gated in by_kind:
        parts.append(_gates(by_kind[Gated]))
    if Baseline in by_kind:
        parts.append(_facts(by_kind[Baseline], by_kind.get(Optimized), by_kind.get(RolledOut)))
    return "".join(parts)


def _verdict(decided: Decided | None, done: list[Artefact]) -> str:
    if decided is None:
        last = done[-1].step if done else "nothing"
        return f"<p class=lead>Not decided yet; done is {escape(str(last))}.</p>"
    word, kind = ("shipped", "good") if decided.outcome == "ship" else ("not shipped", "bad")
    why = decided.reason.removeprefix("shipped: ").removeprefix("nothing is shipped: ")  # the word says it
    return f'<p class=lead><span class="{kind}">{word}</span> {escape(why)}</p>'


def _steps(done: list[Artefact], failure: Failure | None) -> str:
    rows = []
    there = {each.step: each for each in done}
    for step in CycleStep:
        each = there.get(step)
        if each is None:
            is_failed = failure is not None and failure.step == step
            rows.append((str(step), "", "", "failed" if is_failed else "not done"))
            continue
        told = [*narrated(each), *each.notes]
        rows.append(
            (str(step), escape(each.made_at), f"{each.took_s:,.1f}", "<br>".join(escape(line) for line in told))
        )
    return _table(("step", "done", "seconds", "what"), rows)


def score_plots(baseline: Baseline, optimized: Optimized, decided: Decided | None) -> list[str]:
    """Return the plots of before and after: mean scores, their difference with its interval, trials; HTML."""
    plots = []
    found = optimized.comparison
    if found is not None:
        plots.append(
            bars(
                f"Mean score on {found.examples:,} test examples",
                [
                    ("baseline", found.baseline, f"{found.baseline:.3f}"),
                    ("optimized", found.candidate, f"{found.candidate:.3f}"),
                ],
            )
        )
        wanted = found.baseline * (decided.required_pct if decided else 0) / 100
        plots.append(
            interval(
                f"Difference, with its {found.confidence:.0%} interval",
                low=found.low,
                high=found.high,
                at=found.difference,
                wanted=wanted,
            )
        )
        before = baseline.scores
        changes = {
            "better": sum(score > before[each] for each, score in optimized.scores.items()),
            "the same": sum(score == before[each] for each, score in optimized.scores.items()),
            "worse": sum(score < before[each] for each, score in optimized.scores.items()),
        }
        plots.append(bars("Test examples", [(name, count, f"{count:,}") for name, count in changes.items()]))
    if optimized.trials:
        plots.append(trend("Trials, score on val", [(each.score, each.is_full) for each in optimized.trials]))
    return plots


def _distribution(title: str, scores: dict[str, float]) -> str:
    counts = [0] * _TENTHS
    for score in scores.values():
        counts[min(_TENTHS - 1, int(score * _TENTHS))] += 1
    edges = [f"{each / _TENTHS:g}" for each in range(_TENTHS + 1)]
    return f"<div class=plots>{histogram(title, edges, counts)}</div>"


def _dataset(made: CutMade) -> str:
    total = max(1, sum(made.sources.values()))
    ordered = sorted(made.sources.items(), key=lambda item: (-item[1], item[0]))
    plots = [
        stacked("Who vouches for the outputs", made.labels, LABELS),
        bars("Sources, by provenance", [(name, count, f"{count:,} ({count / total:.0%})") for name, count in ordered]),
    ]
    return f"<h3>Dataset {escape(made.version)}</h3><p>{escape(made.path)}</p><div class=plots>{''.join(plots)}</div>"


def _sources(found: Collected) -> str:
    rows = [
        (name, f"{each.wanted:,}", f"{each.found:,}", f"{each.added:,}", escape(each.ended or ""))
        for name, each in found.sources.items()
    ]
    return f"<h3>Collected</h3>{_table(('source', 'wanted', 'found', 'added', ''), rows)}"


def _gates(found: Gated) -> str:
    rows = []
    for each in found.verdicts:
        word, kind = ("passed", "good") if each.is_passed else ("not passed", "bad")
        said = f'<span class="{kind}">{word}</span>' if each.is_judged else "not judged"
        rows.append((escape(each.gate), said, escape(each.what)))
    return f"<h3>Gates</h3>{_table(('gate', 'verdict', 'in words'), rows)}"


def _facts(baseline: Baseline, optimized: Optimized | None, rolled_out: RolledOut | None) -> str:
    rows = [
        ("program", escape(baseline.program)),
        ("compared with", _served(baseline)),
        ("LM", escape(baseline.model or "unknown")),
        ("metric", escape(baseline.metric) + (", which reads the labels" if baseline.reads_labels else "")),
        ("unverified labels of the test", f"{baseline.unverified_share:.0%}"),
    ]
    if optimized is not None:
        rows += [
            ("optimizer", escape(optimized.optimizer)),
            ("LM calls", f"{optimized.lm_calls:,}"),
            ("cost", _cost(optimized)),
            ("artefact", escape(optimized.file or "none")),
        ]
    if rolled_out is not None:
        rows += [
            ("in the registry as", escape(rolled_out.registered or "not registered")),
            ("rollout", escape(rolled_out.rollout_id or "none was started")),
        ]
    return f"<h3>With</h3>{_table(('', ''), rows)}"


def _cost(optimized: Optimized) -> str:
    unpriced = optimized.unpriced_calls
    return f"${optimized.cost_usd:.4f}" + (f", and {unpriced:,} calls without a known price" if unpriced else "")


def _served(baseline: Baseline) -> str:
    served = baseline.served
    if served is None:
        return "the code as it is deployed; which version is served was not known"
    if served.digest is None:
        return "the code as it is deployed, which is served"
    told = f"{escape(served.version)} ({escape(served.digest[:12])}), which is served"
    return told if served.fits else f"the code as it is deployed: {told}, does not fit it"


def _settings(settings: dict[str, Any]) -> str:
    rows = [(escape(name), escape(str(value))) for name, value in sorted(settings.items())]
    summary = "<summary>The configuration's section optimization, as the run began</summary>"
    return f"<details>{summary}{_table(('', ''), rows)}</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are HTML."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head) if any(head) else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
