import json
import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.config import load, shown
from headrace.errors import ConfigError

_KINDS = "'email', 'phone', 'card', 'iban', 'ip', 'secret' or 'private_key'"
_NAME = "'^[A-Za-z0-9_.-]{1,128}$'"


def _line(**overrides: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(overrides=overrides, environ={})
    line = str(caught.value)
    assert "\n" not in line
    text, _, origin = line.rpartition(" [from ")
    assert origin == "defaults, arguments]"
    return text


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        # An unknown key, with the nearest valid one.
        ({"telemtry": {}}, "telemtry: unknown key; did you mean telemetry?"),
        (
            {"telemetry": {"sampling_rate": 5}},
            "telemetry.sampling_rate: unknown key; did you mean telemetry.sampling_rate_pct?",
        ),
        (
            {"filters": {"signatures": {"path": {"max_latency": 5}}}},
            "filters.signatures.path.max_latency: unknown key; did you mean filters.signatures.path.max_latency_ms?",
        ),
        (
            {"redaction": {"zzz": 1}},
            "redaction.zzz: unknown key; known: kinds, pseudonym_key, redactor_timeout_s, signatures",
        ),
        (
            {"redaction": {"a\nb": 1}},
            r"redaction.a\nb: unknown key; known: kinds, pseudonym_key, redactor_timeout_s, signatures",
        ),
        # A typo explains the rest, so it comes first.
        (
            {"telemetry": {"enabled": 1, "enabledd": True}},
            "telemetry.enabledd: unknown key; did you mean telemetry.enabled? (and 1 more)",
        ),
        # A wrong type.
        ({"telemetry": {"enabled": "yes"}}, 'telemetry.enabled: found "yes", expected boolean'),
        ({"telemetry": {"enabled": 1}}, "telemetry.enabled: found 1, expected boolean"),
        ({"telemetry": {"sampling_rate_pct": "10"}}, 'telemetry.sampling_rate_pct: found "10", expected number'),
        ({"telemetry": {"sampling_rate_pct": True}}, "telemetry.sampling_rate_pct: found true, expected number"),
        ({"telemetry": {"queue_max_records": 1.5}}, "telemetry.queue_max_records: found 1.5, expected integer"),
        ({"telemetry": 5}, "telemetry: found 5, expected an object"),
        ({"telemetry": None}, "telemetry: found null, expected an object"),
        (
            {"dedup": {"signatures": {"S": {"fields": "a"}}}},
            "dedup.signatures.S.fields: found a string, expected array",
        ),
        ({"kafka": {"options": {"a": None}}}, "kafka.options.a: found null, expected a string, number or boolean"),
        ({"kafka": {"options": {"a": [1]}}}, "kafka.options.a: found an array, expected a string, number or boolean"),
        # An impossible value.
        (
            {"telemetry": {"sampling_rate_pct": 100.5}},
            "telemetry.sampling_rate_pct: found 100.5, expected less than or equal to 100",
        ),
        (
            {"telemetry": {"sampling_rate_pct": -1}},
            "telemetry.sampling_rate_pct: found -1, expected greater than or equal to 0",
        ),
        ({"dataset": {"commit_interval_s": 0}}, "dataset.commit_interval_s: found 0, expected greater than 0"),
        (
            {"dataset": {"commit_interval_s": math.inf}},
            "dataset.commit_interval_s: found Infinity, expected a finite number",
        ),
        (
            {"telemetry": {"rotation": {"compression": "zip"}}},
            "telemetry.rotation.compression: found \"zip\", expected 'gzip' or 'none'",
        ),
        (
            {"optimization": {"schedule": "daily"}},
            "optimization.schedule: found \"daily\", expected 'monthly' or 'weekly'",
        ),
        ({"telemetry": {"service": "a b"}}, f'telemetry.service: found "a b", expected text that matches {_NAME}'),
        (
            {"redaction": {"kinds": ["email", "emial"]}},
            f'redaction.kinds.1: found "emial", expected {_KINDS}',
        ),
        (
            {"kafka": {"bootstrap_servers": ""}},
            'kafka.bootstrap_servers: found "", expected a text that is not empty',
        ),
        (
            {"kafka": {"topics": {"interactions": "a/b"}}},
            "kafka.topics.interactions: found \"a/b\", expected text that matches '^[A-Za-z0-9._-]{1,249}$'",
        ),
        (
            {"kafka": {"topics": {"interactions": "t", "dead_letters": "t"}}},
            "kafka.topics: interactions and dead_letters name one topic; they must differ",
        ),
        (
            {"dataset": {"commit_interval_s": 3001, "maintenance": {"keep_replaced_h": 2}}},
            (
                "dataset: commit_interval_s + give_up_after_s is 3601 s, expected at most half of "
                "maintenance.keep_replaced_h (3600 s): another member would remove files not yet committed"
            ),
        ),
        (
            {"dedup": {"signatures": {"S": {"ignore_case": 1}}}},
            "dedup.signatures.S.ignore_case: found 1, expected boolean",
        ),
        (
            {"dedup": {"signatures": {"S": {"fields": []}}}},
            "dedup.signatures.S.fields: found [], expected at least 1 item(s)",
        ),
        # Several mistakes: the first, and how many keys more.
        (
            {"telemetry": {"enabled": 1, "service": 2}, "kafka": {"options": {"a": None}}},
            "telemetry.enabled: found 1, expected boolean (and 2 more)",
        ),
        (
            {"telemetry": {"service": "x" * 200}},
            f'telemetry.service: found "{"x" * 59}..., expected text that matches {_NAME}',
        ),
    ],
)
def test_each_mistake_is_one_line_with_key_found_expected_and_nearest(overrides: dict[str, Any], line: str) -> None:
    assert _line(**overrides) == line


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            {"telemetry": {"service": object()}},
            "telemetry.service: found a value of type object, expected a JSON value",
        ),
        (
            {"telemetry": {"log_file_path": b"x"}},
            "telemetry.log_file_path: found a value of type bytes, expected a JSON value",
        ),
        ({"telemetry": {1: 2}}, "telemetry: found a key of type int, expected text"),
        (
            {"telemetry": {"queue_max_records": 10**5000}},
            "telemetry.queue_max_records: found a number of more than 64 bits, expected a JSON value",
        ),
        (
            {"telemetry": {"service": "\ud800"}},
            "telemetry.service: found half a surrogate pair, expected text that UTF-8 can hold",
        ),
    ],
    ids=["object", "bytes", "key", "number", "surrogate"],
)
def test_an_argument_that_json_cannot_hold_is_named_by_its_key(overrides: dict[Any, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides=overrides, environ={})
    assert str(caught.value) == line


def test_an_argument_that_contains_itself_is_one_line() -> None:
    bomb: dict[str, Any] = {}
    bomb["x"] = bomb
    with pytest.raises(ConfigError, match="below 20 levels, expected a JSON value"):
        load(overrides={"telemetry": bomb}, environ={})


def test_the_line_says_where_the_value_came_from_in_order_of_precedence() -> None:
    environ = {"HEADRACE_TELEMETRY__SERVICE": "5", "HEADRACE_DATASET__PATH": "x"}
    with pytest.raises(ConfigError) as caught:
        load(overrides={"telemetry": {"enabled": True}}, environ=environ)
    assert str(caught.value) == (
        "telemetry.service: found 5, expected string "
        "[from defaults, HEADRACE_DATASET__PATH, HEADRACE_TELEMETRY__SERVICE, arguments]"
    )


# Names as librdkafka, delta-rs and their stores spell them.
_SECRET_NAMES = [
    *("sasl.password", "ssl.key.password", "ssl.key.pem", "ssl_key", "ssl.keystore.password"),
    *("sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "sasl.oauthbearer.assertion.private.key.pem"),
    *("sasl.oauthbearer.assertion.private.key.passphrase", "sasl.jaas.config", "enable.sasl.oauthbearer.unsecure.jwt"),
    *("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "aws_access_key_id", "aws_session_token", "AccountKey"),
    *("azure_storage_account_key", "azure_storage_sas_key", "sas_token", "azure_client_secret", "connection_string"),
    *("google_service_account_key", "google_application_credentials", "bearer_token", "Authorization", "api-key"),
]
_SECRET_WORDS = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "bearer",
    "api_key",
    "private.key",
]
_AFFIX = st.from_regex(r"([a-z0-9]{1,8}[._-])?", fullmatch=True)
_SECRET_KEYS = st.sampled_from(_SECRET_NAMES) | st.builds(
    "{}{}{}".format, _AFFIX, st.sampled_from(_SECRET_WORDS), st.from_regex(r"([._-][a-z0-9]{1,8})?", fullmatch=True)
)
_VALUES = st.from_regex(r"[a-zA-Z0-9]{12,60}", fullmatch=True).filter(lambda value: not value.isdigit())
_SECTIONS = st.sampled_from(
    [("kafka", "options"), ("kafka", "producer_options"), ("kafka", "consumer_options"), ("dataset", "storage_options")]
)


@given(_SECTIONS, _SECRET_KEYS, _VALUES)
def test_a_configuration_is_shown_without_its_secrets(where: tuple[str, str], key: str, value: str) -> None:
    section, options = where
    config = load(overrides={section: {options: {key: value, "plain.option": "public"}}}, environ={})
    text = json.dumps(shown(config))
    assert value not in text
    assert shown(config)[section][options] == {key: "********", "plain.option": "public"}


@given(_SECTIONS, _SECRET_KEYS, _VALUES, st.integers(0, 8))
def test_no_mistake_around_a_secret_shows_it(where: tuple[str, str], key: str, value: str, mistake: int) -> None:
    section, options = where
    mistakes: list[dict[str, Any]] = [
        {section: {options: {key: [value]}}},
        {section: {options: {key: {"x": value}}}},
        {section: {options: [key, value]}},
        {section: {options: f"{key}={value}"}},
        {section: {options: json.dumps({key: value})[:-1]}},
        {section: f"{key}={value}"},
        {section: {options: {"nested": {key: value}}}},
        {section: {key: value}},
        {"telemetry": {options: {key: value}}},
    ]
    assume(value not in key)
    with pytest.raises(ConfigError) as caught:
        load(overrides=mistakes[mistake], environ={})
    assert value not in str(caught.value)
    assert caught.value.__cause__ is None


_KEY = "3Yk0Vt5oJc2d8mQ1r7xS9uB4wE6aF0gHiLnPzTsKqXo="


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"encryption": {"write_key": "a", "keys": {"a": _KEY}, "dedup_key": "env:DEDUP"}}, "encryption.keys.a"),
        ({"encryption": {"dedup_key": _KEY}}, "encryption.dedup_key"),
        ({"redaction": {"pseudonym_key": _KEY}}, "redaction.pseudonym_key"),
    ],
)
def test_a_key_in_the_place_of_its_reference_is_not_shown(sections: dict[str, Any], key: str) -> None:
    assert _line(**sections) == f"{key}: found ********, expected where the key is: env:NAME or file:PATH"


