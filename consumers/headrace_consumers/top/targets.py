"""Where the consumers' pages are: as the configuration says, or as the caller does. Pure."""

import base64
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit, urlunsplit

from headrace.config import Config
from headrace.errors import UsageError
from headrace_consumers.monitoring.server import LOOK
from headrace_consumers.top.rows import Row

__all__ = ["Target", "of_config", "of_url", "unwatched"]

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # listens everywhere, so here too


@dataclass(frozen=True, slots=True)
class Target:
    """A page.

    Attributes:
        address: as it is shown; without a password.
        url: what is asked for.
        authorization: the header, or nothing.
        consumer: which one should be there; empty where nobody said.
    """

    address: str
    url: str
    authorization: str = field(default="", repr=False)
    consumer: str = ""


def of_config(config: Config, token: str = "") -> list[Target]:
    """Return the pages of the consumers that a configuration gives a port, on this host or where it says.

    Args:
        config: its ports, and whether they are encrypted.
        token: what to ask with.
    """
    authorization = f"Bearer {token}" if token else ""
    dataset = config.dataset
    places = [
        ("metrics", config.metrics.host, config.metrics.port),
        ("dataset", dataset.health_host, dataset.health_port),
        ("feedback", dataset.health_host, dataset.feedback_health_port),
    ]
    scheme = "http" if config.web.certificate is None else "https"
    return [
        replace(_of_place(scheme, _EVERYWHERE.get(host, host), port), consumer=name, authorization=authorization)
        for name, host, port in places
        if port is not None
    ]


def unwatched(config: Config) -> list[Row]:
    """Return rows for the consumers whose figures cannot be read, since the configuration gives them no port."""
    settings = (("dataset", "health_port"), ("feedback", "feedback_health_port"))
    return [
        Row("consumer", f"{name} is not looked at: dataset.{setting} is not set")
        for name, setting in settings
        if getattr(config.dataset, setting) is None
    ]


def of_url(text: str) -> Target:
    """Return the page that an address means: ``HOST:PORT``, or a URL, by default with the path /metrics.

    Raises:
        UsageError: it is no address.
    """
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # of the port
        is_usable = False
    if not is_usable or any(character.isspace() or not character.isprintable() for character in text):
        raise UsageError("--url: expected HOST:PORT or http(s)://HOST:PORT/metrics; give a consumer's address")
    netloc = parts.netloc.rpartition("@")[2]
    path = "/metrics" if parts.path in {"", "/"} else parts.path
    shown = urlunsplit((parts.scheme, netloc, path, "", ""))
    secret = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        secret = f"Basic {base64.b64encode(pair.encode()).decode()}"
    query = parts.query or LOOK.partition("?")[2]
    is_plain = parts.scheme == "http" and path == "/metrics"
    return Target(netloc if is_plain else shown, urlunsplit((parts.scheme, netloc, path, query, "")), secret)


def _of_place(scheme: str, host: str, port: int) -> Target:
    return of_url(f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}")
