"""The webhook at which the demo's alerts arrive, as they would at a pager's."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

__all__ = ["Inbox", "Told", "inbox", "told"]

_LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What Alertmanager tells of one alert.

    Attributes:
        name: the rule's.
        severity: critical or warning.
        resolved: whether it is over.
        description: the text, several lines.
        runbook: where to read on.
    """

    name: str
    severity: str
    resolved: bool
    description: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where to send, and what has come."""

    url: str
    messages: "queue.Queue[Told]"


def told(body: bytes) -> list[Told]:
    """Return the alerts of a message of Alertmanager's webhook, version 4."""
    message: dict[str, Any] = json.loads(body)
    return [
        Told(
            alert["labels"]["alertname"],
            alert["labels"].get("severity", ""),
            alert["status"] == "resolved",
            alert["annotations"].get("description", ""),
            alert["annotations"].get("runbook_url", ""),
        )
        for alert in message["alerts"]
    ]


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Listen on a free port of this machine's own address while the context is open."""
    messages: queue.Queue[Told] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), _LARGEST))
            for each in told(body):
                messages.put(each)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing of it is for the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Inbox(f"http://127.0.0.1:{server.server_port}/", messages)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
