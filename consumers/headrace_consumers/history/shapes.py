"""What the lines of logs looked like over time, each brought to one shape. Pure.

the document's InteractionLog     tokens: 120 | {input_tokens, output_tokens, ...} | {prompt, completion, total}
                                  module_version: "baseline" | "Baseline" | {"Optimized": "v1"}
Headrace's own log and spool      the interaction's fields, finished and redacted when it was written
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.captured import CapturedCall
from headrace_schemas import canonical

__all__ = ["BadLineError", "HistoricCall", "is_finished", "parse", "to_call"]

_INPUT_TOKENS: Final = ("input_tokens", "prompt", "prompt_tokens")
_OUTPUT_TOKENS: Final = ("output_tokens", "completion", "completion_tokens")
_TOTAL_TOKENS: Final = ("total_tokens", "total")
_LARGEST: Final = 2**53 - 1


class BadLineError(ValueError):
    """A line that is no record.

    Attributes:
        reason: one word for machines.
        detail: one line for people, without the line's own content.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class HistoricCall:
    """A call as an old log tells it.

    Attributes:
        call: not redacted yet.
        tokens: in total, where the log says only that.
    """

    call: CapturedCall
    tokens: int | None


def parse(content: bytes) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        BadLineError: it holds none.
    """
    try:
        value = json.loads(content)
    except UnicodeDecodeError:
        raise BadLineError("not_utf8", "the line is not UTF-8") from None
    except RecursionError:
        raise BadLineError("too_deep", "the line's JSON is nested too deeply") from None
    except ValueError as error:
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadLineError("not_json", f"the line is no JSON{where}") from None
    if not isinstance(value, dict):
        raise BadLineError("not_an_object", "the line is JSON and no object")
    if value.get("kind") == "interaction" and isinstance(value.get("record"), dict):
        return dict(value["record"])  # a line of the spool
    return value


def is_finished(record: Mapping[str, Any]) -> bool:
    """Tell whether a line was written by Headrace: redacted, with its key."""
    return {"event_id", "dedup_key", "redaction_version"} <= record.keys()


def to_call(record: Mapping[str, Any], *, fields_hash: str = "", inclusion_probability: float = 1.0) -> HistoricCall:
    """Return the call of a line of the document's shape.

    The ids are made of the line's content, so that the same line read again is the same call.

    Args:
        record: the line's object.
        fields_hash: the identity of the signature's fields; an old log does not tell their types.
        inclusion_probability: the share of calls that was logged, in (0, 1].

    Raises:
        BadLineError: a required field is missing, or a field has a wrong type.
    """
    identity = _identity(record)
    success = _required(record, "success", bool, "true or false")
    tokens_input, tokens_output, tokens = _tokens(record.get("tokens"))
    output = {} if not success and record.get("output") is None else _required(record, "output", dict, "an object")
    request_id = _optional_text(record, "request_id")
    call = CapturedCall(
        event_id=f"log-{identity}",
        request_id=f"log-{identity}" if request_id is None else request_id,
        module_name=_required(record, "module_name", str, "a text"),
        module_version=_version(record),
        signature=_required(record, "signature", str, "a text"),
        fields_hash=fields_hash,
        input=_required(record, "input", dict, "an object"),
        output=output,
        timestamp_ms=_timestamp_ms(record),
        latency_ms=_measure(record, "latency_ms"),
        tokens_input=tokens_input,
        tokens_output=tokens_output,
        cost_usd=_measure(record, "cost_usd"),
        model=_optional_text(record, "model"),
        success=success,
        error=_optional_text(record, "error"),
        inclusion_probability=inclusion_probability,
    )
    return HistoricCall(call, tokens)


def _identity(record: Mapping[str, Any]) -> str:
    try:
        return hashlib.sha256(canonical.dumps(dict(record))).hexdigest()[:32]
    except RecursionError:
        raise BadLineError("too_deep", "the line's JSON is nested too deeply") from None


def _required(record: Mapping[str, Any], name: str, kind: type, expected: str) -> Any:
    value = record.get(name)
    if value is None:
        raise BadLineError("missing_field", f"{name} is missing")
    if not isinstance(value, kind) or value == "":
        raise BadLineError("wrong_type", f"{name} is not {expected}")
    return value


def _optional_text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise BadLineError("wrong_type", f"{name} is not a text")


def _version(record: Mapping[str, Any]) -> str:
    value = record.get("module_version")
    if isinstance(value, dict) and len(value) == 1:  # {"Optimized": "v1"}
        ((kind, version),) = value.items()
        if isinstance(version, str):
            return f"{kind.lower()}_{version}"
    version = _required(record, "module_version", str, 'a text or {"Optimized": "v1"}')
    return "baseline" if version == "Baseline" else str(version)


def _timestamp_ms(record: Mapping[str, Any]) -> int:
    value = record.get("timestamp_ms")
    if value is None:
        raise BadLineError("missing_field", "timestamp_ms is missing")
    return _whole(value, "timestamp_ms")


def _measure(record: Mapping[str, Any], name: str) -> float | None:
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise BadLineError("wrong_type", f"{name} is not a number from 0")
    return float(value)


def _tokens(value: Any) -> tuple[int | None, int | None, int | None]:
    """Return tokens of input, of output, and in total."""
    if not isinstance(value, dict):
        return None, None, None if value is None else _whole(value, "tokens")
    spent, made, total = (_first(value, names) for names in (_INPUT_TOKENS, _OUTPUT_TOKENS, _TOTAL_TOKENS))
    if total is None and spent is not None and made is not None:
        total = spent + made
    return spent, made, total


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    name = next((name for name in names if values.get(name) is not None), None)
    return None if name is None else _whole(values[name], f"tokens.{name}")


def _whole(value: Any, name: str) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value != int(value) or not 0 <= value <= _LARGEST:
        raise BadLineError("wrong_type", f"{name} is not a whole number from 0")
    return int(value)
