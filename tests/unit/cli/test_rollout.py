"""`headrace rollout`: what it refuses before anything is asked, and how rollouts and decisions read."""

from dataclasses import replace

from headrace_consumers.cli.present import columns
from headrace_consumers.cli.rollout_lines import HISTORY, as_dict, controller, entry_row, status_lines
from headrace_consumers.rollout.counted import vector_of
from headrace_consumers.rollout.moves import ordered
from headrace_consumers.rollout.state import State
from tests.support.rollouts import experiment
from tests.support.statistics import NOW_MS, call_statistics


def _counted():
    found = experiment()
    for arm, calls, failed in (("candidate", 100, 3), ("baseline", 900, 45)):
        found = found.counted(1, arm, vector_of(call_statistics([0.5] * calls, {"ValueError": failed})))
    return found


def test_a_name_that_no_statistics_can_have_is_refused(command):
    ended = command("rollout", "pause", "--module", "my module")
    assert ended.code == 2
    assert ended.error.startswith("--module: found 'my module', expected at most 128 of A-Z a-z 0-9 _ . -; statistics")
    assert command("rollout", "rollback", "--module", "m", "--environment", "").code == 2


def test_without_a_broker_it_says_which_key_is_missing(command):
    for arguments in (("status",), ("history",), ("rollback", "--module", "support")):
        ended = command("rollout", *arguments)
        assert (ended.code, ended.error.partition(":")[0]) == (2, "kafka.bootstrap_servers")
    assert command("consume", "rollout").code == 2


def test_status_reads_at_a_glance():
    lines = status_lines([_counted()], NOW_MS)
    assert lines[0] == "production/support: running, v2 gets 10% (stage 1 of 2), since 2026-11-18 11:06 UTC"
    assert lines[3:6] == [
        "  arm        version  calls  failed  slow   mean     p99  cost a call",
        "  candidate  v2         100       3     0  0.5 s  0.64 s            -",
        "  baseline   v1         900      45     0  0.5 s  0.64 s            -",
    ]
    assert lines[6].startswith("  the candidate fails in -")
    assert lines[7].startswith(
        "  missing for 50%: calls of the candidate (100, needs 200), time for slow calls to end (0 s, needs 7 s), more "
        "failures than the baseline ("
    )
    assert len(status_lines([replace(_counted(), state="promoted")], NOW_MS)) == 7


def test_as_json_it_has_the_plan_and_the_numbers():
    found = as_dict(_counted(), NOW_MS + 60_000)
    assert (found["state"], found["share"], found["stage"], found["stages"]) == ("running", 0.1, 1, 2)
    assert found["numbers"]["candidate"]["calls"] == 100
    assert found["numbers"]["elapsed_s"] == 60
    assert found["plan"]["stages"][0]["share"] == 0.1


def test_the_history_says_who_did_what_and_why():
    change = ordered(_counted(), "", "rollback", now_ms=NOW_MS, by="ann@host", reason="wrong prices")
    assert columns([HISTORY, entry_row(change.entry)])[1] == (
        "2026-11-18 11:06 UTC  production/support  rollback  10% to 0%  v2         "
        "3 of 100 failed  wrong prices  ann@host"
    )


def test_a_controller_that_is_away_is_told():
    assert controller(State(written_at_ms=NOW_MS - 5_000), NOW_MS) == ({"silent_s": 5, "is_away": False}, [])
    assert controller(State(written_at_ms=NOW_MS - 90_000), NOW_MS)[1] == [
        "nobody has written for 90 s: does `headrace consume rollout` run?"
    ]
    assert controller(State(), NOW_MS)[0] == {"silent_s": None, "is_away": True}
