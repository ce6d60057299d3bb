import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config import ENV_FILE, Config, Thresholds, load
from headrace.errors import ConfigError

DOCUMENT = Path(__file__).parents[2] / "fixtures" / "monitoring_config.json"
ROOT = Path(__file__).parents[3]


def _file(folder: Path, content: object) -> Path:
    path = folder / "headrace.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def _get(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


def test_the_documents_file_is_accepted_as_it_stands() -> None:
    config = load(DOCUMENT, environ={})
    telemetry = config.telemetry
    assert (telemetry.enabled, telemetry.sampling_rate_pct) == (True, 10)
    assert telemetry.log_file_path == "logs/dspy_production.jsonl"
    rotation = telemetry.rotation
    assert (rotation.max_size_mb, rotation.max_age_days, rotation.compression) == (100, 90, "gzip")
    thresholds = config.quality_thresholds
    assert (thresholds.min_success_rate, thresholds.max_latency_p99_ms) == (0.95, 3000)
    assert thresholds.max_cost_p99_usd == 0.05
    optimization = config.optimization
    assert (optimization.schedule, optimization.telemetry_target) == ("monthly", 50)
    assert (optimization.git_target, optimization.synthetic_target) == (100, 20)


def test_each_key_of_the_documents_file_changes_what_is_loaded(tmp_path: Path) -> None:
    other = {
        "telemetry": {
            "enabled": False,
            "sampling_rate_pct": 12.5,
            "log_file_path": "elsewhere.jsonl",
            "rotation": {"max_size_mb": 1, "max_age_days": 2, "compression": "none"},
        },
        "quality_thresholds": {"min_success_rate": 0.5, "max_latency_p99_ms": 1, "max_cost_p99_usd": 2},
        "optimization": {"schedule": "monthly", "telemetry_target": 1, "git_target": 2, "synthetic_target": 3},
    }
    loaded = load(_file(tmp_path, other), environ={}).model_dump()
    original = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    for section, keys in other.items():
        assert set(original[section]) == set(keys)
        assert {key: loaded[section][key] for key in keys} == keys


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("telemetry.enabled", False),
        ("telemetry.sampling_rate_pct", 10),
        ("telemetry.log_file_path", "logs/dspy_production.jsonl"),
        ("telemetry.rotation.max_size_mb", 100),
        ("telemetry.rotation.max_age_days", 90),
        ("telemetry.rotation.compression", "gzip"),
        ("quality_thresholds.min_success_rate", 0.95),
        ("quality_thresholds.max_latency_p99_ms", 3000),
        ("quality_thresholds.max_cost_p99_usd", 0.05),
        ("optimization.schedule", "monthly"),
        ("optimization.telemetry_target", 0),
        ("optimization.git_target", 100),
        ("optimization.synthetic_target", 20),
        ("filters.default.require_success", True),
        ("filters.default.max_latency_ms", 5000),
        ("filters.default.max_cost_usd", 0.10),
        ("filters.default.min_quality_score", 0.70),
        ("kafka.bootstrap_servers", None),
        ("kafka.topics.interactions", "headrace.interactions.v1"),
        ("kafka.topics.dead_letters", "headrace.deadletter.v1"),
    ],
)
def test_the_default_of_an_absent_key(key: str, default: Any) -> None:
    assert _get(load(environ={}), key) == default
    assert type(_get(load(environ={}), key)) is type(default)


def test_what_differs_for_one_signature_leaves_the_rest_of_its_thresholds() -> None:
    config = load(
        overrides={"filters": {"default": {"max_latency_ms": 100}, "signatures": {"S": {"min_quality_score": 0.1}}}},
        environ={},
    )
    assert config.filters.for_signature("S") == Thresholds(max_latency_ms=100, min_quality_score=0.1)
    assert config.filters.for_signature("other") == Thresholds(max_latency_ms=100)


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("HEADRACE_TELEMETRY__SAMPLING_RATE_PCT", "25", "telemetry.sampling_rate_pct", 25),
        ("HEADRACE_TELEMETRY__ENABLED", "true", "telemetry.enabled", True),
        ("HEADRACE_TELEMETRY__SERVICE", "reviews", "telemetry.service", "reviews"),
        ("HEADRACE_TELEMETRY__SERVICE", '"123"', "telemetry.service", "123"),
        ("HEADRACE_TELEMETRY__ROTATION__COMPRESSION", "none", "telemetry.rotation.compression", "none"),
        ("HEADRACE_KAFKA__BOOTSTRAP_SERVERS", "a:9092,b:9092", "kafka.bootstrap_servers", "a:9092,b:9092"),
        ("HEADRACE_KAFKA__OPTIONS", '{"sasl.password": "x"}', "kafka.options", {"sasl.password": "x"}),
        ("HEADRACE_REDACTION__KINDS", '["email"]', "redaction.kinds", ("email",)),
    ],
)
def test_environment_variables_set_keys(name: str, text: str, key: str, value: Any) -> None:
    assert _get(load(environ={name: text}), key) == value


