"""`headrace ui` on a real Kafka, a table and a version that the deployed commands made of it, in a real browser."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from html import unescape

import pytest
from confluent_kafka import Producer

from headrace_consumers.rollout.state import entry_message, state_message
from headrace_schemas import statistics_codec
from tests.support import chromium
from tests.support.dataset_job import DatasetJob
from tests.support.interactions import interaction, message_of
from tests.support.kafka_settings import quiet_client
from tests.support.statistics import NOW_MS, call_statistics, record
from tests.support.ui_loop import decisions
from tests.support.ui_world import ATTACKS, headrace

SIGNATURE = "ClassifyTicket"
SECRET = "words of somebody"
RUBBISH = f"<script>document.title='owned'</script> {SECRET}".encode()


class Ui:
    """A running `headrace ui`."""

    def __init__(self, job, log):
        command = [
            sys.executable,
            "-m",
            "headrace_consumers.cli",
            "ui",
            "--port",
            "0",
            "--config",
            str(job.config_path),
        ]
        self.topic = job.topic
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, env=os.environ, text=True)
        self.address = self.process.stdout.readline().strip().removesuffix("/")

    def get(self, path):
        """Return the text of a page."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=120) as answer:
                html = answer.read().decode()
        except urllib.error.HTTPError as error:
            html = error.read().decode()
        self.links = [unescape(each) for each in re.findall(r'href="(/[^"]*)"', html)]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.fixture(scope="module")
def ui(kafka, tmp_path_factory):
    """Traffic with attacks in it, rubbish and statistics; consumed, cut, and shown."""
    folder = tmp_path_factory.mktemp("ui")
    job = DatasetJob(kafka, folder, partitions=2)
    statistics = kafka.create_topic(partitions=1)
    rollouts = kafka.create_topic(partitions=1)
    job.config["kafka"]["topics"].update(statistics=statistics, rollout=rollouts)
    job.config["versions"] = {"path": str(folder / "training_data")}
    job.config_path.write_text(json.dumps(job.config))
    producer = Producer({**quiet_client(kafka.bootstrap_servers), "acks": "all", "partitioner": "murmur2_random"})
    for at in range(60):
        text = json.dumps({"ticket": f"ticket {at} {ATTACKS[at % len(ATTACKS)]}"})
        told = interaction(
            signature=SIGNATURE, input=text, output=json.dumps({"reply": ATTACKS[at % 3]}), event_id=f"e{at}"
        )
        message = message_of(told)
        for _ in range(1 + (at == 0)):
            producer.produce(job.topic, message.value, message.key)
    producer.produce(
        job.topic, message_of(interaction("slow", signature=SIGNATURE, latency_ms=9_000.0)).value, b"0" * 64
    )
    producer.produce(job.topic, RUBBISH, b"rubbish", headers=[("origin", RUBBISH)])
    told = {"service": "<b>shop", "calls": [call_statistics([0.1] * 70, signature=SIGNATURE)]}
    dropped = [{"name": "queue_full", "count": 3}]
    for sequence, delivered in ((1, 20), (2, 57)):
        counts = {"sampled": delivered + 3, "delivered": delivered, "dropped": dropped, "sequence": sequence}
        producer.produce(statistics, statistics_codec().encode(record(**{**told, **counts})))
    odd = record(instance="odd", sampled=9, delivered=7, is_last=True, started_at_ms=NOW_MS)
    producer.produce(statistics, statistics_codec().encode(odd))
    producer.produce(statistics, b"rubbish")
    decided = decisions()
    for key, value in (*map(entry_message, decided.entries), state_message(decided.state)):
        producer.produce(rollouts, value, key)
    assert producer.flush(60) == 0
    job.finish(job.start())
    headrace("dataset", "cut", "-s", SIGNATURE, "--config", job.config_path)
    running = Ui(job, folder / "ui.log")
    yield running
    running.process.kill()
    running.process.communicate()


