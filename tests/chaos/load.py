"""A producer process under load, with a journal that outlives SIGKILL.

    python -m tests.chaos.load CONFIG NAME JOURNAL      submits calls until its standard input ends; then waits until
                                                        nothing is under way or on disk, and prints its ledger

The journal has a line for each record when the broker acknowledged it (a), when it is on disk (s), and for each
batch how many were submitted (u). It is written where these things happen, around the real sink and spool.
"""

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.config import Config, load
from headrace.delivery import Pipeline
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import KafkaSink, Returned
from headrace.delivery.sinks.protocol import Done
from headrace.delivery.spool import Spool
from tests.unit.headrace.calls import captured_call

BATCH = 20
PAUSE_S = 0.05
DRAIN_S = 120


class Journal:
    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, word: str, what: object) -> None:
        os.write(self._descriptor, f"{word} {what}\n".encode())


class JournaledSink(KafkaSink):
    def __init__(self, config: Config, journal: Journal) -> None:
        super().__init__(config)
        self._journal = journal

    def send(self, outgoing: Outgoing, done: Done) -> bool:
        id_ = outgoing.id

        def told(lost_for: str | None, returned: Returned | None = None) -> None:
            if lost_for is None:
                self._journal.write("a", id_)
            done(lost_for, returned)

        return super().send(outgoing, told)


class JournaledSpool(Spool):
    journal: Journal

    def append(self, outgoing: Outgoing) -> str | None:
        reason = super().append(outgoing)
        if reason is None:
            self.journal.write("s", outgoing.id)
        return reason


def main(config_json: str, name: str, journal_path: str) -> None:
    config = load(None, json.loads(config_json), {})
    journal = Journal(journal_path)

    def make_spool(config: Config, instance: str) -> Spool:
        spool = JournaledSpool(Path(str(config.spool.path)), instance, rotation=config.spool.rotation)
        spool.journal = journal
        return spool

    pipeline = Pipeline(config, make_sink=lambda config: JournaledSink(config, journal), make_spool=make_spool)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    submitted = 0
    while not ended.wait(PAUSE_S):
        for _ in range(BATCH):
            pipeline.submit(call(name, submitted))
            submitted += 1
        journal.write("u", submitted)
    pause, left_s = threading.Event(), float(DRAIN_S)
    while (stats := pipeline.stats()).spooled + stats.in_flight and left_s > 0:
        pause.wait(PAUSE_S)
        left_s -= PAUSE_S
    pipeline.close(20)
    sys.stdout.write(json.dumps(asdict(pipeline.stats())))


def call(name: str, number: int) -> Any:
    return captured_call(
        event_id=f"{name}-{number}",
        request_id=f"request-{name}-{number}",
        input={"question": f"why {name} {number}?"},
        latency_ms=100.0,
        cost_usd=0.001,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
