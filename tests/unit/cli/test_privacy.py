"""`headrace privacy pseudonym`."""

import base64
import io
import sys

from headrace.redaction import subject_pseudonym

KEY = bytes(range(32))


def test_pseudonyms_are_those_of_the_records(command, config_file, tmp_path):
    (tmp_path / "key").write_text(base64.b64encode(KEY).decode())
    path = config_file({"redaction": {"pseudonym_key": f"file:{tmp_path / 'key'}"}})
    ended = command("privacy", "pseudonym", "jane", "bob", "--config", path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [subject_pseudonym("jane", KEY), subject_pseudonym("bob", KEY)]
    assert command("privacy", "pseudonym", "jane", "--json").json == {"jane": subject_pseudonym("jane")}


def test_ids_may_come_on_stdin(command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("jane\n\nbob smith\r\n"))
    ended = command("privacy", "pseudonym")
    assert ended.out.splitlines() == [subject_pseudonym("jane"), subject_pseudonym("bob smith")]


def test_a_missing_key_is_one_line(command, config_file):
    path = config_file({"redaction": {"pseudonym_key": "env:GONE"}})
    ended = command("privacy", "pseudonym", "jane", "--config", path)
    assert ended.code == 2
    assert ended.error.startswith("redaction.pseudonym_key: the environment variable GONE is not set")
