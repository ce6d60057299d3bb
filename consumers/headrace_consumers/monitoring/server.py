"""HTTP for supervisors' probes and for Prometheus.

Its own threads answer, so that a loop that hangs is told of. Reads only; nothing of a payload is in the answers.
"""

import contextlib
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, TypeAlias

from headrace.errors import ConfigError

__all__ = ["JSON", "LOOK", "Answer", "Answering", "of_json", "serve"]

JSON: Final = "application/json"
LOOK: Final = "/metrics?look"
"""The page for a person, such as `headrace top`: it is no scrape, so nothing counts as shown by it."""
_REQUEST_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent.

    Attributes:
        code: the HTTP status.
        body: its bytes.
        content_type: what they are.
        on_sending: called before it is sent, unless whoever asked has hung up meanwhile.
    """

    code: int
    body: bytes
    content_type: str = JSON
    on_sending: Callable[[], object] | None = None


Answering: TypeAlias = Callable[[str, str], Answer]
"""Path without its query (but `LOOK`), and the Accept header -> answer. Called by several threads at once."""


def of_json(code: int, body: Mapping[str, Any]) -> Answer:
    """Return an answer in JSON."""
    return Answer(code, json.dumps(body).encode())


@contextlib.contextmanager
def serve(answer: Answering, host: str, port: int, *, setting: str, host_setting: str) -> Iterator[int]:
    """Answer while the context is open; yield the port.

    Args:
        answer: is asked.
        host: the address to bind.
        port: 0 takes a free one.
        setting: the port's name in the configuration, told where it cannot be had.
        host_setting: the address' name.

    Raises:
        ConfigError: the address cannot be bound.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            path = self.path if self.path == LOOK else self.path.partition("?")[0]
            given = answer(path, self.headers.get("Accept", ""))
            # Whoever asked may be gone, and nothing is wrong then.
            with contextlib.suppress(OSError):
                if given.on_sending is not None:
                    if _has_hung_up(self.connection):
                        return
                    given.on_sending()
                self.send_response(given.code)
                self.send_header("Content-Type", given.content_type)
                self.send_header("Content-Length", str(len(given.body)))
                self.end_headers()
                self.wfile.write(given.body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds: no line for each."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"{setting}: cannot listen on {host}:{port} ({getattr(error, 'strerror', None) or error}); "
            f"give another port or {host_setting}"
        ) from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="headrace-health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _has_hung_up(connection: socket.socket) -> bool:
    """Tell whether the other side has closed: it has no patience left, say, and will not see the answer."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
