"""What is missing or broken is one clear line in its place, and the rest of the page is there."""

import json
import shutil

import pytest
import structlog

from headrace_consumers.ui.parts import part
from tests.support.ui_world import SIGNATURE
from tests.unit.ui.conftest import site_of

HERE = f"/signatures/{SIGNATURE}"


@pytest.fixture
def copy(world, tmp_path):
    """Copy the world, for who changes it, and return its folder and what asks it."""
    folder = tmp_path / "copy"
    shutil.copytree(world.parent, folder)
    path = folder / "headrace.json"
    config = json.loads(path.read_text())
    config["dataset"]["path"], config["versions"]["path"] = str(folder / "table"), str(folder / "training_data")
    path.write_text(json.dumps(config))
    return folder, site_of(path)


def test_nothing_yet_says_what_to_do(tmp_path):
    path = tmp_path / "headrace.json"
    path.write_text(
        json.dumps({"dataset": {"path": str(tmp_path / "none")}, "versions": {"path": str(tmp_path / "v")}})
    )
    get = site_of(path)
    page = get("/")
    assert (page.code, page.problems) == (200, [])
    assert f"There is no table at {tmp_path / 'none'} yet" in page.text
    assert f"headrace consume dataset --config {path}" in page.text
    assert get("/signatures/X").code == 404
    assert "There is no table yet" in get("/signatures/X/rows").text
    assert "in no row" in get("/trace?id=x").text
    assert get("/rows/x").code == 404


def test_without_a_table_the_versions_are_there(copy):
    folder, get = copy
    shutil.rmtree(folder / "table")
    assert f"{SIGNATURE} 0" in get("/").text
    page = get(HERE)
    assert (page.code, "v2 latest 239" in page.text) == (200, True)
    assert "The table has no rows of it" in page.text


@pytest.mark.parametrize("what", ["log", "files"])
def test_a_broken_table_is_a_line_and_the_versions_are_there(copy, what):
    folder, get = copy
    if what == "log":
        for entry in (folder / "table" / "_delta_log").glob("*.json"):
            entry.write_bytes(b"{torn")
    else:
        for file in (folder / "table").glob("ingest_date=*/*.parquet"):
            file.write_bytes(b"PAR1" + b"\0" * 100)
    for address in ("/", HERE):
        page = get(address)
        assert page.code == 200
        assert "cannot read the table" in page.problems[0] or "a file cannot be read" in page.problems[0]
        assert "v2" in page.text
        assert all("please report" not in line for line in page.problems)
    for address in (f"{HERE}/rows", f"{HERE}/rows?q=x", "/trace?id=x", f"{HERE}/why", "/rows/x"):
        page = get(address)
        assert len(page.problems) + page.text.count("Not looked at: the table") == 1, address
        assert "please report" not in page.text
    assert get(f"{HERE}/versions/v2").problems == []


def test_a_damaged_version_says_so_beside_the_others(copy):
    folder, get = copy
    shelf = folder / "training_data" / SIGNATURE
    (shelf / "v1" / "manifest.json").write_text("{")
    page = get(HERE)
    assert "v1 damaged" in page.text
    assert "v2 latest 239" in page.text
    assert "is damaged" in get(f"{HERE}/versions/v1").problems[0]
    assert "is damaged" in get(f"{HERE}/diff").problems[0]
    (shelf / "v2" / "train.jsonl").write_text("changed")
    assert "train.jsonl: has 7 bytes, its manifest says" in get(f"{HERE}/diff?a=v2&b=v2").problems[0]
    assert "train.jsonl: is not the file that the manifest names" in get(f"{HERE}/versions/v2?check=1").problems[0]
    (shelf / "v2" / "train.parquet").write_bytes(b"no parquet")
    page = get(f"{HERE}/versions/v2")
    assert (page.code, len(page.problems)) == (200, 1)
    assert "239 examples" in page.text
    assert get(f"{HERE}/versions/v2/examples").problems[0].startswith("cannot be read (")
    (shelf / "latest").write_text("v7\n")
    assert "latest names v7, which is not there" in get(HERE).problems[0]
    shutil.rmtree(shelf / "v1")
    shutil.rmtree(shelf / "v2")
    assert "No versions yet" in get(HERE).text


def test_a_folder_that_cannot_be_read_is_a_line(copy):
    folder, get = copy
    shutil.rmtree(folder / "training_data")
    (folder / "training_data").write_text("a file")
    page = get("/")
    assert (page.code, f"{SIGNATURE} 240" in page.text) == (200, True)


def test_a_broker_that_is_away_is_a_line(copy):
    folder, _ = copy
    path = folder / "headrace.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "kafka": {"bootstrap_servers": "127.0.0.1:1"}}))
    get = site_of(path)
    for address in ("/ledger", "/dead-letters", "/dead-letters/t/0/0"):
        page = get(address)
        assert len(page.problems) == 1
        assert "no broker answers at 127.0.0.1:1" in page.problems[0]
    for address, told in ((f"{HERE}/why", "240 rows in the table"), ("/trace?id=request-77", "became row")):
        text = get(address).text
        assert (
            text.count("Not looked at: ")
            == text.count("Not looked at: kafka.bootstrap_servers: no broker answers")
            == 1
        )
        assert told in text
    assert f"{SIGNATURE} 240" in get("/").text


def test_what_nobody_expected_is_told_to_the_log_without_what_was_read():
    def work():
        raise KeyError("somebody's words")

    with structlog.testing.capture_logs() as logged:
        told = part(work)
    assert told.problem.startswith("unexpected KeyError")
    assert logged[0]["error"] == "KeyError"
    assert "test_trouble.py" in logged[0]["places"][-1]
    assert "somebody" not in str(logged) + told.problem
