"""The site over HTTP: who may ask, by which name, with which method; and what a browser may do with the answer.

    Host header ours? --> GET or HEAD? --> not embedded elsewhere? --> token? --> the site

Nothing of a request is logged: an address may hold what somebody searched for.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Final, TypeAlias

from headrace_consumers.monitoring.guard import Guard
from headrace_consumers.monitoring.listening import REQUEST_TIMEOUT_S, listening
from headrace_consumers.ui.hosts import is_ours

__all__ = ["HEADERS", "HTML", "PLAIN", "Answer", "Answering", "serve"]

HTML: Final = "text/html; charset=utf-8"
PLAIN: Final = "text/plain; charset=utf-8"

_OUR_STYLE: Final = "'self'"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src {style}; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""With every answer: no script runs, nothing is loaded from elsewhere, nobody frames it, no address is passed on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent.

    Attributes:
        code: the HTTP status.
        body: its bytes.
        content_type: what they are.
        is_kept: whether the browser may keep it; else it is asked for anew each time, and not written to its disk.
        style: which styles apply, as Content-Security-Policy has it.
    """

    code: int
    body: bytes
    content_type: str = HTML
    is_kept: bool = False
    style: str = _OUR_STYLE


Answering: TypeAlias = Callable[[str, str], Answer]
"""Path and query, as they are in the request -> answer. Called by several threads at once; never raises."""


@contextlib.contextmanager
def serve(
    answer: Answering, host: str, port: int, *, names: Iterable[str] = (), guard: Guard | None = None
) -> Iterator[int]:
    """Answer while the context is open; yield the port.

    Args:
        answer: is asked.
        host: the address to bind.
        port: 0 takes a free one.
        names: by which a browser may ask for it, beside localhost and addresses in numbers.
        guard: says who may see it, and encrypts; None: everybody may, and nothing is.

    Raises:
        ConfigError: the address cannot be bound.
    """
    known = frozenset({host, *names})

    class Handler(_Handler):
        def answer(self) -> Answer:
            return _answer(self, answer, known, guard)

    with listening(
        Handler, host, port, setting="--port", host_setting="--host", guard=guard, name="headrace-ui"
    ) as bound:
        yield bound


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_S
    server_version = "headrace"
    sys_version = ""

    def answer(self) -> Answer:
        raise NotImplementedError

    def do_GET(self) -> None:
        self._send(self.answer())

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815  # http.server's names

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Say what is wrong with a request that is none."""
        del message, explain
        self._send(_line(code, "this is no request that a browser makes"))

    def _send(self, given: Answer) -> None:
        with contextlib.suppress(OSError):  # whoever asked may be gone, and nothing is wrong then
            self.send_response(given.code)
            for name, value in HEADERS.items():
                self.send_header(name, value.replace("{style}", given.style))
            self.send_header("Content-Type", given.content_type)
            self.send_header("Content-Length", str(len(given.body)))
            self.send_header("Cache-Control", "private, max-age=86400" if given.is_kept else "no-store")
            if given.code == 401:  # noqa: PLR2004  # HTTP's
                self.send_header("WWW-Authenticate", 'Basic realm="headrace", charset="UTF-8"')
            if given.code == 405:  # noqa: PLR2004  # HTTP's
                self.send_header("Allow", "GET, HEAD")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(given.body)

    def log_message(self, *_: object) -> None:
        """No line for a request: its address may hold what somebody searched for."""


def _answer(handler: BaseHTTPRequestHandler, answer: Answering, names: frozenset[str], guard: Guard | None) -> Answer:
    headers = handler.headers
    if not is_ours(headers.get("Host", ""), names):
        return _line(421, "headrace ui is not known by this name; ask by its address, or start it with --name NAME")
    if handler.command not in {"GET", "HEAD"}:
        return _line(405, "headrace ui only shows: GET and HEAD")
    is_elsewhere = headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
    if is_elsewhere and headers.get("Sec-Fetch-Mode") != "navigate":
        return _line(403, "asked by a page of another site")
    if guard is not None and not guard.admits(headers.get("Authorization", "")):
        return _line(401, "this page needs the token of web.token: give it as the password, with any user")
    path, _, query = handler.path.partition("?")
    return answer(path, query)


def _line(code: int, text: str) -> Answer:
    return Answer(code, f"{text}\n".encode(), PLAIN)
