"""A proxy before an S3 server: it records requests, can ignore conditions, be away, or lose an answer."""

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote

__all__ = ["Request", "S3Proxy"]

_OWN: Final = frozenset({"connection", "transfer-encoding", "content-length", "host", "keep-alive"})


@dataclass(frozen=True)
class Request:
    """A request that came.

    Attributes:
        method: e.g. PUT.
        path: with the query.
        headers: by name in lower case.
    """

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class S3Proxy:
    """Passes requests on; signatures stay valid, since the host's name is passed on too.

    Attributes:
        target: port of the server on 127.0.0.1.
        overwrites_in: the server's folder: what a PUT with If-None-Match would find there is removed first, as if the
            store ignored the condition. (The header is signed, so it cannot be taken away.)
        away_from: requests with this in their path get no answer, "" are all; None: none.
        loses_answer_to: the answer to the next PUT of a path with this in it is lost, after the server has done it;
            from then on nothing in that path's folder answers.
        requests: all that came.
    """

    target: int
    overwrites_in: Path | None = None
    away_from: str | None = None
    loses_answer_to: str | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Of the proxy, on 127.0.0.1."""
        return int(self._server.server_address[1])

    def puts(self) -> list[Request]:
        """Return the requests that begin or make an object: PUTs, and the begins of uploads in parts."""
        return [
            request
            for request in self.requests
            if (request.method == "PUT" and "partNumber=" not in request.path)
            or (request.method == "POST" and "?uploads" in request.path)
        ]


def _handler(proxy: S3Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            proxy.requests.append(Request(self.command, self.path, headers))
            if proxy.away_from is not None and proxy.away_from in self.path:
                self.close_connection = True
                return
            if proxy.overwrites_in is not None and "if-none-match" in headers:
                (proxy.overwrites_in / unquote(self.path).lstrip("/")).unlink(missing_ok=True)
            server = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=30)
            headers["content-length"] = str(len(body))
            for name in ("transfer-encoding", "connection"):
                headers.pop(name, None)
            server.request(self.command, self.path, body=body, headers=headers)
            answer = server.getresponse()
            content = answer.read()
            if self.command == "PUT" and proxy.loses_answer_to is not None and proxy.loses_answer_to in self.path:
                proxy.away_from = proxy.loses_answer_to.partition("/")[0]
                self.close_connection = True
                return
            self.send_response(answer.status)
            length = answer.headers.get("content-length", str(len(content)))
            for name, value in answer.headers.items():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            server.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815  # so it looks for them

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
            """Say nothing."""

    return Handler
