"""Which calls of a signature are the same: a producer's policy, for the deduplication key is made there. Pure.

    inputs, redacted -> those that count -> their texts as they are compared -> the key

The policy is named in each record (`dedup_policy`), so that a consumer can tell keys made by different ones apart:

    all  fields:a,b     which inputs count               +case  +space   what of their texts does not
    off                 each call is an example of its own
    none                the call's inputs are not all there, so it is nobody's duplicate
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.config.consumers import Dedup, DedupPolicy
from headrace_schemas.names import to_valid_name

__all__ = ["OFF", "Counted", "Policies"]

OFF: Final = "off"
_OTHERS: Final = "*"


@dataclass(frozen=True, slots=True)
class Counted:
    """What makes the key.

    Attributes:
        policy: its name.
        inputs: what is compared; None: no other call is the same.
    """

    policy: str
    inputs: dict[str, Any] | None


class Policies:
    """The policy of each signature.

    Args:
        dedup: the configuration; `*` stands for all signatures without a policy of their own.
    """

    def __init__(self, dedup: Dedup) -> None:
        named = dict(dedup.signatures)
        self._others = named.pop(_OTHERS, DedupPolicy())
        self._of = {to_valid_name(name): policy for name, policy in named.items()}

    def counted(self, signature: str, inputs: dict[str, Any]) -> Counted:
        """Return what makes the key of a call.

        Args:
            signature: its valid name.
            inputs: JSON values, as they leave.
        """
        policy = self._of.get(signature, self._others)
        if not policy.enabled:
            return Counted(OFF, None)
        fields = sorted(set(policy.fields or ()))
        chosen = {name: inputs[name] for name in fields if name in inputs}
        # Fields of which the call has none would make all such calls one: then all inputs count.
        name = "fields:" + ",".join(fields) if chosen else "all"
        compared: dict[str, Any] = chosen or inputs
        if policy.ignore_case:
            name += "+case"
        if policy.ignore_white_space:
            name += "+space"
        if policy.ignore_case or policy.ignore_white_space:
            compared = {key: _plainer(value, policy) for key, value in compared.items()}
        return Counted(name, compared)


def _plainer(value: Any, policy: DedupPolicy) -> Any:
    """Return a JSON value with its texts as they are compared; names of members stay as they are."""
    if isinstance(value, str):
        if policy.ignore_white_space:
            value = " ".join(value.split())
        return value.casefold() if policy.ignore_case else value
    if isinstance(value, Mapping):
        return {name: _plainer(item, policy) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plainer(item, policy) for item in value]
    return value
