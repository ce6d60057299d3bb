"""Which requests are captured: a pure function of the request id and the rate."""

import os
import random
import time
from typing import Final

from headrace_schemas import keys

__all__ = ["is_sampled", "new_request_id", "to_unicode"]

_random: Final = random.Random()  # noqa: S311  # an id need not be a secret
os.register_at_fork(after_in_child=_random.seed)


def is_sampled(request_id: str, rate: float) -> bool:
    """Tell whether a request is captured at `rate`, a share from 0 (none) to 1 (all).

    The same in every process, release and language; a request captured at one rate is captured at every higher one.
    """
    return keys.is_below_rate(keys.sampling_hash(request_id), rate)


def new_request_id() -> str:
    """Return a fresh id of a request or record: the 32 hex digits of a random (version 4) UUID.

    Made by hand: `uuid.uuid4().hex` takes four times as long, and reading the system's randomness lets go of the
    interpreter lock, which a busy background thread may then keep for milliseconds. The clock keeps the processes apart
    that a snapshot of a machine's memory is restored to.
    """
    digits = f"{_random.getrandbits(128) ^ time.time_ns():032x}"
    return f"{digits[:12]}4{digits[13:16]}a{digits[17:]}"


def to_unicode(value: object) -> str:
    """Return `str(value)` as text that UTF-8 can carry: lone surrogates become question marks."""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
