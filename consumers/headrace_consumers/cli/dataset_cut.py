"""`headrace dataset cut`: a version of a signature's dataset."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.hints import runnable
from headrace_consumers.cli.judging import JudgeOptions, judge_of
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, figures, print_json, print_lines
from headrace_consumers.cli.versions_place import Root
from headrace_consumers.cli.versions_tables import for_a_cut, in_root, opened_tables, shown_progress

if TYPE_CHECKING:
    from headrace_consumers.versions.cutting.cut import Done


__all__ = ["EXAMPLE", "cut"]

EXAMPLE: Final = "Example: headrace dataset cut -s ClassifyTicket --config headrace.json"

_MOST_OFFENDERS: Final = 20


def cut(
    *,
    signature: Annotated[str, typer.Option("--signature", "-s", help="As `headrace dataset ls` names it.")],
    environment: Annotated[
        str, typer.Option(metavar="NAME", help="Only calls of this environment (telemetry.environment).")
    ] = "production",
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="HASH", show_default=False, help="Which fields, or the newest call's; its beginning is enough."
        ),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(min=1, show_default=False, help="Draw so many, by difficulty and category; else all stay."),
    ] = None,
    judge_lm: Annotated[
        str | None,
        typer.Option("--judge-lm", metavar="MODEL", show_default=False, help="Let this LM judge outputs, as a gate."),
    ] = None,
    judge_api_base: Annotated[
        str | None, typer.Option("--judge-api-base", metavar="URL", show_default=False, help="Where it is served.")
    ] = None,
    judge_program: Annotated[
        str | None,
        typer.Option(
            "--judge-program", metavar="MODULE:OBJECT", show_default=False, help="Your DSPy program as the judge."
        ),
    ] = None,
    judge_criteria: Annotated[
        str, typer.Option("--judge-criteria", metavar="TEXT", show_default=False, help="What is good, for the judge.")
    ] = "",
    judge_most: Annotated[
        int, typer.Option("--judge-most", min=1, metavar="N", help="So many that nobody has scored are judged.")
    ] = 200,
    strict: Annotated[bool, typer.Option("--strict", help="Make nothing where a gate is not passed.")] = False,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Cut a version: train, val and test with metadata, provenance and a manifest, in versions.path/<signature>/v<N>.

    What a gate finds is set aside, with the reason. The same examples give the same bytes; headrace dataset replay.
    """
    import datetime as dt

    for_a_cut()
    from headrace.config import load
    from headrace_consumers.cli.rollout_versions import versions_or_none
    from headrace_consumers.dataset.steps import hook_from_environment
    from headrace_consumers.versions.cutting.cut import Asked
    from headrace_consumers.versions.cutting.cut import cut as make
    from headrace_consumers.versions.gates import GATES, with_judge
    from headrace_consumers.versions.shelf.publishing import CutStep
    from headrace_consumers.versions.sources.asking import asked_quietly

    asked = JudgeOptions(judge_lm, judge_api_base, judge_program, judge_criteria, judge_most)
    is_judged = asked.are_given
    config = in_root(load(config_path), root)
    rollouts = versions_or_none(config, environment, signature)
    with opened_tables(config) as tables, shown_progress() as progress, asked_quietly():
        gates = GATES
        if is_judged:
            gates = with_judge(judge_of(config, signature, asked, progress))
        done = make(
            config,
            Asked(signature, environment, fields, most, is_strict=strict, rollouts=rollouts),
            tables,
            now=lambda: dt.datetime.now(dt.UTC),
            gates=gates,
            hook=hook_from_environment(steps=tuple(CutStep)),
            progress=progress,
        )
    print_json(_told(done)) if as_json else print_lines(_lines(done, signature))
    if done.path is None:
        raise typer.Exit(1)


def _told(done: "Done") -> dict[str, Any]:
    return {
        **done.metadata,
        "path": None if done.path is None else str(done.path),
        "offenders": {
            verdict.gate: verdict.all_offenders.to_dicts() for verdict in done.verdicts if not verdict.is_passed
        },
        "targets": [{**target.as_dict(), "to_do": [*map(runnable, target.to_do)]} for target in done.targets],
        "notes": [*map(runnable, done.notes)],
    }


def _lines(done: "Done", signature: str) -> list[str]:
    told = done.metadata
    made = f"{signature} {told['version']}" if done.path else f"{signature}: nothing was made"
    lines = [f"{made}: {count(told['examples'])} examples", ""]
    lines += columns(_split_rows(told), right=frozenset(range(1, 10)))
    if done.set_aside:
        lines += [
            "",
            "set aside",
            *figures([(f"  {gate}", count(number), "") for gate, number in done.set_aside.items()]),
        ]
    lines += [
        "",
        "gates",
        *columns([(f"  {v.word}", v.gate, v.what) for v in done.verdicts]),
    ]
    if done.path is None:
        lines += _offender_lines(done)
    short = [target for target in done.targets if target.to_do]
    if short:
        lines += ["", "targets"]
        for target in short:
            lines.append(f"  {target.source}: {count(target.found)} of {count(target.wanted)}")
            lines += [f"    -> {runnable(line)}" for line in target.to_do]
    lines += [""] * bool(done.notes) + [f"note: {runnable(note)}" for note in done.notes]
    return [*lines, "", str(done.path)] if done.path else lines


def _split_rows(told: Any) -> list[tuple[str, ...]]:
    from headrace_schemas.dataset_files import LABELS, SOURCES

    splits = told["splits"]
    sources = [source for source in SOURCES if any(each["sources"].get(source) for each in splits.values())]
    labels = [label for label in LABELS if any(each["labels"].get(label) for each in splits.values())]
    header = ("split", "examples", *sources, *(f"{label} labels" for label in labels))
    return [
        header,
        *(
            (
                split,
                count(each["examples"]),
                *(count(each["sources"].get(source, 0)) for source in sources),
                *(f"{told['label_shares'][split][label]:.0%}" for label in labels),
            )
            for split, each in splits.items()
        ),
    ]


def _offender_lines(done: "Done") -> list[str]:
    lines: list[str] = []
    for verdict in done.verdicts:
        offenders = verdict.all_offenders
        if verdict.is_passed or offenders.is_empty():
            continue
        rows = offenders.head(_MOST_OFFENDERS).rows()
        lines += ["", f"{verdict.gate}:", *columns([(f"  {example}", reason) for example, reason in rows])]
        if (more := len(offenders) - len(rows)) > 0:
            lines.append(f"  and {count(more)} more; --json lists all")
    return lines
