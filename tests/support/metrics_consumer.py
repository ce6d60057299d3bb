"""`headrace consume metrics` as a process, and what it serves."""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from headrace_schemas import Statistics, interaction_codec, statistics_codec
from tests.support import warm
from tests.support.kafka_settings import quiet_client
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

__all__ = ["MetricsConsumer", "Reports", "ask", "samples"]

HEADRACE = str(Path(sys.executable).with_name("headrace"))
_CODEC = statistics_codec()
_SAMPLES = interaction_codec()
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def ask(port: int, path: str, accept: str = "") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> Samples:
    """Return the samples of a page, by name and sorted labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class MetricsConsumer:
    """One member; the port stays the same over restarts, as a target's does.

    Args:
        folder: its configuration and log go there.
        values: the configuration.
        name: of these files.
        scheme: of its page.
        what: another consumer that takes `--port`.
    """

    def __init__(
        self,
        folder: Path,
        values: Mapping[str, Any],
        name: str = "member",
        *,
        scheme: str = "http",
        what: str = "metrics",
    ) -> None:
        self._scheme = scheme.encode()
        self._what = what
        self.path = folder / f"{name}.json"
        self.path.write_text(json.dumps(values))
        self.log = folder / f"{name}.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            begins = log.tell()
            command = ["consume", self._what, "-c", str(self.path), "--port", str(self.port), "--log-format", "json"]
            kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
            self._process = warm.headrace(*command, env=kept, stdout=log, stderr=log)
        self.port = wait_until(lambda: self._listening(begins), "the consumer's port")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(30)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def scrape(self) -> Samples:
        code, text = ask(self.port, "/metrics")
        assert code == 200
        return samples(text)

    def wait_ready(self) -> None:
        wait_until(lambda: ask(self.port, "/readyz")[0] == 200, "the consumer is ready", 60)

    def _listening(self, begins: int) -> int | None:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        found = re.search(self._scheme + rb"://127\.0\.0\.1:(\d+)/metrics", self.log.read_bytes()[begins:])
        return int(found[1]) if found else None


class Reports:
    """Writes statistics records to Kafka as producers do."""

    def __init__(self, servers: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer({**quiet_client(servers), "partitioner": "murmur2_random", "linger.ms": 5})

    def write(self, *records: Statistics) -> None:
        for record in records:
            self._producer.produce(self._topic, _CODEC.encode(record), record["instance"].encode())
        assert self._producer.flush(30) == 0

    def write_samples(self, topic: str, *records: Any) -> None:
        for record in records:
            self._producer.produce(topic, _SAMPLES.encode(record), record["dedup_key"].encode())
        assert self._producer.flush(30) == 0
