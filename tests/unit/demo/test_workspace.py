"""The demo's folder: it deletes its own and nobody else's."""

import json
import stat

import pytest

from headrace.errors import UsageError
from headrace_consumers.demo.workspace import MARKER, Workspace


def test_a_new_folder_is_made_with_its_marker_and_configuration(tmp_path):
    workspace = Workspace.at(tmp_path / "a" / "demo")
    workspace.make_anew({"telemetry": {"enabled": True}})
    assert (workspace.folder / MARKER).is_file()
    assert json.loads(workspace.config_path.read_text()) == {"telemetry": {"enabled": True}}


def test_the_configuration_is_for_its_owner_only(tmp_path):
    workspace = Workspace.at(tmp_path / "demo")
    workspace.make_anew({})
    assert stat.S_IMODE(workspace.config_path.stat().st_mode) == 0o600


def test_an_earlier_demo_is_replaced(tmp_path):
    Workspace.at(tmp_path / "demo").make_anew({})
    (tmp_path / "demo" / "old").write_text("x")
    Workspace.at(tmp_path / "demo").make_anew({})
    assert not (tmp_path / "demo" / "old").exists()


def test_an_empty_folder_may_be_used(tmp_path):
    Workspace.at(tmp_path).make_anew({})
    assert (tmp_path / MARKER).is_file()


def test_a_folder_with_anything_else_stays_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not made by headrace demo"):
        Workspace.at(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_file_and_a_link_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    Workspace.at(tmp_path / "demo").make_anew({})
    (tmp_path / "link").symlink_to(tmp_path / "demo")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="not a folder"):
            Workspace.at(tmp_path / name)
    assert (tmp_path / "demo" / MARKER).is_file()


def test_a_relative_path_is_where_the_user_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert Workspace.at(Path("demo")).dataset_path == tmp_path / "demo" / "dataset"
