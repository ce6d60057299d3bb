"""Who may see a consumer's page: tokens and certificates, read anew when their files change, without a restart."""

import base64
import hmac
import os
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from headrace.config import Config
from headrace.errors import ConfigError

__all__ = ["Guard", "token"]

_SHORTEST: Final = 16
_LARGEST_FILE: Final = 65_536
log = structlog.get_logger("headrace.web")


class Guard:
    """Guards a port.

    Args:
        config: its section `web`.
        environ: the environment variables.

    Attributes:
        asks: whether a token is needed.

    Raises:
        ConfigError: a token, certificate or key is not where it should be, or is none.
    """

    def __init__(self, config: Config, environ: Mapping[str, str] = os.environ) -> None:
        self._web = config.web
        self._environ = environ
        self._lock = threading.Lock()
        self._token_stamp: object = None
        self._tokens: tuple[bytes, ...] = ()
        self._certificate_stamp: object = None
        self._context: ssl.SSLContext | None = None
        self.asks = self._web.token is not None
        if self.asks:
            self._read_tokens()
        if self._web.certificate is not None:
            self._context = self._new_context()

    def admits(self, authorization: str) -> bool:
        """Tell whether an Authorization header holds a token; so does each, where none is needed.

        Args:
            authorization: ``Bearer TOKEN``, or ``Basic`` with the token as the password of any user.
        """
        if not self.asks:
            return True
        given = _token_of(authorization)
        # Each is compared in full: neither the time nor the place of the first difference says anything.
        matches = [hmac.compare_digest(given, token) for token in self._current_tokens()]
        return any(matches)

    @property
    def newest_token(self) -> str:
        """The last of the tokens: earlier ones are on their way out. Empty where none is needed."""
        return self._current_tokens()[-1].decode() if self.asks else ""

    def context(self) -> ssl.SSLContext | None:
        """Return what a connection is encrypted with, or None: it is not."""
        with self._lock:
            if self._context is None:
                return None
            try:
                if self._stamp(self._web.certificate, self._web.key) != self._certificate_stamp:
                    self._context = self._new_context()
                    log.info("certificate read anew", certificate=self._web.certificate)
            except (ConfigError, OSError) as error:  # being replaced just now, say: the former one holds
                log.warning("the certificate cannot be read; the former one is used", reason=str(error))
            return self._context

    def _current_tokens(self) -> tuple[bytes, ...]:
        with self._lock:
            try:
                if self._stamp(*self._token_files()) != self._token_stamp:
                    self._read_tokens()
            except (ConfigError, OSError) as error:
                log.warning("the token cannot be read; the former one is used", reason=str(error))
            return self._tokens

    def _token_files(self) -> tuple[str, ...]:
        kind, _, place = (self._web.token or "").partition(":")
        return (place,) if kind == "file" else ()

    def _read_tokens(self) -> None:
        kind, _, place = (self._web.token or "").partition(":")
        stamp = None
        if kind == "env":
            text = self._environ.get(place, "")
            what = f"the environment variable {place}"
        else:
            what = f"the file {place}"
            try:
                stamp = self._stamp(place)
                with Path(place).open("rb") as file:
                    text = file.read(_LARGEST_FILE).decode("utf-8", "replace")
            except OSError as error:
                raise ConfigError(f"web.token: cannot read {what} ({error.strerror})") from None
        tokens = tuple(line.strip().encode() for line in text.splitlines() if line.strip())
        if not tokens or min(map(len, tokens)) < _SHORTEST:
            found = f"a token of less than {_SHORTEST} characters" if tokens else "no token"
            raise ConfigError(f"web.token: {what} holds {found}; make one: openssl rand -hex 24")
        self._tokens, self._token_stamp = tokens, stamp

    def _new_context(self) -> ssl.SSLContext:
        """Make another one: half of a pair, loaded into the one in use, would spoil it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        certificate, key = self._web.certificate or "", self._web.key or ""
        try:
            stamp = self._stamp(certificate, key)
            context.load_cert_chain(certificate, key, password="")  # never ask the terminal for one
        except ssl.SSLError as error:
            raise ConfigError(
                f"web.certificate, web.key: {certificate} and {key} are no certificate and its private key "
                f"({error.reason or 'not PEM'})"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"web.certificate, web.key: cannot read {certificate} or {key} ({error.strerror})"
            ) from None
        self._certificate_stamp = stamp
        return context

    @staticmethod
    def _stamp(*paths: str | None) -> object:
        stats = [Path(path).stat() for path in paths if path is not None]
        return [(each.st_mtime_ns, each.st_size, each.st_ino) for each in stats]


def token(config: Config, environ: Mapping[str, str] = os.environ) -> str:
    """Return a token to ask with; empty where none is needed.

    Raises:
        ConfigError: it is not where it should be.
    """
    guard = Guard(config.model_copy(update={"web": config.web.model_copy(update={"certificate": None})}), environ)
    return guard.newest_token


def _token_of(authorization: str) -> bytes:
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except ValueError:  # no Base64, or letters beyond ASCII
            return b""
    return b""
