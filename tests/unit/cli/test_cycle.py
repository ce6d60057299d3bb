"""`headrace cycle run|ls|show|report` as their user sees them; what needs an LM is in tests/e2e/test_cycle.py."""

import datetime as dt
import json
import shlex

import pytest

from headrace.config.optimization import Optimization
from headrace_consumers.cli import cycle as cycle_cli
from headrace_consumers.cli import cycle_run
from headrace_consumers.cycle import supervision
from headrace_consumers.cycle.artefacts import CycleStep
from headrace_consumers.cycle.parts import period_of
from headrace_consumers.cycle.run_lock import held
from tests.support.cycles import NOW, SIGNATURE, Worker, config_of, cycle, waiting

SIGNATURES = {SIGNATURE: {"program": "nowhere.at:all", "module": "triage"}}


@pytest.fixture
def config(config_file):
    return config_file({"optimization": {"signatures": SIGNATURES}})


@pytest.fixture
def november(monkeypatch):
    """Show runs in the month in which those of the tests begin."""
    monkeypatch.setattr(cycle_cli, "_now", lambda: NOW)


@pytest.fixture
def done(tmp_path):
    """A run that has come to its end."""
    waiting(tmp_path)
    cycle(tmp_path, config_of(tmp_path), output_dir=tmp_path / "optimization" / "optimization_202611")


def test_without_a_signature_there_is_nothing_to_run(command, config_file):
    ended = command("cycle", "run", "--config", config_file({}))
    assert ended.code == 2
    assert ended.error.startswith("optimization.signatures: names no signature; e.g. ")


def test_what_is_not_configured_is_refused(command, config):
    assert (
        "--signature Other: is not in optimization.signatures"
        in command("cycle", "run", "-s", "Other", "-c", config).error
    )
    assert "--until fly: expected one of collect, gate" in command("cycle", "run", "--until", "fly", "-c", config).error


def test_a_missing_program_is_one_line_and_nothing_is_half_written(command, config, tmp_path):
    waiting(tmp_path)
    ended = command("cycle", "run", "--config", config)
    assert ended.code == 2
    assert "program nowhere.at:all: cannot be imported (ModuleNotFoundError" in ended.error
    runs = list((tmp_path / "optimization").glob("optimization_*"))
    assert sorted(path.name for path in (runs[0] / SIGNATURE).iterdir()) == ["failure.json", "lm_cache"]
    (log,) = (tmp_path / "logs").glob("optimization_*.log")
    assert log.name == f"{runs[0].name}.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "FAILED: optimization: program nowhere.at:all" in log.read_text()
    why = "optimization: program nowhere.at:all: cannot be imported (ModuleNotFoundError"
    listed = command("cycle", "ls", "--config", config).out.splitlines()
    assert listed[1].split()[2:5] == [SIGNATURE, "nothing", "failed"]
    assert f"{SIGNATURE}: collect failed at " in listed[-1]
    assert why in listed[-1]
    shown = command("cycle", "show", "--config", config).out.splitlines()
    assert shown[-2].split()[0] == "collect"
    assert f"failed: {why}" in shown[-2]
    told = command("cycle", "show", "--config", config, "--json").json
    assert why in told["failures"][SIGNATURE]["reason"]
    assert (
        f'<span class="bad">failed</span> collect failed at {told["failures"][SIGNATURE]["failed_at"]}: '
        in (runs[0] / "report.html").read_text()
    )


def test_output_dir_and_log_file_are_taken(command, config, tmp_path):
    waiting(tmp_path)
    command(
        "cycle", "run", "--config", config, "--output-dir", tmp_path / "out", "--log-file", tmp_path / "a" / "b.log"
    )
    assert (tmp_path / "out" / "run.json").is_file()
    assert (tmp_path / "a" / "b.log").is_file()
    assert not (tmp_path / "logs").exists()


