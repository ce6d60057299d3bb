"""Feedback on a real Kafka: given hours later by a process that never made the call."""

import os
import subprocess
import sys

from headrace_schemas import feedback_codec, keys
from headrace_schemas.topics import REQUEST_HEADER

CALLBACK = """
import sys, headrace
headrace.configure(
    telemetry={"enabled": True, "service": "callbacks"},
    kafka={"bootstrap_servers": sys.argv[1], "topics": {"feedback": sys.argv[2]}},
)
for number in range(20):
    headrace.feedback(f"request-{number % 2}", score=number / 20, label="thumbs_up", module="support")
"""


def test_it_arrives_under_the_key_of_its_request_from_a_process_that_just_ends(kafka):
    topic = kafka.create_topic(partitions=4)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    done = subprocess.run(
        [sys.executable, "-c", CALLBACK, kafka.bootstrap_servers, topic],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    messages = kafka.records(topic)
    records = [feedback_codec().decode(message.value()) for message in messages]
    assert sorted(record["score"] for record in records) == [number / 20 for number in range(20)]
    assert len({record["feedback_id"] for record in records}) == 20
    for message, record in zip(messages, records, strict=True):
        assert message.key() == keys.request_id_hash(record["request_id"])
        assert dict(message.headers()) == {REQUEST_HEADER: message.key()}
        assert message.partition() == keys.partition_of(message.key(), 4)
        assert (record["service"], record["label"], record["module_name"]) == ("callbacks", "thumbs_up", "support")
