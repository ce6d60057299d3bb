"""Where fields are encrypted, no file holds them readable: not the JSON Lines log, not the spool of an outage."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.config import load
from headrace.delivery import MemorySink, Pipeline
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import Done
from headrace_schemas import envelope
from tests.unit.headrace.calls import captured_call

LONG_S = 30.0
KEYS = {"k": bytes(range(32))}


def encryption(folder: Path) -> dict[str, Any]:
    for name, key in {**KEYS, "dedup": bytes(32)}.items():
        (folder / name).write_text(base64.b64encode(key).decode())
    return {"write_key": "k", "keys": {"k": f"file:{folder / 'k'}"}, "dedup_key": f"file:{folder / 'dedup'}"}


class Unreachable(MemorySink):
    """Gives every record back."""

    def send(self, outgoing: Outgoing, done: Done) -> bool:
        done("kafka:_TRANSPORT", lambda: outgoing)
        return True


def submit_all(make: Callable[[], Pipeline]) -> Pipeline:
    pipeline = make()
    for number in range(3):
        call = captured_call(number, input={"q": "tulip"}, output={"a": "rose"}, error="lily", success=False)
        assert pipeline.submit(call)
    assert pipeline.flush(LONG_S)
    return pipeline


def contents(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files)


def test_the_log_holds_envelopes_and_is_json(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "calls.jsonl"
    config = load(None, {"telemetry": {"log_file_path": str(log)}, "encryption": encryption(tmp_path)}, {})
    pipeline = submit_all(lambda: Pipeline(config))
    pipeline.close(LONG_S)
    written = contents(log.parent)
    assert not any(word in written for word in (b"tulip", b"rose", b"lily"))
    line = json.loads(log.read_text().splitlines()[0])
    sealed = json.dumps(line["input"], separators=(",", ":"))
    opened = envelope.unseal_object(sealed, KEYS, record_id=line["event_id"], field="input")
    assert opened == '{"q":"tulip"}'


def test_the_spool_holds_envelopes(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    config = load(
        None,
        {
            "kafka": {"bootstrap_servers": "localhost:1"},
            "spool": {"path": str(spool)},
            "encryption": encryption(tmp_path),
        },
        {},
    )
    pipeline = submit_all(lambda: Pipeline(config, make_sink=lambda _: Unreachable()))
    spooled = pipeline.stats().spooled
    pipeline.close(LONG_S)
    written = contents(spool)
    assert spooled == 3
    assert written.count(b"enc:v1:k:") == 9
    assert not any(word in written for word in (b"tulip", b"rose", b"lily"))