def test_a_fixed_output_dir_has_a_run_each_month(command, config_file, monkeypatch, tmp_path):
    waiting(tmp_path)
    monkeypatch.setattr(supervision, "worked", lambda job, on_progress, _: Worker(tmp_path)(job, on_progress))
    values = config_of(tmp_path).model_dump(mode="json", include={"optimization", "versions", "dataset"})
    config = config_file({name: values[name] for name in ("optimization", "versions")})
    out = tmp_path / "fixed"
    for month in (11, 12):
        monkeypatch.setattr(cycle_run, "_now", lambda month=month: dt.datetime(2026, month, 1, 2, tzinfo=dt.UTC))
        said = command("cycle", "run", "--config", config, "--output-dir", out).out
        assert f"cycle 2026{month}: {out}" in said
        assert f"{SIGNATURE}: shipped: " in said
        again = command("cycle", "run", "--config", config, "--output-dir", out).out
        assert again.splitlines()[-1].startswith(f"cycle 2026{month} is done; the next is the next month's")
    assert f"note: run 202611 was put aside, in {out}/optimization_202611: it is done" in said
    listed = command("cycle", "ls", "--config", config, "--json").json
    places = [out / "optimization_202611", out]
    assert [(each["id"], each["path"]) for each in listed] == [
        (f"2026{month}", str(place)) for month, place in zip((11, 12), places, strict=True)
    ]
    for month, place in zip((11, 12), places, strict=True):
        assert (
            f"run 2026{month}, begun 2026-{month}-01T02:00:00Z: {place}"
            in command("cycle", "show", f"2026{month}", "--config", config).out
        )
        assert command("cycle", "report", f"2026{month}", "--config", config).out == f"{place}/report.html\n"
        log = (tmp_path / "logs" / f"optimization_2026{month}.log").read_text()
        assert f"cycle 2026{month}: " in log
        assert log.count(f"{SIGNATURE}: collect ...") == 1
    versions = {json.loads((place / SIGNATURE / "cut.json").read_bytes())["version"] for place in places}
    assert versions == {"v1", "v2"}


def test_a_log_or_folder_that_cannot_be_written_is_one_line(command, config, tmp_path):
    (tmp_path / "file").write_text("")
    assert "the log cannot be written" in command("cycle", "run", "-c", config, "--log-file", "file/x.log").error
    assert "cannot be made" in command("cycle", "run", "-c", config, "--output-dir", "file/x").error


def test_a_second_run_is_refused(command, config, tmp_path):
    (tmp_path / "out").mkdir()
    with held(tmp_path / "out"):
        ended = command("cycle", "run", "--config", config, "--output-dir", tmp_path / "out")
    assert ended.code == 1
    assert "another process works on this run (process " in ended.error


@pytest.mark.usefixtures("done")
def test_runs_are_listed_shown_and_reported(command, config, tmp_path):
    listed = command("cycle", "ls", "--config", config)
    assert listed.out.splitlines()[1].split()[:5] == ["202611", "2026-11-27T02:00:00Z", SIGNATURE, "roll-out", "ship"]
    shown = command("cycle", "show", "202611", "--config", config)
    assert f"run 202611, begun 2026-11-27T02:00:00Z: {tmp_path}/optimization/optimization_202611" in shown.out
    assert "shipped: 0." in shown.out
    told = command("cycle", "show", "--config", config, "--json").json
    assert set(told["steps"][SIGNATURE]) == {"collect", "gate", "cut", "baseline", "optimize", "decide", "roll-out"}
    out = tmp_path / "page.html"
    assert command("cycle", "report", "--config", config, "--out", out).out == f"{out}\n"
    page = out.read_text()
    assert "Before and after" in page
    assert page.count("<svg") == 6
    assert "<script" not in page
    assert "://" not in page
    assert "where is my" not in page


def test_a_run_that_nothing_was_found_in_is_reported_too(command, config, tmp_path):
    waiting(tmp_path)
    worker = Worker(tmp_path, changes={"baseline": {"unverified_share": 1.0}})
    cycle(tmp_path, config_of(tmp_path), work=worker, output_dir=tmp_path / "optimization" / "optimization_202611")
    assert command("cycle", "report", "--config", config).code == 0
    page = (tmp_path / "optimization" / "optimization_202611" / "report.html").read_text()
    assert "not shipped" in page


def test_calls_without_a_known_price_are_told_of(command, config, tmp_path):
    waiting(tmp_path)
    worker = Worker(tmp_path, changes={"optimize": {"unpriced_calls": 12}})
    cycle(tmp_path, config_of(tmp_path), work=worker)
    line = "100 LM calls, $0.5000, 12 of them without a known price; ClassifyTicket_optimized_v1.json"
    assert line in command("cycle", "show", "--config", config).out
    assert "$0.5000, and 12 calls without a known price" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.usefixtures("november")