def test_variables_of_others_are_left_alone() -> None:
    names = [
        "HEADRACE_TEST_KAFKA",
        "HEADRACE_TOP_URL",
        "HEADRACE_TRACEBACK",
        "HEADRACE_LOG_LEVEL",
        "HEADRACE_DISABLED",
        # what Kubernetes and Docker set for services called headrace and headrace-kafka
        "HEADRACE_SERVICE_HOST",
        "HEADRACE_SERVICE_PORT",
        "HEADRACE_SERVICE_PORT_HTTP",
        "HEADRACE_PORT",
        "HEADRACE_PORT_8080_TCP",
        "HEADRACE_PORT_8080_TCP_ADDR",
        "HEADRACE_KAFKA_SERVICE_HOST",
        "HEADRACE_KAFKA_PORT_9092_TCP_PROTO",
        "TELEMETRY__ENABLED",
        "PATH",
    ]
    assert load(environ=dict.fromkeys(names, "x")) == Config()


def test_a_shell_that_is_set_up_for_compose_runs_commands_too() -> None:
    files = [file for file in (ROOT / "compose").rglob("*") if file.suffix in {".yaml", ".sh"}]
    names = {name for file in files for name in re.findall(r"\$\{(HEADRACE_[A-Z_]+)", file.read_text())}
    assert {"HEADRACE_KAFKA_PORT", "HEADRACE_BUILD_NETWORK"} <= names
    assert load(environ=dict.fromkeys(names - {"HEADRACE_CONFIG", "HEADRACE_LOG_FORMAT"}, "x")) == Config()


def test_a_variable_that_the_configuration_mentions_is_known() -> None:
    environ = {"HEADRACE_MY_KEY": "secret"}
    kafka = {"options": {"ssl.key.password": "env:HEADRACE_MY_KEY"}}
    assert load(overrides={"kafka": kafka}, environ={}).kafka.options
    with pytest.raises(ConfigError, match="HEADRACE_MY_KEY: unknown environment variable"):
        load(environ=environ)
    assert load(environ={**environ, "HEADRACE_KAFKA__OPTIONS": json.dumps(kafka["options"])}).kafka.options


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HEADRACE_TELEMETRY_ENABLED", "HEADRACE_TELEMETRY__ENABLED"),
        ("HEADRACE_TELEMETRY_SAMPLING_RATE_PCT", "HEADRACE_TELEMETRY__SAMPLING_RATE_PCT"),
        ("HEADRACE_SAMPLING_RATE_PCT", "HEADRACE_TELEMETRY__SAMPLING_RATE_PCT"),
        ("HEADRACE_KAFKA_BOOTSTRAP_SERVERS", "HEADRACE_KAFKA__BOOTSTRAP_SERVERS"),
        ("HEADRACE_TELEMETRY_ROTATION_MAX_SIZE_MB", "HEADRACE_TELEMETRY__ROTATION__MAX_SIZE_MB"),
        ("headrace_telemetry__enabled", "HEADRACE_TELEMETRY__ENABLED"),
        ("HEADRACE_DISABLE", "HEADRACE_DISABLED"),
        ("HEADRACE_CONFG", "HEADRACE_CONFIG"),
        ("HEADRACE_CONFIG_DIR", "HEADRACE_CONFIG"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={name: "true"})
    assert str(caught.value) == f"{name}: unknown environment variable; did you mean {meant}?"


def test_a_variable_that_resembles_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="HEADRACE_XYZZY: unknown environment variable; known: HEADRACE_CONFIG, "):
        load(environ={"HEADRACE_XYZZY": "1"})


