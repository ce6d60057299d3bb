"""Which requests are captured: a pure function of the request id and the rate."""

import os
from typing import Final

from headrace_schemas import keys

__all__ = ["is_sampled", "new_request_id", "to_unicode"]


def is_sampled(request_id: str, rate: float) -> bool:
    """Tell whether a request is captured at `rate`, a share from 0 (none) to 1 (all).

    The same in every process, release and language; a request captured at one rate is captured at every higher one.
    """
    return keys.is_below_rate(keys.sampling_hash(request_id), rate)


def new_request_id() -> str:
    """Return a fresh id of a request or record: the 32 hex digits of a random (version 4) UUID.

    Made by hand: `uuid.uuid4().hex` takes four times as long, and most of these ids only serve to be turned down.
    """
    digits = os.urandom(16).hex()
    return f"{digits[:12]}4{digits[13:16]}a{digits[17:]}"


def to_unicode(value: object) -> str:
    """Return `str(value)` as text that UTF-8 can carry: lone surrogates become question marks."""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
