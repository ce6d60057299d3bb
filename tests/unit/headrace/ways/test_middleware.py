"""A service behind the ASGI or WSGI middleware: every call in a request is its request's, also while a body streams."""

import asyncio
import contextvars
import logging
import threading
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import dspy
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

import headrace
from headrace import UsageError
from headrace.capture.scope import current_scope
from headrace.middleware import ASGIMiddleware, WSGIMiddleware
from tests.unit.headrace.capture.offline import OfflineLM, Program

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
PROGRAM_LM = OfflineLM()


def _settings():
    return dspy.context(lm=PROGRAM_LM, adapter=dspy.ChatAdapter())


@pytest.fixture
def program():
    return headrace.instrument(Program(), "qa")


def starlette(program, **options):
    """A service that calls its program in every way that Starlette knows of."""

    async def in_async(request):
        with _settings():
            await program.acall(question="async")
        return JSONResponse({"id": request.scope["headrace.request_id"]})

    def in_thread(request):
        with _settings():
            program(question="thread")
        return JSONResponse({"id": request.scope["headrace.request_id"]})

    async def in_pool(_):
        def work():
            with _settings():
                return program(question="pool").answer

        return PlainTextResponse(await run_in_threadpool(work))

    async def streams(_):
        async def body():
            with _settings():
                for number in range(2):
                    yield (await program.acall(question=f"piece {number}")).answer

        return StreamingResponse(body())

    async def streams_in_threads(_):
        def body():
            for number in range(2):
                with _settings():
                    answer = program(question=f"piece {number}").answer
                yield answer

        return StreamingResponse(body())

    async def afterwards(_):
        def work():
            with _settings():
                program(question="background")

        return PlainTextResponse("soon", background=BackgroundTask(work))

    async def fails(_):
        with _settings():
            program(question="then fails")
        raise RuntimeError("the service's own")

    async def sets_the_header(_):
        return PlainTextResponse("", headers={"X-Request-ID": "own"})

    async def chats(socket):
        await socket.accept()
        while (text := await socket.receive_text()) != "bye":
            with _settings():
                await socket.send_text((await program.acall(question=text)).answer)
        await socket.close()

    async def passes(request, call_next):
        return await call_next(request)

    paths = {
        "/async": in_async,
        "/thread": in_thread,
        "/pool": in_pool,
        "/streams": streams,
        "/streams-in-threads": streams_in_threads,
        "/afterwards": afterwards,
        "/fails": fails,
        "/header": sets_the_header,
    }
    routes = [Route(path, endpoint) for path, endpoint in paths.items()]
    layers = [Middleware(ASGIMiddleware, **options), Middleware(BaseHTTPMiddleware, dispatch=passes)]
    app = Starlette(routes=[*routes, WebSocketRoute("/chats", chats)], middleware=layers)
    return TestClient(app, raise_server_exceptions=False)


PATHS = {
    "/async": ["async"],
    "/thread": ["thread"],
    "/pool": ["pool"],
    "/streams": ["piece 0", "piece 1"],
    "/streams-in-threads": ["piece 0", "piece 1"],
    "/afterwards": ["background"],
    "/fails": ["then fails"],
}


@pytest.mark.parametrize("path", PATHS)
def test_an_asgi_services_calls_are_their_requests(everything, program, path):
    client = starlette(program)
    client.get(path, headers={"X-Request-ID": "r-1", "traceparent": PARENT})
    client.get(path, headers={"X-Request-ID": "r-2"})
    client.get(path, headers={"traceparent": PARENT})
    client.get(path)
    roots = everything.roots
    assert [root.input["question"] for root in roots] == PATHS[path] * 4
    ids = [root.request_id for root in roots][:: len(PATHS[path])]
    assert ids[:3] == ["r-1", "r-2", TRACE_ID]
    assert len(set(ids)) == 4
    for root in roots:
        assert {child.request_id for child in everything.inside(root)} == {root.request_id}
    places = {root.request_id: (root.trace_id, root.span_id) for root in roots}
    assert places["r-1"] == places[TRACE_ID] == (TRACE_ID, SPAN_ID)
    assert places["r-2"] == (None, None)


def test_a_websockets_calls_are_its_requests(everything, program):
    with starlette(program, response_header="X-Request-ID").websocket_connect(
        "/chats", headers={"X-Request-ID": "r-1"}
    ) as socket:
        for text in ("a", "b"):
            socket.send_text(text)
            assert socket.receive_text() == "blue"
        socket.send_text("bye")
    assert [(root.request_id, root.input["question"]) for root in everything.roots] == [("r-1", "a"), ("r-1", "b")]


