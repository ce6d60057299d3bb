"""The .avsc files are the contract: its promises to readers, and Python's view of it."""

import io
import json
import types
import typing
from collections.abc import Iterator
from importlib import resources
from typing import Any, Union

import fastavro
import pytest

from headrace_schemas import (
    CallStatistics,
    Control,
    Count,
    DeadLetter,
    Feedback,
    Header,
    Interaction,
    Statistics,
    UsageStatistics,
    latency,
    names,
    topics,
)
from headrace_schemas.codec import MARKER, interaction_codec, statistics_codec
from headrace_schemas.registry import CURRENT, fingerprint_of
from headrace_schemas.vectors import EXAMPLE
from tests.support.statistics import call_statistics
from tests.support.statistics import record as statistics_record

_PYTHON = {"string": str, "bytes": bytes, "long": int, "int": int, "double": float, "boolean": bool}
_NESTED = {"Header": Header, "Count": Count, "CallStatistics": CallStatistics, "UsageStatistics": UsageStatistics}
_OF_THE_DOCUMENT = {
    *("module_name", "module_version", "signature", "input", "output", "timestamp_ms", "latency_ms", "tokens"),
    *("cost_usd", "model", "success", "error"),
}
_ADDED = {
    *("event_id", "parent_event_id", "request_id", "subject_id", "trace_id", "service", "environment", "instance"),
    "span_id",
    *("fields_hash", "program_hash", "tokens_input", "tokens_output", "lm_calls", "cache_hits", "error_type"),
    *("inclusion_probability", "capture_level", "keep_reason", "redaction_version", "redactions", "truncated"),
    *("dedup_key", "dedup_policy", "attributes"),
}


def _schema(file: str) -> dict[str, Any]:
    text = (resources.files("headrace_schemas") / "avro" / file).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _python_type(avro: Any) -> Any:
    if isinstance(avro, list):
        assert avro[0] == "null"
        return Union[_python_type(avro[1]), None]  # noqa: UP007  # built at run time
    if isinstance(avro, dict):
        return list[_python_type(avro["items"])] if avro["type"] == "array" else _NESTED[avro["name"]]
    return _PYTHON[avro] if avro in _PYTHON else _NESTED[avro]


def _same_type(hint: Any) -> Any:
    return Union[hint.__args__] if isinstance(hint, types.UnionType) else hint  # noqa: UP007  # likewise


def test_the_fields_are_those_that_the_document_and_the_project_name() -> None:
    assert {field["name"] for field in _schema("interaction.v1.avsc")["fields"]} == _OF_THE_DOCUMENT | _ADDED


@pytest.mark.parametrize(
    ("record", "file"),
    [
        (Interaction, "interaction.v1.avsc"),
        (DeadLetter, "deadletter.v1.avsc"),
        (Statistics, "statistics.v1.avsc"),
        (Feedback, "feedback.v1.avsc"),
        (Control, "control.v1.avsc"),
    ],
)
def test_the_typed_dicts_have_the_schemas_fields_in_order_and_type(record: type, file: str) -> None:
    hints = {name: _same_type(hint) for name, hint in typing.get_type_hints(record).items()}
    fields = _schema(file)["fields"]
    assert list(hints) == [field["name"] for field in fields]
    assert hints == {field["name"]: _python_type(field["type"]) for field in fields}


def _inner_records(avro: Any) -> Iterator[dict[str, Any]]:
    """Yield the records defined inside a type, as they stand in the file."""
    if isinstance(avro, dict) and avro["type"] == "array":
        yield from _inner_records(avro["items"])
    elif isinstance(avro, dict):
        yield avro
        for field in avro["fields"]:
            yield from _inner_records(field["type"])


@pytest.mark.parametrize("file", CURRENT.values())
def test_the_records_inside_are_what_python_sees(file: str) -> None:
    for record in list(_inner_records(_schema(file)))[1:]:
        hints = {name: _same_type(hint) for name, hint in typing.get_type_hints(_NESTED[record["name"]]).items()}
        assert hints == {field["name"]: _python_type(field["type"]) for field in record["fields"]}


