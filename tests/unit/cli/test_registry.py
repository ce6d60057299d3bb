"""`headrace registry ls|show|sign|public-key` on a registry in a folder."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace.programs import open_registry
from headrace_schemas.programs import FieldState, PredictorState, Program
from tests.unit.cli.conftest import RunCommand

_KEY = base64.b64encode(b"s" * 32).decode()
ConfigFile = Callable[[dict[str, Any]], Path]


@pytest.fixture
def section(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "programs.key"
    key.write_text(f"{_KEY}\n")
    return {"path": str(tmp_path / "programs"), "signing_key": f"file:{key}"}


def _put(section: dict[str, Any], module: str, version: str, **more: Any) -> str:
    state = PredictorState(
        signature="Triage",
        signature_hash="0" * 16,
        instructions=f"Sort the ticket,\nas {version} does.\x1b[2J",
        fields=(FieldState("ticket", "Ticket:", None), FieldState("queue")),
        demos=({"ticket": "My invoice", "queue": "billing"},),
    )
    program = Program(module=module, version=version, predictors={"triage.predict": state}, **more)
    return open_registry(load(None, {"registry": section}, {})).put(program)


def test_ls_tells_each_version_and_whether_a_service_would_use_it(
    command: RunCommand, config_file: ConfigFile, section: dict[str, Any], tmp_path: Path
) -> None:
    unsigned = _put({"path": section["path"]}, "support", "v1")
    signed = _put(section, "support", "v2", dataset={"signature": "Triage", "version": "v12"})
    other = _put(section, "billing", "v9")
    (tmp_path / "programs" / "programs" / f"{other}.json").write_text("{}")
    config = config_file({"registry": section})
    public = tmp_path / "programs.pub"
    public.write_text(command("registry", "public-key", "-c", config).out)
    checking = config_file({"registry": {"path": section["path"], "verify_keys": [f"file:{public}"]}})

    shown = command("registry", "ls", "-c", checking)
    assert (shown.code, shown.err) == (0, "")
    assert [line.split() for line in shown.out.splitlines()] == [
        ["module", "version", "digest", "usable", "predictors", "demos", "dataset"],
        ["billing", "v9", other[:12], "digest", "-", "-", "-"],
        ["support", "v1", unsigned[:12], "unsigned", "-", "-", "-"],
        ["support", "v2", signed[:12], "yes", "1", "1", "Triage/v12"],
    ]
    one = command("registry", "ls", "--module", "support", "--json", "-c", config_file({"registry": section})).json
    assert one["signatures_checked"] is False
    assert [(row["version"], row["digest"], row["usable"]) for row in one["versions"]] == [
        ("v1", unsigned, "yes"),
        ("v2", signed, "yes"),
    ]
    assert command("registry", "ls", "-c", config_file({"registry": section})).out.endswith(
        "signatures are not checked: registry.verify_keys is empty\n"
    )


def test_ls_of_a_registry_without_versions_says_so(
    command: RunCommand, config_file: ConfigFile, section: dict[str, Any]
) -> None:
    config = config_file({"registry": section})
    assert command("registry", "ls", "-c", config).out == f"{section['path']}: no versions\n"
    assert command("registry", "ls", "-m", "qa", "-c", config).out == f"{section['path']}: no versions of qa\n"


def test_show_tells_what_a_version_says_by_its_name_or_digest(
    command: RunCommand, config_file: ConfigFile, section: dict[str, Any]
) -> None:
    digest = _put(section, "support", "v2", scores={"optimized": 0.7})
    config = config_file({"registry": section})
    shown = command("registry", "show", "v2", "--module", "support", "-c", config)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        "module   support",
        "version  v2",
        f"digest   {digest}",
        "dataset  not told",
        "scores   optimized: 0.7",
        "",
        "triage.predict: Triage, 1 demos",
        "  Sort the ticket, as v2 does.\ufffd[2J",
        "  ticket: Ticket:",
        "  queue: as in the code",
    ]
    assert command("registry", "show", digest, "-c", config).out == shown.out
    whole = command("registry", "show", digest, "--json", "-c", config).json
    assert whole["digest"] == digest
    assert whole["predictors"]["triage.predict"]["demos"] == [{"ticket": "My invoice", "queue": "billing"}]


def test_what_is_not_there_or_not_good_is_one_line(
    command: RunCommand, config_file: ConfigFile, section: dict[str, Any]
) -> None:
    config = config_file({"registry": section})
    for arguments, code, said in (
        (("show", "v2"), 2, "registry show: --module: expected with a version's name (v2)"),
        (("show", "v2", "--module", "support"), 1, "support v2: not in the registry"),
        (("show", "f" * 64), 1, "program ffffffffffff: not in the registry"),
        (("public-key", "--key", _KEY), 2, "--key: expected env:NAME or file:PATH, where the key is; "),
        (("public-key", "--key", "env:NONE"), 2, "--key: the environment variable NONE is not set"),
    ):
        ended = command("registry", *arguments, "-c", config)
        assert (ended.code, ended.out) == (code, "")
        assert ended.error.startswith(said)
        assert _KEY not in ended.err
    nowhere = config_file({})
    assert command("registry", "ls", "-c", nowhere).error.startswith("registry.path: not set")
    assert "registry.signing_key is not set" in command("registry", "public-key", "-c", nowhere).error


def test_a_key_is_replaced_without_a_version_that_no_service_would_use(
    command: RunCommand, config_file: ConfigFile, section: dict[str, Any], tmp_path: Path
) -> None:
    signed, unsigned = _put(section, "support", "v1"), _put({"path": section["path"]}, "support", "v2")
    new = tmp_path / "new.key"
    new.write_text(base64.b64encode(b"n" * 32).decode())
    for key, name in ((section["signing_key"], "old.pub"), (f"file:{new}", "new.pub")):
        (tmp_path / name).write_text(command("registry", "public-key", "--key", key).out)
    keys = {name: f"file:{tmp_path / name}" for name in ("old.pub", "new.pub")}
    signing = {"path": section["path"], "signing_key": f"file:{new}", "verify_keys": [*keys.values()]}
    ended = command("registry", "sign", "-c", config_file({"registry": signing}))
    assert (ended.code, ended.err) == (1, "")
    assert [line.split() for line in ended.out.splitlines()][1:] == [
        ["support", "v1", signed[:12], "signed"],
        ["support", "v2", unsigned[:12], "refused:", "unsigned"],
    ]
    one = command("registry", "sign", "v2", "--module", "support", "--json", "-c", config_file({"registry": signing}))
    assert (one.code, [row["what"] for row in one.json["versions"]]) == (0, ["signed"])
    again = command("registry", "sign", "-m", "support", "--json", "-c", config_file({"registry": signing}))
    assert (again.code, [row["what"] for row in again.json["versions"]]) == (0, ["already", "already"])
    for kept, usable in (("new.pub", ["yes", "yes"]), ("old.pub", ["yes", "signature"])):
        service = {"path": section["path"], "verify_keys": [keys[kept]]}
        listed = command("registry", "ls", "--json", "-c", config_file({"registry": service})).json
        assert [row["usable"] for row in listed["versions"]] == usable


def test_sign_says_in_one_line_what_it_lacks(
    command: RunCommand, config_file: ConfigFile, section: dict[str, Any]
) -> None:
    config = config_file({"registry": section})
    assert command("registry", "sign", "-c", config).error.startswith("registry.verify_keys: empty")
    named = command("registry", "sign", "v2", "-c", config)
    assert (named.code, named.error) == (2, "registry sign: --module: expected with a version's name (v2)")
    keyless = config_file({"registry": {"path": section["path"]}})
    assert command("registry", "sign", "-c", keyless).error.startswith("registry.signing_key: not set")


def test_the_public_key_is_that_of_the_key_that_is_named(
    command: RunCommand,
    config_file: ConfigFile,
    section: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(b"s" * 32).public_key().public_bytes_raw()
    expected = base64.b64encode(public).decode()
    assert command("registry", "public-key", "-c", config_file({"registry": section})).out == f"{expected}\n"
    monkeypatch.setenv("PROGRAMS_KEY", _KEY)
    asked = command("registry", "public-key", "--key", "env:PROGRAMS_KEY", "--json")
    assert asked.json == {"public_key": expected}