def test_the_handler_and_if_asked_for_the_client_learn_the_id(everything, program):
    silent = starlette(program).get("/async", headers={"X-Request-ID": "r-1"})
    assert silent.json() == {"id": "r-1"}
    assert "x-request-id" not in silent.headers
    client = starlette(program, response_header="X-Request-ID")
    for given, answered in (({"X-Request-ID": "r-1"}, "r-1"), ({"X-Request-ID": "no id, surely"}, None), ({}, None)):
        answer = client.get("/async", headers=given)
        assert answer.headers["x-request-id"] == answer.json()["id"] == everything.roots[-1].request_id
        assert answered in (None, answer.json()["id"])
    assert client.get("/header").headers.get_list("x-request-id") == ["own"]


def test_the_headers_asked_are_the_services(everything, program):
    headers = {"X-Request-ID": "r-1", "X-Amzn-Trace-Id": "amzn-1", "traceparent": PARENT}
    for asked in (["X-Amzn-Trace-Id"], ["traceparent", "x-request-id"], []):
        starlette(program, headers=asked).get("/async", headers=headers)
    first, second, third = (root.request_id for root in everything.roots)
    assert (first, second) == ("amzn-1", TRACE_ID)
    assert third not in headers.values()


def test_concurrent_requests_do_not_mix(everything, program):
    app = ASGIMiddleware(_answering(program))

    async def run():
        await asyncio.gather(*(_asgi(app, [(b"x-request-id", f"r-{n}".encode())], query=f"{n}") for n in range(50)))

    asyncio.run(run())
    assert len(everything.roots) == 50
    assert all(root.request_id == f"r-{root.input['question']}" for root in everything.roots)


def _answering(program):
    async def app(scope, receive, send):
        del receive
        with _settings():
            await asyncio.sleep(0)
            await program.acall(question=scope["query_string"].decode())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


async def _asgi(app, headers, query="", kind="http"):
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    await app({"type": kind, "headers": headers, "query_string": query.encode()}, receive, send)
    return sent


def test_nothing_is_left_in_the_servers_context(everything, program):
    async def run():
        await _asgi(ASGIMiddleware(_answering(program)), [(b"x-request-id", b"r-1")])
        return current_scope().request

    assert asyncio.run(run()) is None
    assert len(everything.roots) == 1


def test_other_connections_and_odd_headers_pass(everything, program):
    seen = []

    async def app(scope, receive, send):
        del receive, send
        seen.append((scope["type"], scope.get("headrace.request_id")))

    middleware = ASGIMiddleware(app)
    asyncio.run(_asgi(middleware, [], kind="lifespan"))
    asyncio.run(_asgi(middleware, [(b"x-request-id", b"r"), (b"x-request-id", b"s")]))
    asyncio.run(_asgi(middleware, [(b"x-request-id", b"\xff\xfe")]))
    asyncio.run(_asgi(middleware, None))
    assert seen[0] == ("lifespan", None)
    assert all(kind == "http" and len(request_id) == 32 for kind, request_id in seen[1:])
    assert everything.calls == []
    assert program is not None


@pytest.mark.usefixtures("everything")
def test_what_fails_in_the_middleware_is_told_once_and_the_service_answers(caplog):
    seen = []

    async def app(scope, receive, send):
        del receive, send
        seen.append(scope.get("headrace.request_id"))

    with caplog.at_level(logging.WARNING):
        asyncio.run(_asgi(ASGIMiddleware(app), ["no pair, secret"]))
        asyncio.run(_asgi(ASGIMiddleware(app), ["no pair, secret"]))
    assert seen == [None, None]
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


@pytest.mark.parametrize("middleware", [ASGIMiddleware, WSGIMiddleware])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers": "x-request-id"}, "headers must be a list of names"),
        ({"headers": ["x request id"]}, "a header's name is letters, digits and dashes, found 'x request id'"),
        ({"response_header": "a\r\nb"}, "a header's name"),
        ({"response_header": ""}, "a header's name"),
    ],
)
def test_a_header_that_is_none_is_refused_when_the_service_starts(middleware, options, message):
    with pytest.raises(UsageError, match=message):
        middleware(None, **options)


def test_what_is_configured_after_the_request_was_opened_holds_inside():
    """A service that configures DSPy in its first request still can."""
    name = "headrace_test_setting"
    settings = dspy.settings
    with headrace.request("r-1"):
        assert not hasattr(settings, name)
        from dspy.dsp.utils.settings import main_thread_config

        main_thread_config[name] = "late"
        try:
            assert dspy.settings.get(name) == "late"
        finally:
            main_thread_config.pop(name)


def test_a_request_that_is_left_in_another_context_than_it_was_entered_in_does_no_harm():
    """So it is with a generator that is a dependency of FastAPI: each half runs in a thread of its own."""
    opened = headrace.request("r-1")
    contextvars.copy_context().run(opened.__enter__)
    opened.__exit__(None, None, None)
    assert current_scope().request is None


# WSGI


