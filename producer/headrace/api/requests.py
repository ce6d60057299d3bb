"""What a request of the service says of the calls inside it, and what is said of it later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace import runtime
from headrace.errors import require_dspy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from headrace.capture.scope import Request

__all__ = ["feedback", "pseudonym", "request", "suppress"]


def request(
    request_id: object = None,
    *,
    subject_id: object = None,
    attributes: Mapping[str, Any] | None = None,
    traceparent: str | None = None,
    consent: bool = True,
) -> AbstractContextManager[Request]:
    """Return a context manager: calls inside belong to one request and are captured all or none.

        with headrace.request(request_id, subject_id=user) as request:
            answer = program(question=question)
            reply(answer, request.request_id)

    In sync and async code alike. A nested request has an id of its own; the subject and attributes it does not give
    are the outer one's. Inside a captured call nothing is decided anew.

    Args:
        request_id: `str()` of it; a fresh one where it is None or empty.
        subject_id: whose data it is, for erasure.
        attributes: labels of your own for the records.
        traceparent: the caller's place in a trace, as W3C Trace Context writes it, for records made while no
            OpenTelemetry span is active; one that is malformed is ignored.
        consent: False (None, 0): the calls inside are counted, but nothing of them is captured, by sampling or by a
            keep rule; requests inside cannot take that back. A call that is being captured already, around this, keeps
            its own inputs and outputs: open the request around the outermost call.

    Raises:
        UsageError: attributes that are no mapping.
        DSPyMissingError: dspy is not installed.
    """
    require_dspy()
    from headrace.capture import scope

    return scope.request(
        request_id, subject_id=subject_id, attributes=attributes, traceparent=traceparent, consent=consent
    )


def suppress() -> AbstractContextManager[None]:
    """Return a context manager inside which no call is captured, e.g. for health checks and load tests.

    Raises:
        DSPyMissingError: dspy is not installed.
    """
    require_dspy()
    from headrace.capture import scope

    return scope.suppress()


def feedback(
    request_id: object = None,
    *,
    score: float | None = None,
    label: str | None = None,
    comment: str | None = None,
    correction: Mapping[str, Any] | None = None,
    module: str | None = None,
    subject_id: object = None,
) -> bool:
    """Say how good the answer to a request was, at once or days later, from this process or another.

        headrace.feedback(request_id, score=1.0, label="thumbs_up")
        headrace.feedback(request_id, score=0.0, correction={"category": "billing"}, comment="wrong queue")

    Feedback is never sampled: it is published for requests that were captured and for those that were not, as long as
    telemetry is on (and not inside `suppress`). It needs no dspy. Comment, correction, label and subject are redacted
    as a call's inputs are, off this thread. Inside its own request, if that was opened with ``consent=False``, only
    score, label and module leave; later nobody knows of that, so leave the rest out yourself. It counts in `stats` as
    captured calls do. Never blocks.

    Args:
        request_id: the id that the call had, `str()` of it; inside an open `request`, by default its id.
        score: 0 (bad) to 1 (good).
        label: a short name of your own, e.g. ``thumbs_up``.
        comment: in words; beyond `telemetry.max_field_bytes` it is cut and marked.
        correction: the output fields as they should have been; likewise.
        module: the module it is about, as named in `instrument`; by default the whole request.
        subject_id: whose data it is, for erasure; by default the open request's, where that is the request.

    Returns:
        Whether it was queued; False where telemetry is off, or where it is dropped, and counted.

    Raises:
        UsageError: an argument that cannot be used, or none of score, label, comment and correction.
    """
    from headrace.capture.feedback import give

    return give(
        runtime.current(),
        request_id,
        score=score,
        label=label,
        comment=comment,
        correction=correction,
        module=module,
        subject_id=subject_id,
    )


def pseudonym(subject_id: object) -> str:
    """Return what stands for a subject in this configuration's records, e.g. to find them for erasure.

    Keyed where `redaction.pseudonym_key` is set, a plain hash otherwise. No subject id leaves as it is.

    Raises:
        ConfigError: the key cannot be read.
    """
    from headrace.key_material import pseudonym_key
    from headrace.redaction import subject_pseudonym

    return subject_pseudonym(str(subject_id), pseudonym_key(runtime.current().config))
