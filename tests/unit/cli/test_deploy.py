"""docs/deploy: what stands there is what the configuration, the probes and the end of the process really are."""

import configparser
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from headrace.config import load
from headrace_consumers.cli.signals import ENDS_WITHIN_S
from headrace_consumers.dataset.health import Health
from headrace_consumers.dataset.status import HealthLimits

DEPLOY = Path(__file__).parents[3] / "docs" / "deploy"
UNIT = DEPLOY / "headrace-consumer@.service"


class _Repeated(dict):
    """Keys of a unit that stand there more than once, e.g. Environment, keep all their values."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


@pytest.fixture(scope="module")
def service():
    parser = configparser.RawConfigParser(dict_type=_Repeated, strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return {key: value.splitlines() for key, value in parser["Service"].items()}


@pytest.fixture(scope="module")
def objects():
    return {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


@pytest.fixture(scope="module")
def container(objects):
    (container,) = objects["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    return container


def test_the_units_variables_configure_a_member(service):
    text = "\n".join(service["Environment"]).replace("%H", "host").replace("%i", "3")
    variables = dict(line.split("=", 1) for line in text.splitlines())
    given = Path(variables.pop("HEADRACE_CONFIG"))
    config = load(None, {}, variables)
    assert config.dataset.group_instance_id == "host-3"
    assert config.dataset.health_port == 8103
    state = Path("/var/lib") / service["StateDirectory"][0]
    assert {Path(config.dataset.path).parent, Path(config.dataset.state_path).parent} == {state}
    assert str(given.parent) in (DEPLOY / "README.md").read_text()


def test_the_unit_waits_for_longer_than_the_end_takes(service):
    assert int(service["TimeoutStopSec"][0]) > ENDS_WITHIN_S
    assert service["Restart"] == ["always"]


def test_systemd_takes_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name.replace("@", "@0")
    unit.write_text(UNIT.read_text().replace("/opt/headrace/bin/headrace", shutil.which("true")))
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in ended.stderr.splitlines() if unit.name in line]
    assert said == []


def test_the_pods_variables_and_file_configure_a_member(objects, container, tmp_path):
    variables = {each["name"]: each.get("value", "headrace-consumer-0") for each in container["env"]}
    (tmp_path / "headrace.json").write_text(objects["ConfigMap"]["data"]["headrace.json"])
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounts[str(Path(variables["HEADRACE_CONFIG"]).parent)] == "config"
    variables["HEADRACE_CONFIG"] = str(tmp_path / "headrace.json")
    config = load(None, {}, variables)
    assert config.dataset.group_instance_id == "headrace-consumer-0"
    (port,) = container["ports"]
    assert (config.dataset.health_host, config.dataset.health_port) == ("0.0.0.0", port["containerPort"])
    assert objects["Service"]["spec"]["ports"][0]["port"] == port["containerPort"]
    (claim,) = objects["StatefulSet"]["spec"]["volumeClaimTemplates"]
    (data,) = [path for path, name in mounts.items() if name == claim["metadata"]["name"]]
    assert {Path(config.dataset.path).parent, Path(config.dataset.state_path).parent} == {Path(data)}


def test_probes_ask_for_what_is_answered(container):
    health = Health(HealthLimits(1, 1, 1), lambda: 0.0)
    for name, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        probe = container[name]["httpGet"]
        assert (probe["path"], probe["port"]) == (path, container["ports"][0]["name"])
        assert health.answer(probe["path"])[0] != 404


def test_the_pod_has_time_to_end_and_the_names_agree(objects):
    stateful = objects["StatefulSet"]
    assert stateful["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > ENDS_WITHIN_S
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    assert stateful["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert stateful["spec"]["serviceName"] == objects["Service"]["metadata"]["name"]


def test_the_commands_exist(command, service, container):
    for words in (service["ExecStart"][0].split(), container["args"]):
        assert Path(words[0]).name == "headrace"
        ended = command(*words[1:], "--help")
        assert ended.code == 0, json.dumps(words)