def test_the_ledger_is_what_each_producer_told_last(ui):
    text = ui.get("/ledger")
    assert "2 records are not accounted for: a defect of Headrace" in text
    assert "2 producers 69 sampled 0 adopted 64 delivered 0 spooled 0 in flight 3 dropped" in text
    assert "queue_full 3" in text
    assert "<b>shop production" in text
    assert "Of the newest 4 messages; 1 cannot be read" in text
    assert "(no name)" not in text
    assert "1 to 1 of 1" in ui.get("/ledger?q=odd")


def test_rollouts_are_those_of_the_topic(ui):
    text = ui.get("/rollouts")
    assert "production/support paused" in text
    assert "60 of 210 90 of 1,890 +11.3% to +38.8% more" in text
    assert "50% of the requests get the candidate" in ui.get("/rollouts/production/support")
    assert "no rollout" in ui.get("/rollouts/production/nobody")


def test_dead_letters_are_counted_and_one_is_shown_its_content_when_asked(ui):
    text = ui.get("/dead-letters")
    assert f"not_single_object {ui.topic} 1 0" in text
    assert any(f"{reason} {ui.topic} 1 0" in text for reason in ("misplaced", "key_mismatch"))
    assert SECRET not in text
    (letter,) = {each for each in ui.links if each.startswith(f"/dead-letters/{ui.topic}/")} & set(
        ui.get("/dead-letters?reason=not_single_object") and ui.links
    )
    text = ui.get(letter)
    assert "not_single_object" in text
    assert "no record of ours" in text
    assert SECRET not in text
    shown = ui.get(next(each for each in ui.links if "payload=1" in each))
    assert f"key rubbish origin {RUBBISH.decode()}" in shown
    assert "|<script>document|" in shown
    assert "no dead letter of it" in ui.get(f"/dead-letters/{ui.topic}/0/99999")
    assert "no dead letter of it" in ui.get("/dead-letters/%3Cb%3E/0/x")


def test_where_records_are_lost_is_told_from_kafka_too(ui):
    text = ui.get(f"/signatures/{SIGNATURE}/why")
    assert "70 calls" in text
    assert "Not looked at" not in text
    assert "60 rows in the table" in text
    assert "copies 1 (2%)" in text
    assert ui.get("/trace?id=e0").count("became") == 2


def test_in_a_browser_nothing_that_was_captured_runs(ui, tmp_path):
    browser = chromium.find()
    ui.get(f"/signatures/{SIGNATURE}/rows")
    row = next(each for each in ui.links if each.startswith("/rows/"))
    ui.get("/dead-letters?reason=not_single_object")
    letter = next(each for each in ui.links if each.startswith(f"/dead-letters/{ui.topic}/"))
    pages = {
        f"/signatures/{SIGNATURE}/rows": f"Rows of {SIGNATURE}",
        row: f"A row of {SIGNATURE}",
        f"/signatures/{SIGNATURE}/versions/v1/examples": f"Examples of {SIGNATURE} v1",
        f"{letter}?payload=1": "Dead letter",
        "/rollouts/production/support": "Rollout of production/support",
    }
    for path, title in pages.items():
        document = browser.document(ui.address + path)
        assert f"<title>{title} - Headrace</title>" in document
        assert not re.search("<(script|img|iframe|svg/onload)", document.replace("&lt;", ""))
    for is_dark in (False, True):
        path = tmp_path / f"{is_dark}.png"
        browser.screenshot(f"{ui.address}/signatures/{SIGNATURE}", path, width=390, height=844, is_dark=is_dark)
        assert path.read_bytes().startswith(b"\x89PNG")
    light, dark = ((tmp_path / f"{is_dark}.png").read_bytes() for is_dark in (False, True))
    assert light != dark


def test_nothing_that_was_shown_or_searched_for_is_in_its_log(ui):
    assert "1 found" in ui.get(f"/signatures/{SIGNATURE}/rows?q=ticket%2059")
    ui.get("/signatures/searched-for-in-vain/rows?q=searched-for-in-vain")
    log = ui.log.read_text()
    for text in (SECRET, "searched-for", "ticket", "owned", "Traceback"):
        assert text not in log
