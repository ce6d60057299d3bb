"""Inputs and outputs as services have them, for the benchmark of finishing."""

import json
from typing import Any, Final

__all__ = ["RECORDS"]

_PARCEL: Final = (
    "The customer wrote that the parcel from order 48213 arrived on 2025-11-04 at 10:30 but one of the two cups was "
    "broken: she would like a replacement (or her money back). We answered within 3 hours; the warehouse has 12 of "
    "them left, and the price is EUR 24.90 each. "
)
_RIVER: Final = (
    "A headrace carries the water of a river to the wheel of a mill. Where the fall is small the channel is long, and "
    "it is lined with stone or wood so that little of the water is lost on its way; a gate keeps the floods out. "
)
_ROWS: Final = [{"id": n, "sku": f"A-{n:05}", "price": n * 1.25, "in_stock": n % 3 > 0} for n in range(30)]

RECORDS: Final[dict[str, dict[str, Any]]] = {
    "question and answer, 200 bytes": {
        "input": {"question": "Which channel brings the water to the wheel of a mill?"},
        "output": {"reasoning": "It is asked for the channel before the mill.", "answer": "The headrace."},
    },
    "retrieval, prose without digits": {
        "input": {"question": "What is a headrace?", "context": [_RIVER, _RIVER[::-1], _RIVER.upper()] * 2},
        "output": {"reasoning": _RIVER * 2, "answer": "A channel.", "confidence": 0.92},
    },
    "support, with an e-mail address": {
        "input": {
            "question": "Can I still return a cup that came broken? My e-mail is jane.doe@example.com.",
            "context": [_PARCEL, _PARCEL.replace("cup", "plate"), _PARCEL.upper()],
            "history": [
                {"role": "user", "content": "hello there"},
                {"role": "assistant", "content": "How can I help you today?"},
            ],
        },
        "output": {"reasoning": _PARCEL * 2, "answer": "Yes: within 30 days of delivery, free of charge."},
    },
    "rows of JSON as one text": {
        "input": {"query": "which are in stock", "rows": json.dumps(_ROWS)},
        "output": {"answer": "20 of 30"},
    },
    "rows of JSON as objects": {
        "input": {"query": "which are in stock", "rows": _ROWS},
        "output": {"answer": "20 of 30"},
    },
}
