"""How long Kafka holds a record, which may be somebody's words: no longer than promised.

Kafka removes whole segments, a segment once its newest record is older than `retention.ms`; a record may be older than
that by the time that its segment was written to, `segment.ms`, a week by default. Both together keep the promise.
"""

from collections.abc import Mapping
from typing import Final

from headrace_consumers.topics.finding import Finding, TopicState, alter
from headrace_schemas.topics import TopicSpec

__all__ = ["held_ms", "kept_too_long", "retention_for"]

_DAY_MS: Final = 86_400_000
_SEGMENT_DAYS: Final = 1.0
_DEFAULT_SEGMENT_MS: Final = 7 * _DAY_MS


def retention_for(kept_days: float) -> dict[str, str]:
    """Return the settings under which a record is gone after so many days."""
    segment_ms = int(min(_SEGMENT_DAYS, kept_days / 2) * _DAY_MS)
    return {"retention.ms": str(int(kept_days * _DAY_MS) - segment_ms), "segment.ms": str(segment_ms)}


def held_ms(config: Mapping[str, str]) -> int | None:
    """Return how long a topic with these settings may hold a record, ms; None: for ever."""
    retention_ms = int(config.get("retention.ms", -1))
    if retention_ms < 0 or "delete" not in config.get("cleanup.policy", "delete"):
        return None
    return retention_ms + int(config.get("segment.ms", _DEFAULT_SEGMENT_MS))


def kept_too_long(spec: TopicSpec, state: TopicState, address: str) -> list[Finding]:
    """Return what there is to say of a topic's retention: too long is a problem, short is a note."""
    if spec.kept_days is None:
        return []
    wanted = retention_for(spec.kept_days)
    retention_ms = int(state.config.get("retention.ms", -1))
    segment_ms = int(state.config.get("segment.ms", _DEFAULT_SEGMENT_MS))
    mend = alter(address, spec.name, wanted)
    if retention_ms < 0:
        what = f"a record stays for ever (retention.ms is -1), promised: {spec.kept_days:g} days"
        return [Finding(topic=spec.name, problem=True, what=what, mend=mend)]
    if retention_ms + segment_ms > spec.kept_days * _DAY_MS:
        what = (
            f"a record may stay for {(retention_ms + segment_ms) / _DAY_MS:.3g} days (retention.ms {retention_ms} and "
            f"segment.ms {segment_ms}), promised: {spec.kept_days:g} (kafka.retention_days, late_retention_days)"
        )
        return [Finding(topic=spec.name, problem=True, what=what, mend=mend)]
    if retention_ms < int(wanted["retention.ms"]):
        what = f"retention.ms is {retention_ms}, suggested {wanted['retention.ms']}: a longer outage loses records"
        return [Finding(topic=spec.name, problem=False, what=what, mend=mend)]
    return []
