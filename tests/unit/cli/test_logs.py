"""Logs: structlog's and the standard library's lines come out alike."""

import io
import json
import logging
import sys

import pytest
import structlog

from headrace_consumers import logs
from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_from_both_libraries_have_the_same_shape():
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    structlog.get_logger("ours").info("progress", consumed=5)
    logging.getLogger("theirs").warning("slow %s", "disk", extra={"seconds": 3})
    ours, theirs = lines(stream)
    assert (ours["event"], ours["consumed"], ours["level"], ours["logger"]) == ("progress", 5, "info", "ours")
    assert (theirs["event"], theirs["seconds"], theirs["level"], theirs["logger"]) == (
        "slow disk",
        3,
        "warning",
        "theirs",
    )
    assert str(ours["timestamp"]).endswith("Z")


def test_auto_is_json_where_nobody_watches():
    stream = io.StringIO()
    logs.configure("auto", "info", stream)
    structlog.get_logger().info("hello")
    assert lines(stream)[0]["event"] == "hello"


def test_text_is_for_people():
    stream = io.StringIO()
    logs.configure("text", "info", stream)
    structlog.get_logger().info("hello", number=7)
    assert "hello" in stream.getvalue()
    assert "number=7" in stream.getvalue()


@pytest.mark.parametrize("library", ["structlog", "logging"])
def test_the_level_holds_for_both(library):
    stream = io.StringIO()
    logs.configure("json", "warning", stream)
    logger = structlog.get_logger("x") if library == "structlog" else logging.getLogger("x")
    logger.info("quiet")
    logger.warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_an_exception_is_one_json_line_with_its_traceback():
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    try:
        int("no")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(stream)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_without_a_stream_it_is_whatever_stderr_is_when_a_line_is_written(monkeypatch):
    logs.configure("json", "info")
    later = io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    structlog.get_logger().info("late")
    assert lines(later)[0]["event"] == "late"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_dead_letter_is_told_with_its_partition_offset_and_reason_and_without_its_content(tmp_path, log_format):
    stream = io.StringIO()
    path = CommitPath(tmp_path)
    logs.configure(log_format, "info", stream)
    path.commit([message_of(interaction(1), 0), message_of(b"\xc3\x01 somebody's words", 1, key=b"0" * 64)])
    path.close()
    (line,) = [line for line in stream.getvalue().splitlines() if "dead letter" in line]
    if log_format == "json":
        told = json.loads(line)
        assert (told["topic"], told["partition"], told["offset"]) == ("interactions", 0, 1)
        assert told["reason"] == "unknown_schema"
    else:
        assert all(text in line for text in ("topic=interactions", "partition=0", "offset=1", "reason=unknown_schema"))
    assert "words" not in stream.getvalue()
