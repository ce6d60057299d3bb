"""From a captured call to the record that leaves the process: redaction, names, deduplication key, size cap. Pure.

The order matters: the key is made of the redacted, uncut inputs, so that it shows nothing that the record hides, and
two long inputs with one beginning stay two.
"""

import hashlib
from collections import Counter
from typing import Any, Final

from headrace.captured import CapturedCall
from headrace.config import Config
from headrace.delivery.size import capped
from headrace.redaction import Redactor
from headrace_schemas import Interaction, canonical, keys
from headrace_schemas.names import to_valid_name

__all__ = ["Finisher"]

MAX_ERROR_CHARACTERS: Final = 2000


class Finisher:
    """Finishes captured calls.

    Args:
        config: the configuration.
        instance: this producer process.

    Attributes:
        redactor: hides personal data; feedback goes through it, too.
    """

    def __init__(self, config: Config, instance: str) -> None:
        self._telemetry = config.telemetry
        self._policies = {
            to_valid_name(name): tuple(sorted(set(policy.fields))) for name, policy in config.dedup.signatures.items()
        }
        self.redactor = Redactor(config.redaction.kinds)
        self._instance = instance

    def finish(self, call: CapturedCall) -> tuple[Interaction, Counter[str]]:
        """Return the record, and what redaction replaced in it, by kind.

        Raises:
            CanonicalizationError: a value that has no canonical JSON.
        """
        counts: Counter[str] = Counter()
        redact = self.redactor.value
        inputs, output = redact(call.input, counts), redact(call.output, counts)
        attributes = redact(call.attributes, counts)
        error = None if call.error is None else self.redactor.text(_unicode(call.error), counts)[:MAX_ERROR_CHARACTERS]
        signature = to_valid_name(call.signature)
        policy, counted = self._deduplicated(signature, inputs)
        dedup_key = keys.dedup_key(signature, call.fields_hash, canonical.dumps(counted))
        if call.capture_level == "outcome":  # there are no inputs, and outcomes are no duplicates of each other
            policy, dedup_key = "none", call.event_id
        limit = self._telemetry.max_field_bytes
        input_json, input_cut = capped(inputs, limit)
        output_json, output_cut = capped(output, limit)
        attributes_json, attributes_cut = capped(attributes, limit)
        known_tokens = call.tokens_input is not None and call.tokens_output is not None
        record: Interaction = {
            "event_id": call.event_id,
            "parent_event_id": call.parent_event_id,
            "request_id": _unicode(call.request_id),
            "subject_id": self.pseudonym(call.subject_id, counts),
            "trace_id": None if call.trace_id is None else _unicode(call.trace_id),
            "span_id": None if call.span_id is None else _unicode(call.span_id),
            "service": self._telemetry.service or "",
            "environment": self._telemetry.environment,
            "instance": self._instance,
            "module_name": to_valid_name(call.module_name),
            "module_version": to_valid_name(call.module_version),
            "signature": signature,
            "fields_hash": call.fields_hash,
            "program_hash": call.program_hash,
            "input": input_json,
            "output": output_json,
            "timestamp_ms": call.timestamp_ms,
            "latency_ms": call.latency_ms,
            "tokens": (call.tokens_input or 0) + (call.tokens_output or 0) if known_tokens else None,
            "tokens_input": call.tokens_input,
            "tokens_output": call.tokens_output,
            "cost_usd": call.cost_usd,
            "model": None if call.model is None else _unicode(call.model),
            "lm_calls": call.lm_calls,
            "cache_hits": call.cache_hits,
            "success": call.success,
            "error": error,
            "error_type": None if call.error_type is None else _unicode(call.error_type),
            "inclusion_probability": call.inclusion_probability,
            "capture_level": call.capture_level,
            "keep_reason": call.keep_reason,
            "redaction_version": self.redactor.version,
            "redactions": counts.total(),
            "truncated": input_cut or output_cut or attributes_cut,
            "dedup_key": dedup_key,
            "dedup_policy": policy,
            "attributes": attributes_json,
        }
        return record, counts

    def _deduplicated(self, signature: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        fields = self._policies.get(signature, ())
        counted = {name: inputs[name] for name in fields if name in inputs}
        # A policy that names no input of this call would make all such calls one: then all inputs count.
        return ("fields:" + ",".join(fields), counted) if counted else ("all", inputs)

    def pseudonym(self, subject_id: str | None, counts: Counter[str]) -> str | None:
        """Return a subject id as it may leave: as a hash where it is personal data itself; erasure finds it by that."""
        if subject_id is None or self.redactor.text(subject_id, counts) == subject_id:
            return None if subject_id is None else _unicode(subject_id)
        return "sha256:" + hashlib.sha256(subject_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _unicode(text: str) -> str:
    """Replace lone surrogates, which a file name in an error message may hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
