"""How often a row's key came, and what was said of it, beside the rows that are shown."""

import json
from contextlib import closing

import pytest

from headrace.config import load
from headrace_consumers.cli.versions_tables import opened_tables
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.feedback.commit import FeedbackCommitter
from headrace_consumers.dataset.feedback.decode import FeedbackDecoder
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.landing import Landing
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.sightings_table import SightingsTable
from headrace_schemas import keys
from headrace_schemas.topics import REQUEST_HEADER
from tests.support.committing import CommitPath
from tests.support.interactions import NOW_MS, MemoryDeadLetters, interaction
from tests.support.interactions import message_of as interaction_message
from tests.unit.consumers.feedback.records import feedback, message_of

SOURCE = Source("topic", "id", 1)
SIGNATURE = interaction()["signature"]


@pytest.fixture
def config(config_file, tmp_path):
    """Two rows, "why" and "how"."""
    with closing(CommitPath(tmp_path)) as path:
        path.commit(
            [
                interaction_message(interaction(question, request_id=f"r-{question}", module_name="support"), offset)
                for offset, question in enumerate(["why", "how"])
            ]
        )
    return config_file({"dataset": {"path": str(tmp_path / "table")}})


def sight(folder, question, *request_ids):
    key = interaction(question)["dedup_key"].encode()
    copies = [
        Message(0, offset, key, b"v", NOW_MS, ((REQUEST_HEADER, keys.request_id_hash(request_id)),))
        for offset, request_id in enumerate(request_ids, 10)
    ]
    with closing(InteractionTable(folder / "table-sightings", SIGHTINGS)) as table:
        SightingsTable(table, SOURCE).add(Messages.of(copies), {0: 100})


def give(folder, *records, name="table-feedback"):
    with closing(InteractionTable(folder / name, FEEDBACK)) as table:
        landing = Landing(source=SOURCE, table=table, dead_letters=MemoryDeadLetters(), report_offsets=lambda _: None)
        messages = [message_of(record, offset) for offset, record in enumerate(records)]
        FeedbackCommitter(landing, SOURCE, FeedbackDecoder()).commit(messages, {0: None})


def shown(command, config):
    command("--version")  # takes up what the consumers have logged so far
    rows = command("dataset", "show", "-s", SIGNATURE, "--config", config, "--json").json
    return {row["input"]["question"]: row for row in rows}


def test_without_tables_beside_it_nothing_is_said(command, config):
    assert not {"seen", "feedback"} & shown(command, config)["why"].keys()


def test_a_row_tells_how_often_its_key_came(command, config, tmp_path):
    sight(tmp_path, "why", "r-2", "r-3")
    assert {question: row["seen"] for question, row in shown(command, config).items()} == {"why": 3, "how": 1}


def test_feedback_on_the_row_and_on_its_copies_is_told_the_oldest_first(command, config, tmp_path):
    sight(tmp_path, "why", "r-2")
    give(
        tmp_path,
        feedback(feedback_id="f-2", request_id="r-2", timestamp_ms=NOW_MS, correction='{"answer":"so"}', comment=None),
        feedback(feedback_id="f-1", request_id="r-why", timestamp_ms=NOW_MS - 5, score=0.25, correction=None),
        feedback(feedback_id="f-3", request_id="r-why", module_name="another"),
        feedback(feedback_id="f-4", request_id="r-of-nobody"),
    )
    rows = shown(command, config)
    assert rows["how"]["feedback"] == []
    first, second = rows["why"]["feedback"]
    assert (first["score"], first["label"], first["comment"], first["to_a_copy"]) == (0.25, "thumbs_up", "good", False)
    assert (second["correction"], second["request_id"], second["to_a_copy"]) == ({"answer": "so"}, "r-2", True)


def test_feedback_alone_is_told_too_and_people_get_a_line_for_each(command, config, tmp_path):
    give(tmp_path, feedback(request_id="r-why", score=0.5, label=None, module_name=None))
    assert "seen" not in shown(command, config)["why"]
    command("--version")
    lines = command("dataset", "show", "-s", SIGNATURE, "--config", config).out.splitlines()
    (line,) = [line for line in lines if line.startswith("feedback")]
    said = 'score 0.5; comment good; correction {"answer": "blue"}; '
    assert line.split(None, 1)[1].startswith(said)
    assert "feedback" in {line.split()[0] for line in lines if line}


def test_feedback_that_was_kept_elsewhere_is_found(command, config_file, config, tmp_path):
    give(tmp_path, feedback(request_id="r-why", module_name=None), name="said")
    assert "feedback" not in shown(command, config)["why"]
    kept = {"path": str(tmp_path / "table"), "feedback_path": str(tmp_path / "said")}
    (said,) = shown(command, config_file({"dataset": kept}))["why"]["feedback"]
    assert said["score"] == feedback()["score"]
    with opened_tables(load(None, {"dataset": kept}, {})) as tables:  # what a cut joins
        assert tables.feedback is not None


def test_a_damaged_table_beside_it_is_one_line(command, config, tmp_path):
    sight(tmp_path, "why", "r-2")
    (log,) = (tmp_path / "table-sightings" / "_delta_log").glob("*1.json")
    log.write_text(json.dumps({"add": "nonsense"}))
    command("--version")
    ended = command("dataset", "show", "-s", SIGNATURE, "--config", config)
    assert ended.code == 1
    assert "table-sightings: cannot read the table" in ended.error
