"""`headrace ui` from end to end."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from headrace.config import Config
from headrace.errors import UsageError
from headrace_consumers.monitoring.guard import Guard
from headrace_consumers.ui.cache import Cache
from headrace_consumers.ui.hosts import is_loopback
from headrace_consumers.ui.pages import PAGES
from headrace_consumers.ui.server import serve
from headrace_consumers.ui.site import Site
from headrace_consumers.ui.sources import Sources

__all__ = ["run"]


def run(
    config: Config,
    config_path: Path | None,
    *,
    host: str,
    port: int,
    names: Sequence[str],
    stop: threading.Event,
    on_listening: Callable[[str, list[str]], None],
) -> None:
    """Serve the pages until `stop` is set.

    Args:
        config: the whole configuration.
        config_path: where it came from, for the commands that pages name.
        host: the address to bind.
        port: 0 takes a free one.
        names: by which browsers may ask for it, beside localhost, addresses in numbers and this host's name.
        stop: set it to end.
        on_listening: told the address of the page, and what somebody should know of it.

    Raises:
        UsageError: others would see the page without a token.
        ConfigError: the token or certificate cannot be used, or the address cannot be bound.
    """
    guard = Guard(config)
    is_here = is_loopback(host)
    if not is_here and not guard.asks:
        raise UsageError(
            f"--host {host}: others would see what was captured; set web.token to env:NAME or file:PATH of a token "
            "(openssl rand -hex 24), or leave out --host"
        )
    known = [*names, *([] if is_here else [socket.gethostname()])]
    site = Site(Sources(config, config_path, Cache(time.monotonic)), PAGES)
    with serve(site.answer, host, port, names=known, guard=guard) as bound:
        on_listening(_address(config, host, bound, names), _notes(config, guard, is_here=is_here))
        stop.wait()


def _address(config: Config, host: str, port: int, names: Sequence[str]) -> str:
    scheme = "http" if config.web.certificate is None else "https"
    everywhere = host in {"0.0.0.0", "::"}  # noqa: S104  # is compared, not bound
    name = names[0] if names else socket.gethostname() if everywhere else host
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/"


def _notes(config: Config, guard: Guard, *, is_here: bool) -> list[str]:
    notes = []
    if guard.asks:
        notes.append("it asks for the token of web.token: give it as the password, with any user")
    if not is_here and config.web.certificate is None:
        notes.append("the token and what is shown go unencrypted: set web.certificate and web.key")
    return notes
