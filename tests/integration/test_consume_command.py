"""`headrace consume dataset` as a supervisor sees it: signals, exit codes, what is on stdout and on stderr."""

import json
import os
import signal
import subprocess
import threading

import pytest

from tests.support import warm


@pytest.fixture
def config(kafka, tmp_path):
    topics = {"interactions": kafka.create_topic(partitions=2), "dead_letters": kafka.create_topic()}
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        "dataset": {"path": str(tmp_path / "table"), "state_path": str(tmp_path / "state")},
    }
    path = tmp_path / "headrace.json"
    path.write_text(json.dumps(values))
    return path


def start(config, *arguments):
    return warm.headrace(
        *("consume", "dataset", "--config", str(config), *arguments),
        env={name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_its_counts(config, number):
    with start(config, "--json") as consumer:
        hanging = threading.Timer(60, consumer.kill)
        hanging.start()
        logged = []
        for line in consumer.stderr:  # logs are JSON where nobody watches
            logged.append(json.loads(line))
            if logged[-1]["event"] == "assigned":
                consumer.send_signal(number)
        out = consumer.stdout.read()
        hanging.cancel()
    assert consumer.returncode == 0
    assert json.loads(out)["consumed"] == 0
    assert {"consuming", "assigned"} <= {line["event"] for line in logged}


def test_idle_it_ends_by_itself_with_a_summary_for_people(config):
    with start(config, "--idle-exit-s", "0.5", "--log-level", "error") as consumer:
        out, err = consumer.communicate(timeout=60)
    assert (consumer.returncode, err) == (0, "")
    assert out.splitlines()[0].split() == ["consumed", "0"]


def test_a_topic_that_is_missing_is_one_line_and_1(config):
    values = json.loads(config.read_text())
    values["kafka"]["topics"]["interactions"] = "nobody-made-this-topic"
    config.write_text(json.dumps(values))
    with start(config, "--json", "--log-level", "error") as consumer:
        out, err = consumer.communicate(timeout=60)
    assert (consumer.returncode, out) == (1, "")
    assert err.count("\n") == 1
    assert "nobody-made-this-topic" in err
    assert "headrace topics create" in err
