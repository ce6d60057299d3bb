"""docs/deploy: what stands there is what the configuration, the probes and the end of the process really are."""

import configparser
import copy
import json
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from headrace.config import load
from headrace_consumers.cli.signals import ENDS_WITHIN_S
from headrace_consumers.dataset.feedback.run import configured
from headrace_consumers.dataset.health import Health
from headrace_consumers.dataset.status import HealthLimits
from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.state import State
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.metrics.web import Web

DEPLOY = Path(__file__).parents[3] / "docs" / "deploy"
UNIT = DEPLOY / "headrace-consumer@.service"
METRICS = DEPLOY / "headrace-metrics.service"
ROLLOUT = DEPLOY / "headrace-rollout.service"


class _Repeated(dict):
    """Keys of a unit that stand there more than once, e.g. Environment, keep all their values."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def service_of(path):
    parser = configparser.RawConfigParser(dict_type=_Repeated, strict=False)
    parser.optionxform = str
    parser.read(path)
    return {key: value.splitlines() for key, value in parser["Service"].items()}


def variables_of(service, instance):
    text = "\n".join(service["Environment"]).replace("%H", "host").replace("%i", instance)
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.fixture(scope="module")
def service():
    return service_of(UNIT)


@pytest.fixture(scope="module")
def objects():
    return {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


@pytest.fixture(scope="module")
def containers(objects):
    return {each["name"]: each for each in objects["StatefulSet"]["spec"]["template"]["spec"]["containers"]}


@pytest.fixture(scope="module", params=["consumer", "feedback"])
def container(containers, request):
    return containers[request.param]


@pytest.fixture(scope="module")
def feedback():
    return service_of(DEPLOY / "feedback.conf")


def test_the_units_variables_configure_a_member(service):
    variables = variables_of(service, "3")
    given = Path(variables.pop("HEADRACE_CONFIG"))
    config = load(None, {}, variables)
    assert config.dataset.group_instance_id == "host-3"
    assert config.dataset.health_port == 8103
    state = Path("/var/lib") / service["StateDirectory"][0]
    assert {Path(config.dataset.path).parent, Path(config.dataset.state_path).parent} == {state}
    assert str(given.parent) in (DEPLOY / "README.md").read_text()


def test_the_drop_in_makes_a_member_the_feedback_consumer(service, feedback):
    variables = variables_of(service, "feedback") | variables_of(feedback, "feedback")
    config = configured(load(None, {}, {name: value for name, value in variables.items() if name != "HEADRACE_CONFIG"}))
    assert config.dataset.group_instance_id == "host-feedback"
    assert (config.dataset.health_port, config.dataset.path) == (8110, "/var/lib/headrace/interactions-feedback")
    assert feedback["ExecStart"][0] == ""  # else systemd runs both commands
    assert "headrace-consumer@feedback.service.d/feedback.conf" in (DEPLOY / "README.md").read_text()


def test_the_unit_waits_for_longer_than_the_end_takes(service):
    assert int(service["TimeoutStopSec"][0]) > ENDS_WITHIN_S
    assert service["Restart"] == ["always"]


def test_the_unit_of_metrics_configures_it_and_holds_it_as_tightly(service):
    metrics = service_of(METRICS)
    variables = variables_of(metrics, "")
    assert variables.pop("HEADRACE_CONFIG") == variables_of(service, "0")["HEADRACE_CONFIG"]
    config = load(None, {}, variables)
    found = (config.metrics.host, config.metrics.port, config.metrics.group_instance_id)
    assert found == ("127.0.0.1", 9464, "host-metrics")
    own = {"Environment", "ExecStart", "MemoryMax", "StateDirectory", "StateDirectoryMode"}
    assert {key: value for key, value in metrics.items() if key not in own} == {
        key: value for key, value in service.items() if key not in own
    }
    assert METRICS.name in (DEPLOY / "README.md").read_text()


def test_the_unit_of_rollouts_configures_it_and_holds_it_as_tightly(service):
    rollout = service_of(ROLLOUT)
    variables = variables_of(rollout, "")
    assert variables.pop("HEADRACE_CONFIG") == variables_of(service, "0")["HEADRACE_CONFIG"]
    config = load(None, {}, variables)
    assert (config.rollout.host, config.rollout.port) == ("127.0.0.1", 9466)
    own = {"Environment", "ExecStart", "MemoryMax", "StateDirectory", "StateDirectoryMode"}
    assert {key: value for key, value in rollout.items() if key not in own} == {
        key: value for key, value in service.items() if key not in own
    }
    assert ROLLOUT.name in (DEPLOY / "README.md").read_text()


def test_the_rollout_pod_is_as_the_one_of_metrics_but_for_its_name_port_and_command():
    texts = {
        name: list(yaml.safe_load_all((DEPLOY / f"kubernetes-{name}.yaml").read_text()))
        for name in ("metrics", "rollout")
    }
    service, deployment = texts["rollout"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    variables.pop("HEADRACE_CONFIG")
    config = load(None, {}, variables)
    (port,) = container["ports"]
    assert (config.rollout.host, config.rollout.port) == ("0.0.0.0", port["containerPort"])
    assert service["spec"]["ports"][0]["port"] == port["containerPort"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    beside = texts["metrics"][1]["spec"]["template"]["spec"]
    assert {key: value for key, value in pod.items() if key != "containers"} == {
        key: value for key, value in beside.items() if key != "containers"
    }
    own = {"name", "args", "env", "ports"}
    assert {key: value for key, value in container.items() if key not in own} == {
        key: value for key, value in beside["containers"][0].items() if key not in own
    }
    assert container["args"] == ["headrace", "consume", "rollout", "--log-format", "json"]


def test_systemd_takes_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    there = str(shutil.which("true"))
    for source, name in (
        (UNIT, UNIT.name),
        (DEPLOY / "feedback.conf", f"{UNIT.stem}feedback.service.d/feedback.conf"),
        (METRICS, METRICS.name),
        (ROLLOUT, ROLLOUT.name),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source.read_text().replace("/opt/headrace/bin/headrace", there))
    units = [*(UNIT.name.replace("@", f"@{instance}") for instance in ("0", "feedback")), METRICS.name, ROLLOUT.name]
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    stems = (UNIT.stem, METRICS.stem, ROLLOUT.stem)
    said = [line for line in ended.stderr.splitlines() if any(stem in line for stem in stems)]
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
    own = config if container["name"] == "consumer" else configured(config)
    assert (own.dataset.health_host, own.dataset.health_port) == ("0.0.0.0", port["containerPort"])
    (claim,) = objects["StatefulSet"]["spec"]["volumeClaimTemplates"]
    (data,) = [path for path, name in mounts.items() if name == claim["metadata"]["name"]]
    assert {Path(config.dataset.path).parent, Path(config.dataset.state_path).parent} == {Path(data)}


def test_the_service_has_the_consumers_port(objects, containers):
    assert objects["Service"]["spec"]["ports"][0]["port"] == containers["consumer"]["ports"][0]["containerPort"]


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


@pytest.fixture(scope="module")
def beside():
    text = (DEPLOY / "kubernetes-metrics.yaml").read_text()
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def metrics_container(beside):
    (container,) = beside["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    return container


def test_the_metrics_pod_is_configured_by_the_same_file_and_held_as_tightly(
    objects, container, beside, metrics_container, tmp_path
):
    variables = {each["name"]: each.get("value", "headrace-metrics-0") for each in metrics_container["env"]}
    (volume,) = [each for each in beside["StatefulSet"]["spec"]["template"]["spec"]["volumes"] if "configMap" in each]
    assert volume["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]
    mounts = {mount["mountPath"]: mount["name"] for mount in metrics_container["volumeMounts"]}
    assert mounts[str(Path(variables["HEADRACE_CONFIG"]).parent)] == volume["name"]
    (tmp_path / "headrace.json").write_text(objects["ConfigMap"]["data"]["headrace.json"])
    variables["HEADRACE_CONFIG"] = str(tmp_path / "headrace.json")
    config = load(None, {}, variables)
    (port,) = metrics_container["ports"]
    assert (config.metrics.host, config.metrics.port) == ("0.0.0.0", port["containerPort"])
    assert config.metrics.group_instance_id == "headrace-metrics-0"
    for key in ("securityContext", "envFrom", "image"):
        assert metrics_container[key] == container[key]


@pytest.mark.parametrize("release", ["1.29", kubernetes_validate.latest_version()])
def test_kubernetes_takes_every_object_and_every_field_of_it(release):
    for path in sorted(DEPLOY.glob("*.yaml")):
        for each in yaml.safe_load_all(path.read_text()):
            kubernetes_validate.validate(each, release, strict=True)


def test_a_mistyped_field_would_be_found(beside, metrics_container):
    mistyped = {"livenesProbe": metrics_container["livenessProbe"]}
    spoilt = copy.deepcopy(beside["StatefulSet"])
    spoilt["spec"]["template"]["spec"]["containers"] = [{**metrics_container, **mistyped}]
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(spoilt, "1.29", strict=True)


def test_the_image_is_that_of_this_release_and_the_docs_say_how_to_build_it():
    text = "".join(path.read_text() for path in DEPLOY.glob("*.yaml"))
    image = f"headrace:{version('headrace')}"
    with_programs = image.replace("headrace", "headrace-cycle")
    assert set(re.findall(r"image: (\S+)", text)) == {image, with_programs}
    built = re.search(rf"docker build (.*) --tag \S*/{re.escape(image)} \.", (DEPLOY / "README.md").read_text())
    assert built
    assert (DEPLOY.parents[1] / built[1].removeprefix("--file ")).is_file()


def test_metrics_probes_ask_for_what_is_answered_and_the_names_agree(beside, metrics_container):
    counting = StatisticsCounting("statistics", Totals(), Labels(lambda: 0.0), lambda: 0)
    web = Web(State(Totals(), counting), None, lambda: 0.0, lambda: 0)
    for name, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        probe = metrics_container[name]["httpGet"]
        assert (probe["path"], probe["port"]) == (path, metrics_container["ports"][0]["name"])
        assert web.answer(probe["path"], "").code != 404
    spec = beside["StatefulSet"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels == beside["Service"]["spec"]["selector"]
    assert spec["serviceName"] == beside["Service"]["metadata"]["name"]
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > ENDS_WITHIN_S
    # Prometheus has to reach each member by itself, one that is not ready too.
    assert beside["Service"]["spec"]["clusterIP"] == "None"
    assert beside["Service"]["spec"]["publishNotReadyAddresses"] is True
    assert beside["Service"]["spec"]["ports"][0]["port"] == metrics_container["ports"][0]["containerPort"]


def test_the_commands_exist(command, service, feedback, container, metrics_container):
    units = (service["ExecStart"][0], feedback["ExecStart"][1], service_of(METRICS)["ExecStart"][0])
    for words in (*(each.split() for each in units), container["args"], metrics_container["args"]):
        assert Path(words[0]).name == "headrace"
        ended = command(*words[1:], "--help")
        assert ended.code == 0, json.dumps(words)


PHASES = {"collect": range(1, 2), "cut": range(2, 3), "decide": range(3, 6), "roll-out": range(6, 29)}
"""The document's days: 1 collect, 2 gates, 3 to 5 optimize, from 6 on the rollout, which another one may hold up."""


