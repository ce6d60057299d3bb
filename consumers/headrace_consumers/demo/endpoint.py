"""An OpenAI-compatible endpoint that a demo is given: which model it serves."""

import json
import os
import urllib.error
import urllib.request

from headrace.errors import UsageError

__all__ = ["model_at"]


def model_at(url: str) -> str:
    """Return the first model that an endpoint serves.

    Raises:
        UsageError: it does not answer as such.
    """
    key = os.environ.get("OPENAI_API_KEY", "none")
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"--lm {url}: expected the address of an OpenAI-compatible endpoint, e.g. http://localhost:8000/v1"
        )
    request = urllib.request.Request(f"{url.rstrip('/')}/models", headers={"Authorization": f"Bearer {key}"})  # noqa: S310  # see above
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return str(json.load(answer)["data"][0]["id"])
    except (OSError, urllib.error.URLError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UsageError(f"--lm {url}: lists no model at {url.rstrip('/')}/models ({type(error).__name__})") from None