def test_a_key_in_the_place_of_its_id_is_not_shown() -> None:
    as_hex = "ab" * 32
    encryption = {"write_key": as_hex, "keys": {"a": "env:A"}, "dedup_key": "env:DEDUP"}
    assert as_hex not in _line(encryption=encryption)


def test_where_keys_are_is_no_secret() -> None:
    sections = {
        "encryption": {"write_key": "a", "keys": {"a": "file:/run/a"}, "dedup_key": "env:DEDUP"},
        "redaction": {"pseudonym_key": "env:PSEUDONYMS"},
    }
    config = load(overrides=sections, environ={})
    assert shown(config) == config.model_dump(mode="json")


def test_broken_json_in_a_variable_does_not_show_the_secret_in_it() -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={"HEADRACE_KAFKA__OPTIONS": '{"sasl.password": "hunter2"'})
    assert str(caught.value) == (
        "kafka.options: found a string, expected an object [from defaults, HEADRACE_KAFKA__OPTIONS]"
    )


def test_the_user_and_password_of_a_url_are_masked() -> None:
    url = "http://user:hunter2@proxy:3128/x"
    config = load(overrides={"dataset": {"storage_options": {"proxy_url": url}}}, environ={})
    assert shown(config)["dataset"]["storage_options"] == {"proxy_url": "http://********@proxy:3128/x"}
    assert _line(telemetry={"environment": url}).startswith(
        'telemetry.environment: found "http://********@proxy:3128/x"'
    )


def test_a_configuration_without_secrets_is_shown_as_it_is() -> None:
    config = load(environ={})
    assert shown(config) == config.model_dump(mode="json")
