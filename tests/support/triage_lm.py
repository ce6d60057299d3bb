"""An LM that sorts tickets as its prompt tells it: parcels and keys rightly where instructions or a demo say how.

Asked for instructions, it proposes some that say so: an optimizer that uses its answers improves the program honestly.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.lm_answers import Asked, answering
from tests.support.openai_server import Answering

__all__ = ["KEYS", "KEY_RULE", "RULE", "TICKETS", "right_queue", "served_queue", "triage_lm"]

RULE = "A parcel goes to shipping, a refund to billing, the rest to other."
KEY_RULE = "A key goes to shipping."
_WORDS = ("refund", "parcel", "invoice copy")
_RIGHT = {"refund": "billing", "parcel": "shipping", "invoice copy": "other", "key": "shipping"}
_RULES = {"parcel": RULE, "key": KEY_RULE}
TICKETS = [f"Number {number}: where is my {_WORDS[number % 3]}, please" for number in range(300)]
KEYS = [f"Number {number}: where is my key, please" for number in range(90)]


def right_queue(ticket: str) -> str:
    """What a person would say."""
    return next((queue for word, queue in _RIGHT.items() if word in ticket), "other")


def served_queue(ticket: str) -> str:
    """What the program answers as it is."""
    return "other" if any(word in ticket for word in _RULES) else right_queue(ticket)


def triage_lm(proposed: Sequence[str] = (RULE,)) -> Answering:
    """Answer as told above.

    Args:
        proposed: the rules that it proposes; a list may grow meanwhile.
    """

    def make(asked: Asked) -> Mapping[str, Any]:
        if "proposed_instruction" in asked.outputs:
            return {"proposed_instruction": " ".join(["Sort the ticket.", *proposed])}
        if "queue" in asked.outputs:
            ticket = asked.inputs["ticket"]
            return {"queue": right_queue(ticket) if _is_told(ticket, asked.body) else served_queue(ticket)}
        return {}

    return answering(make)


def _is_told(ticket: str, body: Mapping[str, Any]) -> bool:
    """Tell whether the instructions, or a demo, say where what the ticket is about belongs."""
    system, *others = (_text(message) for message in body["messages"])
    demos = [*zip(others[0::2], others[1::2], strict=False)]
    return any(
        word in ticket
        and (rule in system or any(word in asked and "shipping" in answered for asked, answered in demos))
        for word, rule in _RULES.items()
    )


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else json.dumps(content)
