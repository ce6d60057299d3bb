import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given

from headrace_schemas import (
    Interaction,
    Registry,
    SchemaError,
    UndecodableError,
    UnknownSchemaError,
    interaction_codec,
)
from headrace_schemas.registry import fingerprint_of
from headrace_schemas.vectors import EXAMPLE
from tests.unit.schemas.values import records

_SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"
OLDER, NEWER = _SCHEMAS / "interaction.older.avsc", _SCHEMAS / "interaction.newer.avsc"


def _schema(path: Path) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def _message(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    """Return a message as a producer of that schema writes it, by fastavro alone."""
    buffer = io.BytesIO(b"\xc3\x01" + fingerprint_of(schema))
    buffer.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), record, strict=True)
    return buffer.getvalue()


def _defaults() -> dict[str, Any]:
    fields = Registry().current("headrace.v1.Interaction")["fields"]
    return {field["name"]: field["default"] for field in fields if "default" in field}


@given(records(_schema(OLDER)))
def test_an_older_record_is_read_with_the_defaults_of_what_it_lacks(record: dict[str, Any]) -> None:
    message = _message(_schema(OLDER), record)
    assert interaction_codec(Registry([OLDER])).decode(message) == {**_defaults(), **record}


@given(records(_schema(NEWER)))
def test_a_newer_record_is_read_without_what_this_release_does_not_know(record: dict[str, Any]) -> None:
    message = _message(_schema(NEWER), record)
    known = {name: value for name, value in record.items() if name not in {"session_id", "steps"}}
    assert len(known) == len(EXAMPLE)
    assert interaction_codec(Registry([NEWER])).decode(message) == known


@pytest.mark.parametrize("given_as", [[OLDER, NEWER], [_SCHEMAS]])
def test_files_and_folders_of_schemas_are_taken(given_as: list[Path]) -> None:
    registry = Registry(given_as)
    for path in (OLDER, NEWER):
        schema = registry.by_fingerprint(fingerprint_of(_schema(path)))
        assert schema is not None
        assert len(schema["fields"]) == len(_schema(path)["fields"])


def test_what_this_release_writes_does_not_change_with_the_schemas_it_is_given() -> None:
    assert interaction_codec(Registry([_SCHEMAS])).encode(EXAMPLE) == interaction_codec().encode(EXAMPLE)


def test_a_newer_record_is_an_unknown_schema_until_its_file_is_given() -> None:
    newer: dict[str, Any] = {**EXAMPLE, "session_id": None, "steps": [1, 2]}
    message = _message(_schema(NEWER), newer)
    fingerprint = fingerprint_of(_schema(NEWER)).hex()
    with pytest.raises(UnknownSchemaError, match=rf"{fingerprint}; give the producer's schema file in schemas\.path"):
        interaction_codec().decode(message)
    assert interaction_codec(Registry([NEWER])).decode(message) == EXAMPLE


def _written_to(folder: Path, schema: Any) -> Path:
    path = folder / "other.avsc"
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema), encoding="utf-8")
    return path


def test_a_schema_of_another_record_is_not_read_as_this_one(tmp_path: Path) -> None:
    other = {**_schema(NEWER), "name": "Feedback"}
    codec = interaction_codec(Registry([_written_to(tmp_path, other)]))
    with pytest.raises(UnknownSchemaError):
        codec.decode(_message(other, {**EXAMPLE, "session_id": None, "steps": []}))


def test_a_record_that_lacks_a_required_field_is_undecodable_not_made_up(tmp_path: Path) -> None:
    schema = _schema(OLDER)
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "success"]
    record = {field["name"]: EXAMPLE[field["name"]] for field in schema["fields"]}  # type: ignore[literal-required]
    codec = interaction_codec(Registry([_written_to(tmp_path, schema)]))
    with pytest.raises(UndecodableError):
        codec.decode(_message(schema, record))


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '"string"', "[" * 10**5, '{"type": "enum", "name": "E", "symbols": ["A"]}'),
        *('{"type": "record"}', '{"type": "record", "name": "R"}', '{"type": "record", "name": "R", "fields": 1}'),
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "nonsense"}]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a"}]}',
        '{"type": "record", "name": "R", "fields": ["a"]}',
    ],
    ids=lambda content: content[:30],
)
def test_a_file_that_is_no_record_schema_is_one_line_with_its_path(tmp_path: Path, content: str) -> None:
    path = _written_to(tmp_path, content)
    with pytest.raises(SchemaError) as caught:
        Registry([path])
    assert str(caught.value).startswith(f"{path}: not an Avro")
    assert "schemas.path" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_without_schemas_and_binary_are_one_line_with_the_path(tmp_path: Path) -> None:
    binary = tmp_path / "binary.avsc"
    binary.write_bytes(b"\xff\xfe")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (tmp_path / "missing.avsc", empty, binary):
        with pytest.raises(SchemaError, match=r"schemas\.path") as caught:
            Registry([path])
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_the_current_record_is_a_typed_dict_for_type_checkers() -> None:
    decoded: Interaction = interaction_codec().decode(interaction_codec().encode(EXAMPLE))
    assert decoded["event_id"] == EXAMPLE["event_id"]
