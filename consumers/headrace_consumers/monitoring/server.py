"""HTTP for supervisors' probes and for Prometheus.

Its own threads answer, so that a loop that hangs is told of. Reads only; nothing of a payload is in the answers. Where
a token is configured, /metrics is for those who have it, and probes are told yes or no; with a certificate all is TLS.
"""

import contextlib
import json
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, TypeAlias

from headrace_consumers.monitoring.guard import Guard
from headrace_consumers.monitoring.listening import REQUEST_TIMEOUT_S, listening

__all__ = ["JSON", "LOOK", "Answer", "Answering", "of_json", "serve"]

JSON: Final = "application/json"
LOOK: Final = "/metrics?look"
"""The page for a person, such as `headrace top`: it is no scrape, so nothing counts as shown by it."""
_UNAUTHORIZED: Final = 401
_PROBES: Final = frozenset({"/healthz", "/readyz"})


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
def serve(
    answer: Answering, host: str, port: int, *, setting: str, host_setting: str, guard: Guard | None = None
) -> Iterator[int]:
    """Answer while the context is open; yield the port.

    Args:
        answer: is asked.
        host: the address to bind.
        port: 0 takes a free one.
        setting: the port's name in the configuration, told where it cannot be had.
        host_setting: the address' name.
        guard: says who may see what, and encrypts; None: everybody may, and nothing is.

    Raises:
        ConfigError: the address cannot be bound.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            path = self.path if self.path == LOOK else self.path.partition("?")[0]
            given = self._allowed(path)
            # Whoever asked may be gone, and nothing is wrong then.
            with contextlib.suppress(OSError):
                if given.on_sending is not None:
                    if _has_hung_up(self.connection):
                        return
                    given.on_sending()
                self.send_response(given.code)
                self.send_header("Content-Type", given.content_type)
                if given.code == _UNAUTHORIZED:
                    self.send_header("WWW-Authenticate", 'Basic realm="headrace", charset="UTF-8"')
                self.send_header("Content-Length", str(len(given.body)))
                self.end_headers()
                self.wfile.write(given.body)

        def _allowed(self, path: str) -> Answer:
            if guard is None or guard.admits(self.headers.get("Authorization", "")):
                return answer(path, self.headers.get("Accept", ""))
            if path not in _PROBES:
                return of_json(_UNAUTHORIZED, {"problems": ["this page needs the token of web.token"]})
            is_well = (given := answer(path, "")).code == 200  # noqa: PLR2004  # HTTP's
            return of_json(given.code, {"ok": is_well})

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds: no line for each."""

    with listening(Handler, host, port, setting=setting, host_setting=host_setting, guard=guard) as bound:
        yield bound


def _has_hung_up(connection: socket.socket) -> bool:
    """Tell whether the other side has closed: it has no patience left, say, and will not see the answer."""
    readable, _, _ = select.select([connection], [], [], 0)
    if isinstance(connection, ssl.SSLSocket):  # after a request there comes only the end of the connection
        return bool(readable) and not connection.pending()
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