def days_of(text):
    first, _, last = text.replace("..", "-").partition("-")
    return range(int(first), int(last or first) + 1)


def cycle_lines():
    """What each template runs, and when: step -> its days, and the command."""
    for line in (DEPLOY / "cycle.cron").read_text().splitlines():
        if line.startswith("0 2 "):
            command = line.partition("&& ")[2].removesuffix(">/dev/null").split()
            step = command[command.index("--until") + 1] if "--until" in command else "roll-out"
            yield "cron", step, days_of(line.split()[2]), command
    for each in yaml.safe_load_all((DEPLOY / "kubernetes-cycle.yaml").read_text()):
        if each["kind"] == "CronJob":
            (container,) = each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            assert each["spec"]["concurrencyPolicy"] == "Forbid"
            yield "kubernetes", container["args"][-1], days_of(each["spec"]["schedule"].split()[2]), container["args"]
    for path in DEPLOY.glob("headrace-cycle-*.timer"):
        timer = configparser.RawConfigParser()
        timer.optionxform = str
        timer.read(path)
        unit = timer["Timer"]["Unit"]
        step = unit.partition("@")[2].removesuffix(".service")
        assert path.name == f"headrace-cycle-{step}.timer"
        (started,) = service_of(DEPLOY / "headrace-cycle@.service")["ExecStart"]
        days = timer["Timer"]["OnCalendar"].split()[0].rpartition("*-")[2]
        yield "systemd", step, days_of(days), started.replace("%i", step).split()


def test_the_cycles_templates_have_the_documents_days_and_run_what_there_is(command):
    from headrace_consumers.cycle.artefacts import CycleStep

    found = list(cycle_lines())
    for template in ("cron", "systemd", "kubernetes"):
        assert {step: days for name, step, days, _ in found if name == template} == PHASES
    for _, step, _, words in found:
        assert Path(words[0]).name == "headrace"
        assert CycleStep(step)
        ended = command(*words[1:])
        assert ended.error.startswith("optimization.signatures: names no signature")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_cycles_calendar():
    for path in DEPLOY.glob("headrace-cycle-*.timer"):
        when = next(line for line in path.read_text().splitlines() if line.startswith("OnCalendar=")).partition("=")[2]
        done = subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
