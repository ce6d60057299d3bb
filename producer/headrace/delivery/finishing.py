"""From a captured call to the record that leaves the process.

    fields withheld -> redacted -> deduplication key -> cut to size -> encrypted

The order matters: the key is made of the redacted, uncut inputs, so that it shows nothing that the record hides, and
two long inputs with one beginning stay two.
"""

from collections import Counter
from typing import Any, Final

from headrace.captured import CapturedCall
from headrace.config import Config
from headrace.dedup import Policies
from headrace.delivery.protection import Protection
from headrace.delivery.size import capped, with_capped_fields
from headrace.redaction import WITHHELD
from headrace_schemas import Interaction, canonical, keys
from headrace_schemas.names import to_valid_name

__all__ = ["Finisher"]

MAX_ERROR_CHARACTERS: Final = 2000


class Finisher:
    """Finishes captured calls.

    Args:
        config: the configuration.
        instance: this producer process.
        protection: hides and encrypts.
    """

    def __init__(self, config: Config, instance: str, protection: Protection) -> None:
        self._telemetry = config.telemetry
        self._policies = Policies(config.dedup)
        self._limits = {to_valid_name(name): lists.max_bytes for name, lists in config.redaction.signatures.items()}
        self._protection = protection
        self._instance = instance

    def finish(self, call: CapturedCall) -> tuple[Interaction, Counter[str]]:
        """Return the record, and what redaction replaced in it, by kind.

        Raises:
            CanonicalizationError: a value that has no canonical JSON.
            RedactorError: one of the service's own redactors failed or took too long.
        """
        counts: Counter[str] = Counter()
        protection = self._protection
        signature = to_valid_name(call.signature)
        inputs, output, attributes, error = protection.hidden(self._leaving(call, signature, counts), counts)
        encoded = canonical.dumps(inputs)
        policy, dedup_key = self._key(call, signature, inputs, encoded)
        input_json, input_cut = self._cut(signature, inputs, encoded)
        output_json, output_cut = self._cut(signature, output)
        attributes_json, attributes_cut = capped(attributes, self._telemetry.max_field_bytes)
        error = None if error is None else error[:MAX_ERROR_CHARACTERS]
        known_tokens = call.tokens_input is not None and call.tokens_output is not None
        record: Interaction = {
            "event_id": call.event_id,
            "parent_event_id": call.parent_event_id,
            "request_id": _unicode(call.request_id),
            "subject_id": protection.subject(call.subject_id),
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
            "input": protection.sealed_object(input_json, call.event_id, "input"),
            "output": protection.sealed_object(output_json, call.event_id, "output"),
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
            "error": protection.sealed_text(error, call.event_id, "error"),
            "error_type": None if call.error_type is None else _unicode(call.error_type),
            "inclusion_probability": call.inclusion_probability,
            "capture_level": call.capture_level,
            "keep_reason": call.keep_reason,
            "redaction_version": protection.version,
            "redactions": counts.total(),
            "truncated": call.truncated or input_cut or output_cut or attributes_cut,
            "dedup_key": dedup_key,
            "dedup_policy": policy,
            "attributes": attributes_json,
        }
        return record, counts

    def _leaving(self, call: CapturedCall, signature: str, counts: Counter[str]) -> list[Any]:
        """Return inputs, output, attributes and error without the fields that do not leave."""
        fields, error = self._protection.fields, None if call.error is None else _unicode(call.error)
        inputs = fields.withheld(signature, call.input, counts)
        output = fields.withheld(signature, call.output, counts)
        if error is not None and fields.description:  # it may quote any field, also one of an inner call's signature
            error = WITHHELD
        return [inputs, output, call.attributes, error]

    def _key(self, call: CapturedCall, signature: str, inputs: dict[str, Any], encoded: bytes) -> tuple[str, str]:
        """Return the policy's name and the key; `encoded` is the canonical JSON of the inputs."""
        if call.capture_level == "outcome":
            return "none", call.event_id
        if call.truncated:  # without all of its inputs, a call is nobody's duplicate
            return "none", keys.event_key(call.event_id)
        counted = self._policies.counted(signature, inputs)
        if counted.inputs is None:
            return counted.policy, keys.event_key(call.event_id)
        secret = self._protection.dedup_key
        if counted.inputs is not inputs:
            encoded = canonical.dumps(counted.inputs)
        key = keys.dedup_key(signature, call.fields_hash, encoded, secret=secret)
        return counted.policy if secret is None else f"hmac-{keys.secret_id(secret)}:{counted.policy}", key

    def _cut(self, signature: str, fields: dict[str, Any], encoded: bytes | None = None) -> tuple[str, bool]:
        limits = {**self._limits.get("*", {}), **self._limits.get(signature, {})} if self._limits else {}
        is_cut = False
        if limits:
            fields, is_cut = with_capped_fields(fields, limits)
        text, is_cut_too = capped(fields, self._telemetry.max_field_bytes, None if is_cut else encoded)
        return text, is_cut or is_cut_too


def _unicode(text: str) -> str:
    """Replace lone surrogates, which a file name in an error message may hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
