"""Which versions rollouts have put before everybody, and when nobody is asked."""

from dataclasses import replace

import pytest

from headrace.config import load
from headrace_consumers.cli.rollout_versions import rollout_versions, versions_of_log, versions_or_none
from headrace_consumers.rollout import desk
from headrace_consumers.rollout.decision import Decision, Guard, Verdict
from headrace_consumers.rollout.moves import decided, ordered
from headrace_consumers.rollout.state import Found
from headrace_consumers.topics import TopicError
from headrace_consumers.versions.cutting.asked import RolloutVersions
from headrace_schemas.rollouts import ProgramVersion
from tests.support.rollouts import PLAN, experiment, started
from tests.support.statistics import NOW_MS

DEPLOYED = ProgramVersion("baseline", None)
NAMED = {"kafka": {"bootstrap_servers": "nobody:9092"}, "registry": {"path": "programs"}}


def version(number):
    return ProgramVersion(f"v{number}", str(number) * 64)


def rollout(candidate, baseline, *moves, module="support", environment="production"):
    """Return the log of one rollout."""
    change = started(
        environment=environment,
        module=module,
        rollout_id=f"{module}-{candidate.version}",
        candidate=candidate,
        baseline=baseline,
    )
    entries = [change.entry]
    for what, more in moves:
        name = f"{environment}/{module}"
        change = ordered(change.experiment, name, what, now_ms=NOW_MS, by="ann@host", reason="", **more)
        entries.append(change.entry)
    return entries


TO_ALL = ("promote", {"to_all": True})
BACK = ("rollback", {})


@pytest.mark.parametrize(
    ("log", "promoted"),
    [
        ([], set()),
        (rollout(version(1), DEPLOYED), set()),
        (rollout(version(1), DEPLOYED, ("promote", {})), set()),
        (rollout(version(1), DEPLOYED, TO_ALL), {"v1"}),
        (rollout(version(1), DEPLOYED, TO_ALL, BACK), set()),
        (rollout(version(2), version(1)), {"v1"}),
        (rollout(version(1), DEPLOYED, TO_ALL) + rollout(version(2), version(1), BACK), {"v1"}),
        (rollout(version(1), DEPLOYED, TO_ALL) + rollout(version(2), version(1), TO_ALL), {"v1", "v2"}),
    ],
)
def test_a_version_that_all_requests_got_is_promoted_until_it_is_taken_back(log, promoted):
    assert versions_of_log(log).promoted == promoted


def test_a_decision_of_the_controller_counts_as_one_of_a_person():
    (start,) = rollout(version(1), DEPLOYED)
    found = experiment(rollout_id="support-v1", candidate=version(1), baseline=DEPLOYED)
    log = [start]
    for _ in PLAN.stages:
        change = decided(found, Decision(Verdict.PROMOTE, "no worse", Guard.failures), NOW_MS)
        assert change is not None
        found = change.experiment
        log.append(change.entry)
    assert versions_of_log(log).promoted == {"v1"}


def test_what_has_had_a_share_only_is_a_candidate_also_once_it_was_taken_back():
    log = (
        rollout(version(1), DEPLOYED, TO_ALL) + rollout(version(2), version(1), BACK) + rollout(version(3), version(1))
    )
    assert versions_of_log(log) == RolloutVersions(frozenset({"v1"}), frozenset({"v2", "v3"}))


def test_those_of_the_module_and_environment_are_taken(monkeypatch):
    log = rollout(version(1), DEPLOYED, TO_ALL) + rollout(version(2), DEPLOYED, TO_ALL, module="other")
    log += rollout(version(3), DEPLOYED, TO_ALL, environment="staging")
    monkeypatch.setattr(desk, "look", lambda _: replace(Found(), entries=log))
    signatures = {"Answer": {"program": "a:b", "module": "support"}}
    config = load(overrides={**NAMED, "optimization": {"signatures": signatures}}, environ={})
    assert rollout_versions(config, "production", "support").promoted == {"v1"}
    assert versions_or_none(config, "production", "Answer").promoted == {"v1"}
    assert versions_or_none(config, "production", "Unheard").promoted == {"v1", "v2"}
    assert versions_or_none(config, "staging", "Answer").promoted == {"v3"}


@pytest.mark.parametrize(
    "values",
    [
        {"kafka": NAMED["kafka"]},
        {"registry": NAMED["registry"]},
        {**NAMED, "versions": {"baseline_versions": ["v7"]}},
    ],
)
def test_nobody_is_asked_where_the_configuration_tells_or_there_are_no_rollouts(monkeypatch, values):
    monkeypatch.setattr(desk, "look", lambda _: pytest.fail("Kafka was asked"))
    assert versions_or_none(load(overrides=values, environ={}), "production", "Answer") == RolloutVersions()


def test_a_cut_by_hand_goes_on_without_the_rollouts_and_says_so(monkeypatch, capsys):
    def away(_):
        raise TopicError("topic headrace.rollout.v1: the broker does not answer")

    monkeypatch.setattr(desk, "look", away)
    config = load(overrides=NAMED, environ={})
    assert versions_or_none(config, "production", "Answer") == RolloutVersions()
    assert capsys.readouterr().err == (
        "headrace: topic headrace.rollout.v1: the broker does not answer; so what rollouts have promoted is not known, "
        "and its answers count as a candidate's (versions.baseline_versions names what is served without asking)\n"
    )
    with pytest.raises(TopicError):
        rollout_versions(config, "production", "support")