@pytest.mark.parametrize(
    ("so_far", "step"),
    [
        ({"until": CycleStep.COLLECT}, "gate"),
        ({"until": CycleStep.BASELINE}, "optimize"),
        ({"until": CycleStep.BASELINE, "unverified_share": 1.0}, "decide"),
        ({"until": CycleStep.ROLL_OUT}, None),
    ],
)
def test_what_is_next_is_shown_with_the_command(command, config, tmp_path, so_far, step):
    waiting(tmp_path)
    until, baseline = so_far["until"], {name: value for name, value in so_far.items() if name != "until"}
    worker, folder = Worker(tmp_path, changes={"baseline": baseline}), tmp_path / "aside"
    cycle(tmp_path, config_of(tmp_path), work=worker, output_dir=folder, until=until)
    line = command("cycle", "show", "--config", config).out.splitlines()[-1]
    if step is None:
        assert "is next" not in line
    else:
        assert line.split() == [step, "is", "next", "headrace", "cycle", "run", "--output-dir", str(folder)]


def test_what_is_next_in_a_run_of_an_earlier_month_is_shown_with_a_command_that_leaves_it_its_folder(
    command, config, monkeypatch, tmp_path
):
    monkeypatch.setattr(cycle_cli, "_now", lambda: NOW + dt.timedelta(days=31))
    waiting(tmp_path)
    cycle(tmp_path, config_of(tmp_path), output_dir=tmp_path / "aside", until=CycleStep.COLLECT)
    last = command("cycle", "show", "--config", config).out.splitlines()[-1]
    aside = tmp_path / "aside"
    assert last.endswith(f"mv {aside} {aside}_202611 && headrace cycle run --output-dir {aside}_202611")
    cycle(tmp_path, config_of(tmp_path), output_dir=tmp_path / "for_202611", until=CycleStep.COLLECT)
    last = command("cycle", "show", str(tmp_path / "for_202611"), "--config", config).out.splitlines()[-1]
    assert last.endswith(f"is next               headrace cycle run --output-dir {tmp_path}/for_202611")


@pytest.mark.parametrize(("days", "name"), [(0, "my runs"), (31, "it's; $HOME")])
def test_the_command_that_is_next_can_be_pasted_whatever_the_folder_is_called(
    command, config, monkeypatch, tmp_path, *, days, name
):
    monkeypatch.setattr(cycle_cli, "_now", lambda: NOW + dt.timedelta(days=days))
    waiting(tmp_path)
    cycle(tmp_path, config_of(tmp_path), output_dir=tmp_path / name, until=CycleStep.COLLECT)
    last = command("cycle", "show", "--config", config).out.splitlines()[-1]
    folder, named = str(tmp_path / name), f"{tmp_path / name}_202611"
    run = ["headrace", "cycle", "run", "--output-dir"]
    moved = ["mv", folder, named, "&&", *run, named]
    assert shlex.split(last)[3:] == (moved if days else [*run, folder])


def test_where_there_is_no_run_it_is_said(command, config):
    assert "no runs yet" in command("cycle", "ls", "--config", config).out
    assert "no runs yet" in command("cycle", "show", "--config", config).error


@pytest.mark.usefixtures("done")
def test_a_run_that_is_not_there_is_one_line(command, config):
    assert (
        "run 202512: there is none such; there are 202611"
        in command("cycle", "show", "202512", "--config", config).error
    )


@pytest.mark.usefixtures("done")
def test_a_damaged_run_is_told_in_the_list(command, config, tmp_path):
    folder = tmp_path / "optimization" / "optimization_202611" / SIGNATURE
    (folder / "decide.json").write_text("{")
    (told,) = command("cycle", "ls", "--config", config, "--json").json
    assert "decide.json: is no artefact of this release" in told["signatures"][0]["damage"]


@pytest.mark.parametrize(("schedule", "name"), [("monthly", "202701"), ("weekly", "2026W53")])
def test_a_run_is_named_by_its_period(schedule, name):
    assert period_of(Optimization(schedule=schedule).schedule, dt.datetime(2027, 1, 2, tzinfo=dt.UTC)) == name


def test_a_weekly_schedule_makes_a_weekly_run(command, config_file, tmp_path):
    path = config_file({"optimization": {"signatures": SIGNATURES, "schedule": "weekly"}})
    command("cycle", "run", "--config", path)
    (folder,) = (tmp_path / "optimization").glob("optimization_*")
    assert "W" in folder.name
    assert json.loads((folder / "run.json").read_bytes())["id"] == folder.name.removeprefix("optimization_")
