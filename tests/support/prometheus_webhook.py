"""A webhook that keeps what Alertmanager sends it."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Webhook", "webhook"]


class Webhook:
    """What has come so far.

    Args:
        port: where it listens on 127.0.0.1.

    Attributes:
        url: its address.
        all: the alerts that came, in that order; one that is told again is there again.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.all: list[dict[str, Any]] = []

    def take(self, body: bytes) -> None:
        """Keep the alerts of one message."""
        self.all.extend(json.loads(body)["alerts"])

    def alerts(self, name: str, status: str) -> list[dict[str, Any]]:
        """Return the alerts of a name with a status, firing or resolved: `labels`, `annotations`, `startsAt`, ..."""
        return [each for each in self.all if each["labels"]["alertname"] == name and each["status"] == status]


@contextlib.contextmanager
def webhook() -> Iterator[Webhook]:
    """Listen on a free port while the context is open."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            held.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing of it belongs into a test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held = Webhook(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
