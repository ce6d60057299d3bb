"""`headrace erase`: first said, then done; whom, in all the ways in which people may be named."""

import base64
import io
import json
import os
import subprocess
import sys

import polars as pl
import pytest

from headrace.redaction import subject_pseudonym
from headrace_consumers.dataset.delta.table import InteractionTable
from tests.support.erasing import append, of_person
from tests.support.version_folders import example_line, provenance_line, write_version

KEY = b"k" * 32


@pytest.fixture
def path(tmp_path):
    """A table with rows of jane (named without a key and with one), john and nobody."""
    table = InteractionTable(tmp_path / "t")
    subjects = [subject_pseudonym("jane"), subject_pseudonym("jane", KEY), subject_pseudonym("john", KEY), None]
    append(table, [{**of_person(None, n), "subject_id": subject} for n, subject in enumerate(subjects)])
    table.close()
    return tmp_path / "t"


@pytest.fixture
def config(config_file, path, monkeypatch):
    monkeypatch.setenv("PSEUDONYMS", base64.b64encode(KEY).decode())
    values = {"dataset": {"path": str(path)}, "redaction": {"pseudonym_key": "env:PSEUDONYMS"}}
    return config_file({**values, "kafka": {"topics": {}}})


def left(path):
    return pl.scan_delta(str(path)).sort("offset").collect()["offset"].to_list()


def test_without_apply_it_only_says_what_would_be_done(command, config, path, tmp_path):
    said = command("erase", "--subject", "jane", "--config", config)
    assert said.code == 0
    assert said.out.splitlines()[0] == f"would be removed, for {subject_pseudonym('jane', KEY)}:"
    assert said.out.splitlines()[1].split()[:4] == ["interactions", "2", "in", "1"]
    assert said.out.splitlines()[-1] == "nothing was changed; --apply does it"
    assert command("erase", "--subject", "jane", "--config", config, "--json").json["tables"][0]["rows"]
    assert left(path) == [0, 1, 2, 3]
    assert not list(tmp_path.glob("erasure-*"))


def test_applied_the_rows_go_and_a_certificate_tells_it(command, config, path, tmp_path):
    said = command("erase", "--subject", "jane", "--config", config, "--apply")
    assert said.code == 0, said.err
    assert left(path) == [2, 3]
    (certificate,) = tmp_path.glob("erasure-*.json")
    assert said.out.splitlines()[-1] == f"certificate: {certificate}"
    made = json.loads(certificate.read_text())
    assert made["pseudonyms"] == [subject_pseudonym("jane", KEY)]  # the plain hash could be guessed
    assert sum(made["tables"][0]["rows"].values()) == 2
    assert all(hold["gone_by"] is None and "bootstrap_servers" in hold["why"] for hold in made["kafka"])
    assert "jane" not in certificate.read_text()
    assert "jane" not in said.out


def test_on_a_terminal_it_shows_meanwhile_what_it_does(config, path, tmp_path):
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "headrace_consumers.cli", "erase", "--request", "r None 3", "--apply"]
    ended = subprocess.run(
        [*command, "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    os.close(theirs)  # else reading nothing would wait
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert ended.returncode == 0, shown
    assert left(path) == [0, 1, 2]
    assert "looking through the tables" in shown
    assert "looking through" not in ended.stdout.decode()


def test_a_pseudonym_a_request_and_ids_from_stdin(command, config, path, monkeypatch):
    assert command("erase", "--pseudonym", subject_pseudonym("john", KEY), "-c", config, "--apply").code == 0
    assert left(path) == [0, 1, 3]
    told = command("erase", "--request", "r None 3", "-c", config, "--apply", "--certificate", "c.json", "--json").json
    assert (told["requests"], told["pseudonyms"]) == (["r None 3"], [])
    assert left(path) == [0, 1]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\njane\r\n"))
    assert command("erase", "--subject", "-", "-c", config, "--apply", "--certificate", "d.json").code == 0
    assert left(path) == []


def test_another_table(command, config_file, path, tmp_path):
    config = config_file({"dataset": {"path": str(tmp_path / "none")}})
    assert "no Delta table here" in command("erase", "--subject", "jane", "-c", config).error
    assert command("erase", "--subject", "jane", "-c", config, "--table", path, "--apply").code == 0
    assert left(path) == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "erase: whom?"),
        (["--subject", " "], "erase: whom?"),
        (["--pseudonym", "jane"], "no pseudonym"),
        (["--subject", "jane", "--apply", "--certificate", "none/c.json"], "no such folder"),
        (["--subject", "jane", "--apply", "--certificate", "headrace.json"], "is there already"),
    ],
)
def test_what_cannot_be_meant_is_one_line(command, config, path, arguments, line):
    ended = command("erase", *arguments, "--config", config)
    assert (ended.code, ended.out) == (2, "")
    assert line in ended.error
    assert left(path) == [0, 1, 2, 3]


def test_without_the_key_nothing_is_done(command, config, path, monkeypatch):
    monkeypatch.delenv("PSEUDONYMS")
    ended = command("erase", "--subject", "jane", "--config", config, "--apply")
    assert ended.code == 2
    assert "PSEUDONYMS" in ended.error
    assert left(path) == [0, 1, 2, 3]


def test_dataset_versions_are_rewritten_too(command, config, tmp_path):
    line, other = (example_line({"q": n}, {"a": n}) for n in range(2))
    told = [provenance_line(line, subject_id=subject_pseudonym("jane", KEY)), provenance_line(other, subject_id=None)]
    folder = write_version(tmp_path / "training_data", {"train": [line, other]}, provenance=told)
    said = command("erase", "--subject", "jane", "-c", config).out
    assert "training_data/S/v1: 1 examples, 0 set aside" in said
    assert command("erase", "--subject", "jane", "-c", config, "--json").json["versions"][0]["examples"] == 1
    assert (
        "training_data/S/v1: 1 examples removed" in command("erase", "--subject", "jane", "-c", config, "--apply").out
    )
    assert (folder / "train.jsonl").read_text().count("\n") == 1
    assert "no such folder" in command("erase", "--subject", "jane", "-c", config, "--versions", "none").error