def test_the_histograms_bounds_are_those_of_the_schema() -> None:
    (calls,) = (f["type"]["items"] for f in _schema("statistics.v1.avsc")["fields"] if f["name"] == "calls")
    (counts,) = (field for field in calls["fields"] if field["name"] == "latency_counts")
    assert tuple(counts["bounds_s"]) == latency.BOUNDS_S


def test_records_of_the_first_release_are_still_read() -> None:
    older = _schema("interaction.v1.0.avsc")
    without = {name: value for name, value in EXAMPLE.items() if name != "span_id"}
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(older), without, strict=True)
    message = MARKER + fingerprint_of(older) + buffer.getvalue()
    assert interaction_codec().decode(message) == EXAMPLE


def test_statistics_of_the_first_release_are_still_read() -> None:
    older = _schema("statistics.v1.0.avsc")
    now = statistics_record(spooled=3, sampled=3, spool_bytes=0)
    without = {name: value for name, value in now.items() if name not in {"spool_bytes", "program_failures"}}
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(older), without, strict=True)
    message = MARKER + fingerprint_of(older) + buffer.getvalue()
    assert statistics_codec().decode(message) == now


def test_statistics_without_arms_are_still_read() -> None:
    older = _schema("statistics.v1.1.avsc")
    now = statistics_record([call_statistics([0.5, 2.0])])
    without = {name: value for name, value in now.items() if name != "program_failures"}
    added = {"arm", "rollout_id", "stage"}
    without["calls"] = [{name: each[name] for name in each if name not in added} for each in now["calls"]]
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(older), without, strict=True)
    message = MARKER + fingerprint_of(older) + buffer.getvalue()
    assert statistics_codec().decode(message) == now


def test_statistics_with_arms_read_back() -> None:
    routed = call_statistics([0.5], arm="candidate", rollout_id="r1", stage=2, module_version="v2")
    now = statistics_record([routed], program_failures=[{"name": "missing", "count": 1}])
    assert statistics_codec().decode(statistics_codec().encode(now)) == now


def test_the_interaction_is_flat_so_that_a_columnar_reader_can_decode_it() -> None:
    plain = {"string", "long", "double", "boolean"}
    for field in _schema("interaction.v1.avsc")["fields"]:
        kind = field["type"]
        if isinstance(kind, list):  # no union but [null, T], null first, so that null can be the default
            null, kind = kind
            assert (null, field["default"]) == ("null", None), field["name"]
        assert kind in plain, field["name"]


@pytest.mark.parametrize("name", CURRENT)
def test_each_schema_has_the_name_it_is_registered_under(name: str) -> None:
    schema = _schema(CURRENT[name])
    assert f"{schema['namespace']}.{schema['name']}" == name
    assert len({field["name"] for field in schema["fields"]}) == len(schema["fields"])


def test_what_identifies_a_record_has_no_default() -> None:
    required = {field["name"] for field in _schema("interaction.v1.avsc")["fields"] if "default" not in field}
    assert required == {
        *("event_id", "request_id", "module_name", "signature", "input", "output", "timestamp_ms", "success"),
        "dedup_key",
    }


def test_the_example_has_every_field_in_order() -> None:
    assert list(EXAMPLE) == [field["name"] for field in _schema("interaction.v1.avsc")["fields"]]


def test_topics_have_names_that_kafka_takes_and_interactions_the_brokers_clock() -> None:
    by_name = {spec.name: spec for spec in topics.TOPICS}
    assert set(by_name) == {
        *(topics.INTERACTIONS, topics.DEAD_LETTERS, topics.STATISTICS, topics.FEEDBACK, topics.CONTROL),
        topics.ROLLOUT,
    }
    assert all(map(names.is_valid_name, by_name))
    for name in (topics.INTERACTIONS, topics.FEEDBACK, topics.STATISTICS):
        assert by_name[name].config["message.timestamp.type"] == "LogAppendTime"
    compacted = [spec.name for spec in topics.TOPICS if spec.config["cleanup.policy"] == "compact"]
    assert compacted == [topics.CONTROL, topics.ROLLOUT]
    assert by_name[topics.CONTROL].partitions == by_name[topics.ROLLOUT].partitions == 1