def wsgi(app, *, headers=(), take=None):
    """Call a WSGI application as a server does; `take` stops after that many pieces."""
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    setup_testing_defaults(environ)
    environ["QUERY_STRING"] = ""
    environ["wsgi.file_wrapper"] = FileWrapper
    answered = {}

    def start_response(status, headers, exc_info=None):
        del exc_info
        answered.update(status=status, headers=dict(headers))
        return lambda _: None

    body = app(environ, start_response)
    pieces = []
    try:
        for piece in body:
            pieces.append(piece)
            if take is not None and len(pieces) == take:
                break
    finally:
        if hasattr(body, "close"):
            body.close()
    return answered, b"".join(pieces), environ


def lists(program):
    def app(environ, start_response):
        del environ
        start_response("200 OK", [("Content-Type", "text/plain")])
        with _settings():
            return [program(question="list").answer.encode()]

    return app


def generates(program, closed=None):
    def app(environ, start_response):
        del environ
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            with _settings():  # held from piece to piece, as a service may
                for number in range(3):
                    yield program(question=f"piece {number}").answer.encode()
                    assert dspy.settings.lm is PROGRAM_LM
        finally:
            if closed is not None:
                closed.append(current_scope().request.request_id)

    return app


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize(("make", "questions"), [(lists, ["list"]), (generates, ["piece 0", "piece 1", "piece 2"])])
def test_a_wsgi_services_calls_are_their_requests(everything, program, make, questions, checked):
    app = WSGIMiddleware(make(program), response_header="X-Request-ID")
    app = validator(app) if checked else app
    before = current_scope()
    answered, body, environ = wsgi(app, headers=[("X-Request-ID", "r-1"), ("traceparent", PARENT)])
    assert (answered["status"], body) == ("200 OK", b"blue" * len(questions))
    assert answered["headers"] == {"Content-Type": "text/plain", "x-request-id": "r-1"}
    assert environ["headrace.request_id"] == "r-1"
    assert [root.input["question"] for root in everything.roots] == questions
    assert {(call.request_id, call.trace_id, call.span_id) for call in everything.calls} == {("r-1", TRACE_ID, SPAN_ID)}
    assert current_scope() == before


def test_a_body_that_is_not_read_to_its_end_is_closed_in_its_request(everything, program):
    closed = []
    wsgi(WSGIMiddleware(generates(program, closed)), headers=[("X-Request-ID", "r-1")], take=1)
    assert closed == ["r-1"]
    assert [root.input["question"] for root in everything.roots] == ["piece 0"]


def test_a_body_that_is_never_closed_leaves_nothing_behind(everything, program):
    def app(environ, start_response):
        del environ, start_response
        for number in range(2):
            with _settings():
                answer = program(question=f"piece {number}").answer
            yield answer.encode()

    environ = {}
    setup_testing_defaults(environ)
    body = WSGIMiddleware(app)(environ, lambda *_: None)
    next(iter(body))
    assert current_scope().request is None
    assert len(everything.roots) == 1


def test_interleaved_bodies_of_one_thread_keep_their_requests(everything, program):
    app = WSGIMiddleware(generates(program))
    bodies = []
    for name in ("r-1", "r-2"):
        environ = {"HTTP_X_REQUEST_ID": name}
        setup_testing_defaults(environ)
        bodies.append(app(environ, lambda *_: None))
    for _ in range(3):
        for body in bodies:
            next(body)
    assert [root.request_id for root in everything.roots] == ["r-1", "r-2"] * 3
    for body in bodies:
        body.close()


def test_a_body_closed_while_another_thread_is_inside_does_no_harm(program):
    inside, leave, raised = threading.Event(), threading.Event(), []

    class Body:
        def __iter__(self):
            return self

        def __next__(self):
            inside.set()
            leave.wait(30)
            raise StopIteration

        def close(self):
            raised.append("closed")

    environ = {}
    setup_testing_defaults(environ)
    body = WSGIMiddleware(lambda *_: Body())(environ, lambda *_: None)
    thread = threading.Thread(target=lambda: list(body))
    thread.start()
    assert inside.wait(30)
    body.close()
    leave.set()
    thread.join(30)
    assert raised == ["closed"]
    assert program is not None


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["call", "piece"])
def test_the_applications_exceptions_pass(kind, where):
    def app(environ, start_response):
        del environ, start_response
        if where == "call":
            raise kind

        def pieces():
            raise kind
            yield b""

        return pieces()

    with pytest.raises(kind):
        wsgi(WSGIMiddleware(app))
    assert current_scope().request is None


def test_a_file_is_handed_to_the_server_as_it_is():
    import io

    def app(environ, start_response):
        del start_response
        return environ["wsgi.file_wrapper"](io.BytesIO(b"file"))

    environ = {"wsgi.file_wrapper": FileWrapper}
    setup_testing_defaults(environ)
    assert isinstance(WSGIMiddleware(app)(environ, lambda *_: None), FileWrapper)
