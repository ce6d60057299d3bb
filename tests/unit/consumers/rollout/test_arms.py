"""The arm of a sampled call, by the version that served it and the decisions before it."""

from headrace_consumers.rollout.arms import Membership, arm_of
from headrace_consumers.rollout.moves import ordered
from tests.support.rollouts import started
from tests.support.statistics import NOW_MS

_STARTED = started()
_ENDED = ordered(
    _STARTED.experiment, "production/support", "rollback", now_ms=NOW_MS + 60_000, by="ann@host", reason="wrong prices"
)
_ENTRIES = [_STARTED.entry, _ENDED.entry]


def test_while_a_rollout_compares_the_version_tells_the_arm() -> None:
    for version, arm in (("v2", "candidate"), ("v1", "baseline")):
        found = arm_of(_ENTRIES, "production", "support", version, NOW_MS + 1)
        assert found == Membership(arm, "support-v2-1", 0.1)


def test_before_and_after_it_and_of_others_there_is_no_arm() -> None:
    for environment, module, version, at_ms in (
        ("production", "support", "v2", NOW_MS - 1),
        ("production", "support", "v2", NOW_MS + 60_000),
        ("production", "support", "v0", NOW_MS + 1),
        ("production", "billing", "v2", NOW_MS + 1),
        ("staging", "support", "v2", NOW_MS + 1),
    ):
        assert arm_of(_ENTRIES, environment, module, version, at_ms) is None