def test_arguments_win_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    path = _file(tmp_path, {"telemetry": {"sampling_rate_pct": 1, "service": "file", "environment": "file"}})
    environ = {"HEADRACE_TELEMETRY__SERVICE": "env", "HEADRACE_TELEMETRY__SAMPLING_RATE_PCT": "2"}
    telemetry = load(path, {"telemetry": {"sampling_rate_pct": 3}}, environ).telemetry
    assert (telemetry.sampling_rate_pct, telemetry.service, telemetry.environment) == (3, "env", "file")


def test_sections_of_several_sources_are_merged_key_by_key(tmp_path: Path) -> None:
    path = _file(tmp_path, {"kafka": {"options": {"a": 1, "b": 1}}})
    kafka = load(path, {"kafka": {"options": {"c": 3}}}, {"HEADRACE_KAFKA__OPTIONS": '{"b": 2}'}).kafka
    assert kafka.options == {"a": 1, "b": 2, "c": 3}


def test_arguments_are_left_as_they_were() -> None:
    overrides = {"kafka": {"options": {"a": 1}}}
    load(overrides=overrides, environ={"HEADRACE_KAFKA__OPTIONS": '{"b": 2}'})
    assert overrides == {"kafka": {"options": {"a": 1}}}


def test_the_environment_names_the_file_and_a_path_given_wins_over_it(tmp_path: Path) -> None:
    path = _file(tmp_path, {"telemetry": {"sampling_rate_pct": 42}})
    assert load(environ={ENV_FILE: str(path)}).telemetry.sampling_rate_pct == 42
    assert load(DOCUMENT, environ={ENV_FILE: str(path)}).telemetry.sampling_rate_pct == 10
    assert load(environ={ENV_FILE: ""}) == Config()


def test_librdkafka_options_of_each_json_type_pass_through_unchanged(tmp_path: Path) -> None:
    options = {"linger.ms": 5, "compression.type": "zstd", "queue.buffering.backpressure.threshold": 1.5, "flag": True}
    loaded = load(_file(tmp_path, {"kafka": {"producer_options": options}}), environ={}).kafka.producer_options
    assert loaded == options
    assert [type(value) for value in loaded.values()] == [type(value) for value in options.values()]


def test_a_path_among_the_arguments_is_its_text(tmp_path: Path) -> None:
    assert load(overrides={"dataset": {"path": tmp_path}}, environ={}).dataset.path == os.fspath(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{\n  "telemetry": {,}\n}', ":2:17: not JSON: "),
        ("", ":1:1: not JSON: "),
        ('{"a": 1} x', ":1:10: not JSON: "),
        ("[1]", ": expected a JSON object with sections, found list"),
        ("null", ": expected a JSON object with sections, found NoneType"),
        ("[" * 10**5, ": no configuration: its nesting or a number in it has no end"),
        ('{"telemetry": ' + "1" * 5000 + "}", ": no configuration: its nesting or a number in it has no end"),
        (
            '{"telemetry": {"enabled": true, "enabled": false}}',
            ": enabled stands twice in one object; keep one of them",
        ),
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_is_no_json_object_is_one_line_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert str(caught.value).startswith(f"{path}{said}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line_with_its_path(tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe{}")
    for path, why in (
        (tmp_path / "missing.json", "cannot read the configuration (No such file or directory)"),
        (tmp_path, "cannot read the configuration (Is a directory)"),
        (binary, "the configuration is not UTF-8 text"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(environ={ENV_FILE: str(path)})
        assert str(caught.value) == f"{path}: {why}"


def test_an_empty_path_is_no_file_rather_than_the_defaults() -> None:
    with pytest.raises(ConfigError):
        load("", environ={})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_SECTIONS = st.sampled_from([*sorted(Config.model_fields), "other"])
_KEYS = st.sampled_from(["enabled", "options", "default", "signatures", "fields", "path", "kinds", "rotation", "a\nb"])


@given(st.dictionaries(_SECTIONS, _JSON | st.dictionaries(_KEYS, _JSON, max_size=2), max_size=3))
def test_any_values_are_a_configuration_or_one_line(values: dict[str, Any]) -> None:
    try:
        load(overrides=values, environ={})
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017  # few values are a configuration
