"""Golden vectors: what every implementation of the contract, in any language, must reproduce.

`python -m headrace_schemas.vectors` prints them from the code; a test compares that with the published vectors.json,
so a change of the contract shows as a change of that file. "json" is a value as an ordinary encoder writes it, null
where ordinary JSON cannot hold it: there `canonical.loads(canonical)` is the value (see canonical.py).
"""

import json
import sys
from importlib import resources
from typing import Any, Final

from headrace_schemas import canonical, keys, names
from headrace_schemas.codec import interaction_codec
from headrace_schemas.records import Interaction

__all__ = ["generate", "vectors"]

_VALUES: Final[tuple[Any, ...]] = (
    None,
    {"b": [True, None, 1], "a": {"z": "", "é": 'ü\n\u0000"\\/'}},
    {"\U0001f600": 1, "\ufb33": 2, "€": 3, "1": 4},
    [0.1, 1e21, 1e-7, 333333333.3333333, 5.0, -0.0, 4.5, 2e-3, 1e30],
    [2**53 - 1, 2**53, -(2**63), 10**30],
    [float("nan"), float("inf"), float("-inf")],
    "lone \ud800 surrogate",
    {1: "one", "1": "text", None: [], 2.5: {}},
    {"$hr:int": "not a tag but a user's own member"},
    {"\udc00": 1},
)
_REQUEST_IDS: Final = ("", "0", "req-1", "req-2", "7f3c0a52-8f0e-4d55-9df3-0c1f0b1d2a11", "größe-✓")
_RATES: Final = (0.0, 0.01, 0.1, 0.5, 1.0)
_NAMES: Final = ("reviewer", ".", "..", "", "a b", "größe", "x" * 128, "x" * 129, "../etc/passwd")

EXAMPLE: Final[Interaction] = {
    "event_id": "0192f0c1d2e3f4a5b6c7d8e9f0a1b2c3",
    "parent_event_id": None,
    "request_id": "req-1",
    "subject_id": "subject-7",
    "trace_id": None,
    "span_id": None,
    "service": "reviews",
    "environment": "production",
    "instance": "host-1",
    "module_name": "reviewer",
    "module_version": "baseline",
    "signature": "extract_requirements",
    "fields_hash": "0123456789abcdef",
    "program_hash": None,
    "input": '{"context":"REST API project","user_intent":"Implement user authentication"}',
    "output": '{"requirements":["JWT token generation"]}',
    "timestamp_ms": 1_699_564_800_000,
    "latency_ms": 250.0,
    "tokens": 120,
    "tokens_input": 100,
    "tokens_output": 20,
    "cost_usd": 0.0018,
    "model": "claude-haiku-4-5",
    "lm_calls": 1,
    "cache_hits": 0,
    "success": True,
    "error": None,
    "error_type": None,
    "inclusion_probability": 0.1,
    "capture_level": "full",
    "keep_reason": "sample",
    "redaction_version": "1",
    "redactions": 0,
    "truncated": False,
    "dedup_key": "00" * 32,
    "dedup_policy": "all",
    "attributes": "{}",
}


def generate() -> dict[str, Any]:
    """Return the vectors as this code computes them."""
    inputs = canonical.dumps({"user_intent": "x", "context": "y"})
    fields = [
        ("input", "user_intent", "str"),
        ("input", "context", "str"),
        ("output", "requirements", "list[str]"),
    ]
    key = keys.dedup_key("extract_requirements", keys.fields_hash(fields), inputs)
    return {
        "canonical": [_canonical_vector(value) for value in _VALUES],
        "sampling": [
            {
                "request_id": request_id,
                "hash": str(keys.sampling_hash(request_id)),
                "sampled_at_rate": {
                    str(rate): keys.is_below_rate(keys.sampling_hash(request_id), rate) for rate in _RATES
                },
                "arm_hash_of_rollout_r1": str(keys.arm_hash("r1", request_id)),
                "request_id_hash_hex": keys.request_id_hash(request_id).hex(),
            }
            for request_id in _REQUEST_IDS
        ],
        "names": [{"name": name, "valid_name": names.to_valid_name(name)} for name in _NAMES],
        "dedup_key": {
            "signature": "extract_requirements",
            "fields": fields,
            "fields_hash": keys.fields_hash(fields),
            "signature_hash": keys.signature_hash(fields),
            "canonical_inputs": inputs.decode(),
            "dedup_key": key,
            "dedup_key_hmac_of_secret_s3cret": keys.dedup_key(
                "extract_requirements", keys.fields_hash(fields), inputs, secret=b"s3cret"
            ),
            "partition_of_8": keys.partition_of(key.encode(), 8),
            "event_key_of_event_1": keys.event_key("event-1"),
            "split_hash": str(keys.split_hash(key)),
        },
        "encoding": {"record": EXAMPLE, "message_hex": interaction_codec().encode(EXAMPLE).hex()},
    }


def _canonical_vector(value: Any) -> dict[str, Any]:
    canonical_bytes = canonical.dumps(value)
    ordinary = None if b"$hr:" in canonical_bytes else json.dumps(value)
    return {"json": ordinary, "canonical": canonical_bytes.decode(), "canonical_hex": canonical_bytes.hex()}


def vectors() -> dict[str, Any]:
    """Return the published vectors."""
    text = (resources.files("headrace_schemas") / "vectors.json").read_text(encoding="utf-8")
    published: dict[str, Any] = json.loads(text)
    return published


if __name__ == "__main__":
    sys.stdout.write(json.dumps(generate(), indent=1, ensure_ascii=True) + "\n")
