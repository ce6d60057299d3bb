"""Middleware that opens a `headrace.request` for each request that a service answers; no web framework is imported.

    app.add_middleware(headrace.middleware.ASGIMiddleware)             # Starlette, FastAPI
    application = headrace.middleware.WSGIMiddleware(application)      # Flask, Django, any WSGI

The id comes from a header (X-Request-ID, else the trace id of `traceparent`), else it is fresh; handlers find it under
``headrace.request_id`` in the ASGI scope or the WSGI environ, for `headrace.feedback`. A header is written by whoever
sends the request: unless a proxy sets or strips it, a client can choose an id that is sampled, or one of another's
request. With ``headers=()`` every id is fresh.

The request stays open while a streamed body is sent. What fails here is counted, and the service answers without it.
"""

from __future__ import annotations

import contextvars
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, cast

from headrace import runtime
from headrace.errors import UsageError, require_dspy
from headrace.interruption import pass_on
from headrace.propagation import TRACEPARENT, request_id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping

    from headrace.capture.scope import Request

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = ["DEFAULT_HEADERS", "REQUEST_ID_KEY", "ASGIMiddleware", "WSGIMiddleware"]

DEFAULT_HEADERS: Final = ("x-request-id", TRACEPARENT)
REQUEST_ID_KEY: Final = "headrace.request_id"


class _Middleware:
    """What both kinds have: the application, how a request is opened from headers, which header answers with its id."""

    def __init__(
        self, app: Any, *, headers: Iterable[str] = DEFAULT_HEADERS, response_header: str | None = None
    ) -> None:
        require_dspy()
        from headrace.capture import scope  # with the service's start, not in its first request

        if isinstance(headers, str):
            raise UsageError(f"middleware: headers must be a list of names, found the text {headers!r}")
        self.app = app
        self._scope = scope
        self._preferred = tuple(_header_name(name) for name in headers)
        self._response_header = None if response_header is None else _header_name(response_header)

    def _begin(self, headers: Callable[[], dict[str, list[str]]], enter: Callable[..., Request]) -> Request | None:
        """Enter a request as the headers say; None if that failed. Never raises."""
        try:
            given = headers()
            traceparents = given.get(TRACEPARENT, [])
            traceparent = traceparents[0] if len(traceparents) == 1 else None
            return enter(request_id_of(given, self._preferred), traceparent=traceparent)
        except Exception as error:
            pass_on(error)
            current = runtime.slot.runtime
            if current is not None:
                current.tell_of(error)
            return None


class ASGIMiddleware(_Middleware):
    """ASGI 3 middleware for HTTP and WebSocket connections.

    Args:
        app: the ASGI application.
        headers: the headers that may give the request id, the first well-formed one counts; lower or upper case.
        response_header: the header that answers with the id, e.g. ``"x-request-id"``; None adds none, and one that the
            application sets itself is kept.

    Raises:
        UsageError: a header's name that is none.
        DSPyMissingError: dspy is not installed.
    """

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one connection, inside a request of its own."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        with ExitStack() as stack:
            request = self._begin(
                lambda: _asgi_headers(scope),
                lambda *args, **kwargs: stack.enter_context(self._scope.request(*args, **kwargs)),
            )
            if request is not None:
                scope[REQUEST_ID_KEY] = request.request_id
                if self._response_header is not None:
                    send = _answering(send, self._response_header.encode(), request.request_id)
            await self.app(scope, receive, send)


class WSGIMiddleware(_Middleware):
    """WSGI (PEP 3333) middleware; its arguments are those of `ASGIMiddleware`."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; the body that is returned has it open whenever it is iterated."""
        # A context of its own: the body may be iterated after, or never closed, and nothing is left in the thread's.
        context = contextvars.copy_context()
        request = context.run(self._begin, lambda: _wsgi_headers(environ), self._scope.stay_in_request)
        if request is not None:
            environ[REQUEST_ID_KEY] = request.request_id
            if self._response_header is not None:
                start_response = _starting(start_response, self._response_header, request.request_id)
        body: Iterable[bytes] = context.run(self.app, environ, start_response)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, list | tuple) or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            return body  # nothing of the program runs any more, and servers look at what it is
        return _Body(body, context)


class _Body:
    """A WSGI body whose application runs in the request's context."""

    def __init__(self, body: Iterable[bytes], context: contextvars.Context) -> None:
        self._body = body
        self._context = context
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._pieces is None:
            self._pieces = self._inside(iter, self._body)
        return cast("bytes", self._inside(next, self._pieces))

    def close(self) -> None:
        """Close the application's body, as the server must."""
        close = getattr(self._body, "close", None)
        if close is not None:
            self._inside(close)

    def _inside(self, step: Callable[..., Any], *args: Any) -> Any:
        begun = False

        def run() -> Any:
            nonlocal begun
            begun = True
            return step(*args)

        try:
            return self._context.run(run)
        except RuntimeError:
            if begun:
                raise
            return step(*args)  # a server that closes the body while another thread is inside


def _answering(send: Send, header: bytes, request_id: str) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            headers = list(message.get("headers") or ())
            if not any(name.lower() == header for name, _ in headers):
                message = {**message, "headers": [*headers, (header, request_id.encode())]}
        await send(message)

    return answer


def _starting(start_response: Callable[..., Any], header: str, request_id: str) -> Callable[..., Any]:
    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        if not any(name.lower() == header for name, _ in headers):
            headers = [*headers, (header, request_id)]
        return start_response(status, headers, *exc_info)

    return start


def _asgi_headers(scope: MutableMapping[str, Any]) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope.get("headers") or ():
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _wsgi_headers(environ: dict[str, Any]) -> dict[str, list[str]]:
    """CGI names: a header given twice arrives as one, joined by a comma, which is in no id."""
    return {key[5:].replace("_", "-").lower(): [value] for key, value in environ.items() if key.startswith("HTTP_")}


def _header_name(name: str) -> str:
    if not (isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise UsageError(f"middleware: a header's name is letters, digits and dashes, found {name!r}")
    return name.lower()
