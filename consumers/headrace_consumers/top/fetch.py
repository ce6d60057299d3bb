"""A page over HTTP, or in a few words why there is none."""

import http.client
import ssl
import urllib.error
import urllib.request
from typing import Final

from headrace_consumers.top.page import NoPageError, Reading, read
from headrace_consumers.top.targets import Target

__all__ = ["UnreachableError", "fetch"]

_MOST_BYTES: Final = 64_000_000


class UnreachableError(Exception):
    """There is no page; says why, to stand behind the address."""


def fetch(target: Target, timeout_s: float) -> Reading:
    """Return what a consumer's page says.

    A proxy of the environment is not asked: consumers are near, and Prometheus asks none either.

    Args:
        target: the page.
        timeout_s: how long it may be silent, seconds.

    Raises:
        UnreachableError: it has none to give.
    """
    headers = {"Accept": "text/plain;version=0.0.4"}
    if target.authorization:
        headers["Authorization"] = target.authorization
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        request = urllib.request.Request(target.url, headers=headers)  # noqa: S310  # http or https: `of_url` sees to it
        with opener.open(request, timeout=timeout_s) as answer:
            body = answer.read(_MOST_BYTES + 1)
            content_type = answer.headers.get("Content-Type", "")
        if len(body) > _MOST_BYTES:
            raise UnreachableError(f"sends more than {_MOST_BYTES / 1e6:.0f} MB")
        return read(body.decode("utf-8", "replace"), content_type)
    except NoPageError as error:
        raise UnreachableError(str(error)) from None
    except urllib.error.HTTPError as error:
        error.close()
        raise UnreachableError(f"answers {error.code} {error.reason}".rstrip()) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(_why(error, timeout_s)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Nobody who is not named is sent the password."""

    def redirect_request(self, *_: object) -> None:
        return None


def _why(error: Exception, timeout_s: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"cannot be reached (no answer in {timeout_s:g} s)"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"cannot be trusted ({cause.verify_message})"
    if isinstance(cause, OSError) and cause.strerror:
        return f"cannot be reached ({cause.strerror})"
    return f"cannot be reached ({type(cause).__name__})"
