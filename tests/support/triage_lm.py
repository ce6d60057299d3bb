"""An LM that sorts tickets as its prompt tells it: a parcel it sorts right where instructions or a demo say how.

Asked for instructions, it proposes some that say so: an optimizer that uses its answers improves the program honestly.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.lm_answers import Asked, answering
from tests.support.openai_server import Answering

__all__ = ["RULE", "TICKETS", "right_queue", "served_queue", "triage_lm"]

RULE = "A parcel goes to shipping, a refund to billing, the rest to other."
_WORDS = ("refund", "parcel", "invoice copy")
_RIGHT = {"refund": "billing", "parcel": "shipping", "invoice copy": "other"}
TICKETS = [f"Number {number}: where is my {_WORDS[number % 3]}, please" for number in range(300)]


def right_queue(ticket: str) -> str:
    """What a person would say."""
    return next((queue for word, queue in _RIGHT.items() if word in ticket), "other")


def served_queue(ticket: str) -> str:
    """What the program answers as it is."""
    return "other" if "parcel" in ticket else right_queue(ticket)


def triage_lm() -> Answering:
    """Answer as told above."""
    return answering(_make)


def _make(asked: Asked) -> Mapping[str, Any]:
    if "proposed_instruction" in asked.outputs:
        return {"proposed_instruction": f"Sort the ticket. {RULE}"}
    if "queue" in asked.outputs:
        ticket = asked.inputs["ticket"]
        return {"queue": right_queue(ticket) if _is_told(asked.body) else served_queue(ticket)}
    return {}


def _is_told(body: Mapping[str, Any]) -> bool:
    """Tell whether the instructions, or a demo, say where a parcel belongs."""
    system, *others = (_text(message) for message in body["messages"])
    demos = zip(others[0::2], others[1::2], strict=False)
    return RULE in system or any("parcel" in asked and "shipping" in answered for asked, answered in demos)


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else json.dumps(content)
