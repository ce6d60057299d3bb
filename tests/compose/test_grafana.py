"""Grafana in compose/, as far as it can be judged without its image."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

COMPOSE = Path(__file__).parents[2] / "compose"
SERVICE: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["grafana"]


def _yaml(name: str) -> Any:
    return yaml.safe_load((COMPOSE / name).read_text())


def _password(given: str) -> str:
    """Return what the entrypoint hands on to Grafana."""
    shell, option, script = SERVICE["entrypoint"]
    script = script.replace("$$", "$")
    assert "exec /run.sh" in script
    told = script.replace("exec /run.sh", 'printf %s "$GF_SECURITY_ADMIN_PASSWORD"')
    environ = {"PATH": os.environ["PATH"], "GF_SECURITY_ADMIN_PASSWORD": given}
    done = subprocess.run([shell, option, told], env=environ, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_administrators_password_is_yours_or_nobodys() -> None:
    assert SERVICE["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "${HEADRACE_GRAFANA_PASSWORD:-}"
    assert _password("a b$c\"d'e") == "a b$c\"d'e"
    first, second = _password(""), _password("")
    assert len(first) == len(second) == 32
    assert first != second


def test_who_has_no_password_may_look_and_no_more() -> None:
    assert SERVICE["environment"]["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert SERVICE["user"] == "472:0"


def test_it_finds_prometheus_and_the_dashboards() -> None:
    mounts = dict(each.split(":")[:2] for each in SERVICE["volumes"])
    (source,) = _yaml("grafana/datasources.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"]
    assert source["jsonData"]["timeInterval"] == _yaml("prometheus.yml")["global"]["scrape_interval"]
    (provider,) = _yaml("grafana/providers.yml")["providers"]
    assert provider["options"]["path"] == mounts["./grafana/dashboards"]
    assert mounts["./grafana/providers.yml"].startswith("/etc/grafana/provisioning/dashboards/")
    assert mounts["./grafana/datasources.yml"].startswith("/etc/grafana/provisioning/datasources/")
    home = Path(SERVICE["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == mounts["./grafana/dashboards"]
    for name in [each for each in mounts if each.startswith("./")]:
        assert (COMPOSE / name).exists(), name
