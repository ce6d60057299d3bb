"""What somebody said about a request, however late: checked on the caller's thread, then queued like a captured call.

    feedback(...) --check--> CapturedFeedback --runtime.pipeline.submit--> redaction, size cap, Kafka or a file

It may come from another process than the call, hours later, with no dspy installed: the request id joins them.
Inside a request without consent only score, label and module leave: what the person wrote does not.
"""

import math
import sys
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from headrace import runtime as runtimes
from headrace.capture.budget import Budget
from headrace.capture.sampling import to_unicode
from headrace.capture.values import to_json
from headrace.captured import CapturedFeedback
from headrace.errors import UsageError
from headrace.interruption import pass_on
from headrace_schemas.names import MAX_NAME_LENGTH, is_valid_name

if TYPE_CHECKING:
    from headrace.capture.scope import Scope

__all__ = ["checked", "give"]

_AT_LEAST_ONE: Final = "score, label, comment or correction"


def give(runtime: runtimes.Runtime, request_id: object, **said: object) -> bool:
    """See `headrace.feedback`; what is said is what `checked` takes."""
    scope = _scope()
    opened = None if scope is None else scope.request
    if opened is not None and request_id is None:
        request_id = opened.request_id
    captured = checked(request_id, **said)
    if not runtime.policy.is_on:
        runtimes.say_if_off(runtime)
        return False
    if scope is not None and scope.suppressed:
        return False
    if opened is not None and opened.request_id == captured.request_id:
        if opened.consent:
            captured.subject_id = opened.subject_id if captured.subject_id is None else captured.subject_id
        else:
            captured.subject_id = captured.comment = captured.correction = None
            if captured.score is None and captured.label is None:
                return False
    try:
        captured.feedback_id = runtime.new_id()
        captured.timestamp_ms = runtime.time_ns() // 1_000_000
        return runtime.pipeline.submit(captured)
    except Exception as error:
        pass_on(error)
        runtime.count_failure(error)
        return False


def checked(
    request_id: object,
    *,
    score: object = None,
    label: object = None,
    comment: object = None,
    correction: object = None,
    module: object = None,
    subject_id: object = None,
) -> CapturedFeedback:
    """Return the feedback, without an id and a time yet; empty texts and an empty correction are none.

    Raises:
        UsageError: one line that names the argument, what was found, what is expected.
    """
    request = "" if request_id is None else to_unicode(request_id)
    if not request:
        raise UsageError("feedback: request_id: missing, and no request is open here; give the id of the request")
    budget = Budget()
    feedback = CapturedFeedback(
        feedback_id="",
        request_id=request,
        module_name=_text("module", module),
        subject_id=None if subject_id is None else to_unicode(subject_id),
        score=_score(score),
        label=_label(label),
        comment=_text("comment", comment),
        correction=_correction(correction, budget),
        timestamp_ms=0,
        truncated=budget.is_cut,
    )
    if all(said is None for said in (feedback.score, feedback.label, feedback.comment, feedback.correction)):
        raise UsageError(f"feedback: nothing was said; give {_AT_LEAST_ONE}")
    return feedback


def _scope() -> "Scope | None":
    """Return the calling thread's scope; None in a process that has no use of capture, and maybe no dspy."""
    module = sys.modules.get("headrace.capture.scope")
    return None if module is None else module.current_scope()


def _score(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        hint = f"; for thumbs up or down give {float(value)}" if isinstance(value, bool) else ""
        raise UsageError(f"feedback: score: found {type(value).__name__}, expected a number from 0 to 1{hint}")
    score = float(value)
    if not (math.isfinite(score) and 0 <= score <= 1):
        raise UsageError(f"feedback: score: found {score:g}, expected a number from 0 (bad) to 1 (good)")
    return score


def _label(value: object) -> str | None:
    label = _text("label", value)
    if label is not None and not is_valid_name(label):
        # The text itself is not shown: it may be a comment in the wrong place.
        raise UsageError(
            f"feedback: label: found {len(label)} characters, expected a name of at most {MAX_NAME_LENGTH} of "
            "A-Z a-z 0-9 _ . - such as thumbs_up; words belong into comment"
        )
    return label


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise UsageError(f"feedback: {name}: found {type(value).__name__}, expected text")
    return to_unicode(value) or None


def _correction(value: object, budget: Budget) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise UsageError(
            f"feedback: correction: found {type(value).__name__}, expected a mapping from output field to value"
        )
    wrong = next((name for name in value if not isinstance(name, str)), None)
    if wrong is not None:
        raise UsageError(f"feedback: correction: a field's name must be a string, found {type(wrong).__name__}")
    return {str(name): to_json(item, budget) for name, item in value.items()} or None
