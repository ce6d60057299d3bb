"""A chat completion server on this machine, for tests of what only a real dspy.LM does: its cache, retries, streams.

with serving(chat(answer="blue")) as server:
    lm = dspy.LM("openai/gpt-4o-mini", api_base=server.url, api_key="none")
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

__all__ = ["MODEL", "Reply", "Server", "chat", "in_turn", "serving"]

MODEL: Final = "openai/gpt-4o-mini"
TOKENS: Final = (11, 5)
"""What each completion reports: prompt tokens, completion tokens."""


@dataclass(frozen=True)
class Reply:
    """What the server answers: a completion's text, or an error's status."""

    text: str = ""
    status: int = 200


Answering = Callable[[Mapping[str, Any]], Reply]


def chat(**fields: Any) -> Answering:
    """Answer every prompt with these fields, as ChatAdapter wants them."""
    return lambda _: Reply(_chat_text(fields))


def in_turn(*replies: Reply | Mapping[str, Any]) -> Answering:
    """Answer one after the other; the last one for ever."""
    left = list(replies)
    lock = threading.Lock()

    def answer(_: Mapping[str, Any]) -> Reply:
        with lock:
            reply = left.pop(0) if len(left) > 1 else left[0]
        return reply if isinstance(reply, Reply) else Reply(_chat_text(reply))

    return answer


def _chat_text(fields: Mapping[str, Any]) -> str:
    parts = "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in fields.items())
    return parts + "[[ ## completed ## ]]\n"


@dataclass
class Server:
    """A running server.

    Attributes:
        url: what goes into `api_base`.
        requests: the bodies received.
        gate: a streamed answer waits for it after its first half; open unless cleared.
    """

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)


class _Httpd(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed before its answer: a test may look at what its process prints."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(answer: Answering) -> Iterator[Server]:
    """Serve until the block ends."""
    httpd = _Httpd(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server = Server(f"http://127.0.0.1:{httpd.server_address[1]}/v1")
    server.gate.set()
    httpd.RequestHandlerClass = _handler(server, answer)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join(10)


def _handler(server: Server, answer: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the list of models; the name is http.server's
            models = {"object": "list", "data": [{"id": MODEL.partition("/")[2], "object": "model"}]}
            self._send("application/json", json.dumps(models), Reply())

        def do_POST(self) -> None:  # the name is http.server's
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append(body)
            reply = answer(body)
            if reply.status != 200:
                self._send(
                    "application/json", json.dumps({"error": {"message": "on purpose", "type": "server"}}), reply
                )
            elif body.get("stream"):
                self._stream(reply.text)
            else:
                self._send("application/json", json.dumps(_completion(reply.text, body.get("n") or 1)), reply)

        def _send(self, kind: str, text: str, reply: Reply) -> None:
            content = text.encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
            try:
                for number, piece in enumerate(pieces):
                    if number == len(pieces) // 2:
                        server.gate.wait(30)
                    self._event(_chunk({"role": "assistant", "content": piece}, None))
                self._event(_chunk({}, "stop"))
                self._event({**_chunk({}, None), "choices": [], "usage": _usage()})
                self.wfile.write(b"data: [DONE]\n\n")
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the consumer has left

        def _event(self, chunk: Mapping[str, Any]) -> None:
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the names are http.server's
            del format, args

    return Handler


def _usage() -> dict[str, int]:
    return {"prompt_tokens": TOKENS[0], "completion_tokens": TOKENS[1], "total_tokens": sum(TOKENS)}


def _completion(text: str, n: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": index, "message": message, "finish_reason": "stop"} for index in range(n)],
        "usage": _usage(),
    }


def _chunk(delta: Mapping[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
