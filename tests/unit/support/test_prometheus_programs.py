"""Where the programs come from; nothing is downloaded here: apt-get and dpkg-deb are stand-ins."""

import shutil
from pathlib import Path

import pytest

from tests.support.prometheus_programs import NoProgramsError, find

_DEBIAN = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")


def _program(path: Path, script: str = "exit 0") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def _tools(folder: Path, apt_get: str) -> dict[str, str]:
    """Give an environment whose apt-get is a script and whose dpkg-deb makes the four programs.

    Of the machine's own it has what these scripts need, and not the four, which may be installed.
    """
    for name in ("chmod", "mkdir", "touch"):
        found = shutil.which(name)
        assert found is not None
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(found)
    _program(folder / "apt-get", apt_get)
    made = "\n".join(f'echo x > "$3/usr/bin/{name}"; chmod +x "$3/usr/bin/{name}"' for name in _DEBIAN)
    _program(folder / "dpkg-deb", f'mkdir -p "$3/usr/bin"\n{made}')
    return {"PATH": str(folder)}


def test_programs_on_the_path_are_taken_under_either_name(tmp_path: Path) -> None:
    for name in _DEBIAN:
        _program(tmp_path / "bin" / name)
    found = find({"PATH": str(tmp_path / "bin")}, tmp_path / "cache")
    assert found.alertmanager == tmp_path / "bin" / "prometheus-alertmanager"
    _program(tmp_path / "bin" / "alertmanager")
    assert find({"PATH": str(tmp_path / "bin")}, tmp_path / "cache").alertmanager.name == "alertmanager"
    assert not (tmp_path / "cache").exists()


def test_else_debians_packages_are_unpacked_once(tmp_path: Path) -> None:
    environ = _tools(tmp_path / "tools", 'echo "$@" >> ../../asked; touch prometheus_1.deb')
    for _ in range(2):
        found = find(environ, tmp_path / "cache" / "prometheus")
        assert found.promtool == tmp_path / "cache" / "prometheus" / "usr" / "bin" / "promtool"
    asked = (tmp_path / "cache" / "asked").read_text(encoding="utf-8").splitlines()
    assert len(asked) == 1
    assert asked[0].endswith("download prometheus prometheus-alertmanager")


def test_stale_package_lists_are_read_anew_beside_the_machines_own(tmp_path: Path) -> None:
    environ = _tools(
        tmp_path / "tools",
        'echo "$@" >> ../../asked\ncase "$*" in *Dir::State::lists*) touch prometheus_1.deb;; *) exit 100;; esac',
    )
    assert find(environ, tmp_path / "cache" / "prometheus").amtool.is_file()
    asked = (tmp_path / "cache" / "asked").read_text(encoding="utf-8").splitlines()
    assert [line.split()[-1] for line in asked] == ["prometheus-alertmanager", "update", "prometheus-alertmanager"]


@pytest.mark.parametrize(
    ("apt_get", "said"),
    [
        ("echo 'W: a warning' >&2; echo 'E: Unable to locate package prometheus' >&2; exit 100", "E: Unable to locate"),
        ("exit 100", "apt-get update failed: it said nothing"),
    ],
)
def test_packages_that_cannot_be_had_are_one_line(tmp_path: Path, apt_get: str, said: str) -> None:
    with pytest.raises(NoProgramsError) as raised:
        find(_tools(tmp_path / "tools", apt_get), tmp_path / "cache" / "prometheus")
    assert said in str(raised.value)
    assert "apt-get install prometheus prometheus-alertmanager" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["prometheus.lock"]


def test_a_machine_without_apt_get_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NoProgramsError, match=r"no apt-get on the PATH .*amtool on the PATH"):
        find({"PATH": str(tmp_path)}, tmp_path / "cache" / "prometheus")
