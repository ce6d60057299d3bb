"""Secrets of the Kafka clients: fetched from where the configuration says, never shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from headrace.client_options import client_options, open_secrets
from headrace.config import load, shown
from headrace.errors import ConfigError

PASSWORD = "a-secret-that-no-message-may-show"


def kafka_of(**kafka: Any) -> Any:
    return load(None, {"kafka": kafka}, {}).kafka


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "password"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_secrets_come_from_files_and_variables_and_the_line_end_of_an_editor_is_none_of_them(tmp_path: Path) -> None:
    path = secret_file(tmp_path, f"{PASSWORD} \n".encode())
    kafka = kafka_of(
        options={"security.protocol": "SASL_SSL"},
        secret_options={"sasl.password": f"file:{path}", "ssl.key.password": "env:KEY_PASSWORD"},
    )
    assert client_options(kafka, {"KEY_PASSWORD": "b"}) == {
        "security.protocol": "SASL_SSL",
        "sasl.password": f"{PASSWORD} ",
        "ssl.key.password": "b",
    }
    path.write_text("the next one\n")
    assert client_options(kafka, {"KEY_PASSWORD": "b"})["sasl.password"] == "the next one"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (PASSWORD.encode() * 3000, "is larger than 65536 bytes"),
        (None, "(No such file or directory)"),
    ],
)
def test_a_file_that_holds_no_secret_is_one_line_without_its_content(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "password" if content is None else secret_file(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        client_options(kafka_of(secret_options={"sasl.password": f"file:{path}"}), {})
    assert str(caught.value).startswith("kafka.secret_options.sasl.password: ")
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("environ", [{}, {"KAFKA_PASSWORD": ""}])
def test_a_variable_that_is_not_set_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"sasl\.password: the environment variable KAFKA_PASSWORD is not set"):
        client_options(kafka_of(secret_options={"sasl.password": "env:KAFKA_PASSWORD"}), environ)


def test_a_password_where_its_place_belongs_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        kafka_of(secret_options={"sasl.password": PASSWORD})
    assert "kafka.secret_options.sasl.password: found ********, expected where the key is" in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("section", ["options", "producer_options", "consumer_options"])
def test_an_option_stands_once(section: str) -> None:
    with pytest.raises(ConfigError, match=f"sasl.password stands in kafka.{section} too; keep one of them"):
        kafka_of(secret_options={"sasl.password": "env:A"}, **{section: {"sasl.password": "b"}})


def test_the_shown_configuration_has_the_places_and_no_passwords() -> None:
    values = {"kafka": {"options": {"sasl.password": PASSWORD}, "secret_options": {"ssl.key.password": "file:/run/k"}}}
    found = shown(load(None, values, {}))
    assert found["kafka"]["secret_options"] == {"ssl.key.password": "file:/run/k"}
    assert PASSWORD not in json.dumps(found)


@pytest.mark.parametrize(("mode", "lines"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)])
def test_a_file_that_everybody_may_read_is_told_of(tmp_path: Path, mode: int, lines: int) -> None:
    path = secret_file(tmp_path, b"x", mode)
    kafka = kafka_of(secret_options={"sasl.password": f"file:{path}", "ssl.key.password": "env:A"})
    assert (
        list(open_secrets(kafka))
        == [f"kafka.secret_options.sasl.password: everybody on this host may read {path} (mode {mode:o}); chmod o-r"]
        * lines
    )
