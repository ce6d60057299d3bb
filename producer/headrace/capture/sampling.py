"""Which requests are captured: a pure function of the request id and the rate."""

import os
import random
import time
from typing import Final, Protocol, TypeAlias

from headrace_schemas import keys

__all__ = ["UNDECIDED", "Share", "new_request_id", "share_of", "to_unicode"]

Share: TypeAlias = tuple[object, float | None, bytes]
"""Who decided, what share of a module's requests is captured (None: the module is off), the same as a threshold."""

UNDECIDED: Final[Share] = (None, None, b"")

_random: Final = random.Random()  # noqa: S311  # an id need not be a secret
os.register_at_fork(after_in_child=_random.seed)
_ANY: Final = 0xFFFFFFFFFFFF_0FFF_0FFFFFFFFFFFFFFF
_VERSION_4: Final = 0x000000000000_4000_A000000000000000


class _Decides(Protocol):
    def rate_of(self, module: str) -> float | None: ...


def share_of(policy: _Decides, module: str) -> Share:
    """Return the share of a module's requests that a policy lets be captured.

    A request is captured where `keys.sampling_digest` of its id is below the threshold: the same in every process,
    release and language; one that is captured at some rate is captured at every higher one.
    """
    rate = policy.rate_of(module)
    return policy, rate, keys.sampling_threshold(rate or 0)


def new_request_id() -> str:
    """Return a fresh id of a request or record: the 32 hex digits of a random (version 4) UUID.

    Made by hand: `uuid.uuid4().hex` takes four times as long, and reading the system's randomness lets go of the
    interpreter lock, which a busy background thread may then keep for milliseconds. The clock keeps the processes apart
    that a snapshot of a machine's memory is restored to.
    """
    return f"{(_random.getrandbits(128) ^ time.time_ns()) & _ANY | _VERSION_4:032x}"


def to_unicode(value: object) -> str:
    """Return `str(value)` as plain text that UTF-8 can carry: lone surrogates become question marks.

    Of a subclass of str (as some web frameworks' texts are) it is the text itself: its methods are somebody's code.
    """
    text = str.__str__(value if isinstance(value, str) else str(value))
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
