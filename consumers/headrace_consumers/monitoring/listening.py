"""A port of ours: bound or said why not, a thread a request, TLS where there is a certificate."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from headrace.errors import ConfigError
from headrace_consumers.monitoring.guard import Guard

__all__ = ["REQUEST_TIMEOUT_S", "listening"]

REQUEST_TIMEOUT_S: Final = 5.0
"""So long whoever asks may be silent."""


@contextlib.contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler],
    host: str,
    port: int,
    *,
    setting: str,
    host_setting: str,
    guard: Guard | None = None,
    name: str = "headrace-health",
) -> Iterator[int]:
    """Let a handler answer while the context is open; yield the port.

    Args:
        handler: answers a request.
        host: the address to bind.
        port: 0 takes a free one.
        setting: the port's name in the configuration, told where it cannot be had.
        host_setting: the address' name.
        guard: encrypts; None: nothing is.
        name: of the thread.

    Raises:
        ConfigError: the address cannot be bound.
    """
    try:
        server = (_Server6 if ":" in host else _Server)((host, port), handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"{setting}: cannot listen on {host}:{port} ({getattr(error, 'strerror', None) or error}); "
            f"give another port or {host_setting}"
        ) from None
    server.guard = guard
    thread = threading.Thread(target=server.serve_forever, name=name, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """Shakes hands in the request's own thread: who is slow with it holds up nobody."""

    daemon_threads = True
    guard: Guard | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        context = None if self.guard is None else self.guard.context()
        if context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(REQUEST_TIMEOUT_S)
        try:
            secured = context.wrap_socket(request, server_side=True)
        except OSError:  # no TLS, or not the certificate that was hoped for: the other side says so to its user
            return
        try:
            super().finish_request(secured, client_address)
        finally:
            with contextlib.suppress(OSError):
                secured.unwrap()
            secured.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone, in the midst of it: no traceback for that."""


class _Server6(_Server):
    address_family = socket.AF_INET6
