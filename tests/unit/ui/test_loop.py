"""Rollouts and the cycle's runs: what is shown of them, what is missing; nothing of them is taken for markup."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from headrace.config import load
from headrace_consumers.cycle.artefacts import CycleStep
from headrace_consumers.cycle.failures import Failure, keep_failure
from headrace_consumers.rollout.conditions import conditions, next_share
from headrace_consumers.rollout.decision import Verdict, decide
from headrace_consumers.rollout.state import Found, State
from headrace_consumers.ui.cache import Cache
from headrace_consumers.ui.page import Page
from headrace_consumers.ui.pages.rollout import told
from headrace_consumers.ui.pages.rollouts import listed
from headrace_consumers.ui.parts import Part
from headrace_consumers.ui.reading.cycles import Origin
from headrace_consumers.ui.site import Site
from headrace_consumers.ui.sources import Sources
from tests.support.rollouts import experiment
from tests.support.statistics import NOW_MS
from tests.support.ui_loop import ATTACK, decisions, made_run, vector
from tests.unit.ui.conftest import Got, site_of

ORIGIN = Part(Origin("0123456789ab", "202611", "ClassifyTicket"))


def asking(found, now_ms=NOW_MS, origin=ORIGIN):
    """Return what asks the pages of what was found in the topic."""

    def one(_, asked):
        there = found.value.state.experiments[f"{asked.names['environment']}/{asked.names['module']}"]
        return told(there, found.value, origin, now_ms)

    pages = [
        Page("/rollouts", "rollouts.html", lambda _, asked: listed(found, asked, now_ms, "headrace.rollout.v1")),
        Page("/rollouts/{environment}/{module}", "rollout.html", one),
    ]
    site = Site(Sources(load(None, {}, {}), None, Cache(lambda: 0.0)), pages)

    def get(address):
        path, _, query = address.partition("?")
        answer = site.answer(path, query)
        return Got(answer.code, answer.body.decode())

    return get


@pytest.fixture(scope="module")
def loop():
    return asking(Part(decisions()))


def test_each_modules_rollout_stands_in_a_line_with_what_it_lacks(loop):
    page = loop("/rollouts")
    assert (page.code, page.problems) == (200, [])
    assert re.search(
        r"production/support paused \S+ \S+ v2 gets 50% stage 2 of 2 3 of 120 6 of 118 for 100%: calls", page.text
    )
    assert "calls of the candidate: 120; needs 300" in page.text
    assert re.search(
        r"production/billing rolled back \S+ \S+ v2 gets 0% stage 1 of 2 60 of 210 90 of 1,890 fails", page.text
    )
    assert "/rollouts/production/support" in page.links


def test_decisions_are_listed_the_newest_first_with_their_numbers(loop):
    page = loop("/rollouts")
    told_of = re.findall(r'data-label="what"><span class="\w+">(\w+)<', page.html)
    assert told_of == ["rollback", "start", "pause", "promote", "start"]
    assert "v2 10% to 0% 60 of 210 90 of 1,890 +11.3% to +38.8% more" in page.text
    assert page.text.count("Its numbers") == 3
    assert '"more_failures": [' in page.text
    assert "by headrace consume rollout , guard: failures" in page.text.replace("rollout,", "rollout ,")
    assert "1 to 2 of 2" in loop("/rollouts?q=BILLING").text
    assert "None of them." in loop("/rollouts?q=nobody").text


def test_a_rollout_tells_its_arms_stages_intervals_and_origin(loop):
    page = loop("/rollouts/production/support")
    assert (page.code, page.problems) == (200, [])
    assert "50% of the requests get the candidate 2 of 2 stage" in page.text
    assert "candidate v2 cccccccccccc 120 3 2.5% 0 0 0.5 s" in page.text
    assert re.search(r"What is missing for all requests .* calls of the candidate missing 120 300", page.text)
    assert "time in this stage met 30 min 0 s" in page.text  # the other half of the hour it is paused
    assert re.search(r"failures, candidate less baseline -\d+\.\d% to \+\d+\.\d% proven to be above 0", page.text)
    assert re.search(r"10% \S+ \S+ \S+ \S+ 3,600 9 of 300 135 of 2,700 50% ", page.text)
    assert {"/cycle/0123456789ab", "/signatures/ClassifyTicket"} <= set(page.links)
    assert "headrace rollout resume --module support --environment production" in page.text
    assert "What is missing" not in loop("/rollouts/production/billing").text


def test_what_people_wrote_is_text(loop):
    for address in ("/rollouts", "/rollouts/production/support"):
        page = loop(address)
        assert "<img" not in page.html
        assert ATTACK in page.text


def test_without_kafka_without_rollouts_and_without_controller_a_page_says_what_to_do():
    away = asking(Part(None, "kafka: nobody answers"))("/rollouts")
    assert (away.code, away.problems, "/cycle" in away.links) == (200, ["kafka: nobody answers"], True)
    none = asking(Part(Found()))("/rollouts")
    assert "No rollouts yet." in none.text
    assert "headrace consume rollout" in none.text
    silent = asking(Part(decisions()), NOW_MS + 600_000)
    for address in ("/rollouts", "/rollouts/production/support"):
        assert "Nobody decides: nothing was written for 605 s" in silent(address).problems[0]
    broken = asking(Part(decisions()), origin=Part(None, "the runs cannot be read"))("/rollouts/production/support")
    assert (broken.code, broken.problems) == (200, ["the runs cannot be read"])


def test_decisions_of_a_release_that_counted_less_are_shown_too():
    found = decisions()
    bare = [replace(each, numbers={}) for each in found.entries]
    page = asking(Part(Found(State(), bare)))("/rollouts")
    assert "No rollouts yet." in page.text
    page = asking(Part(Found(found.state, bare)))("/rollouts?q=support")
    assert (page.code, page.problems, "Its numbers" in page.text) == (200, [], False)


def test_conditions_hold_one_by_one_until_the_candidate_may_go_up():
    rollout = experiment()
    has = {each.what: each.is_met for each in conditions(rollout, NOW_MS)}
    assert list(has.values()) == [False, True, True, False, False, False]
    assert next_share(rollout) == 0.5
    for arm, calls in (("candidate", 2_000), ("baseline", 18_000)):
        rollout = rollout.counted(1, arm, vector(calls, calls // 20)).bounded()
    settled_ms = NOW_MS + 10_000
    assert [each.is_met for each in conditions(rollout, settled_ms)] == [True, True, True, True, False, True]
    assert conditions(rollout, settled_ms)[4].has == "nothing is proven yet"
    for arm, calls in (("candidate", 2_000), ("baseline", 18_000)):
        rollout = rollout.counted(1, arm, vector(calls, calls // 20))
    assert [each.is_met for each in conditions(rollout, settled_ms)] == [True] * 6
    assert conditions(rollout, settled_ms)[4].has == "proven to be below +0.6%"
    over = replace(rollout, state="promoted")
    assert (conditions(over, NOW_MS), next_share(over)) == ([], None)


@pytest.mark.parametrize(("latency_s", "needs", "wait_s"), [(0.5, "7 s", 6.4), (3_000.0, "1 h", 3_600)])
def test_that_slow_calls_have_the_time_to_end_is_a_condition_as_it_is_of_decisions(latency_s, needs, wait_s):
    rollout = experiment()
    for arm, calls in (("candidate", 2_000), ("baseline", 18_000)) * 2:
        rollout = rollout.counted(1, arm, vector(calls, calls // 20, latency_s)).bounded()
    for age_s, is_settled in ((wait_s - 1, False), (wait_s + 1, True)):
        now_ms = NOW_MS + round(age_s * 1_000)
        lacking = [each for each in conditions(rollout, now_ms) if not each.is_met]
        assert (decide(rollout.plan, rollout.seen(now_ms)).verdict is Verdict.PROMOTE) == is_settled
        assert [each.needs for each in lacking] == [needs] * (not is_settled)
        assert [each.what for each in lacking] == ["time for slow calls to end"] * (not is_settled)


def test_cost_is_a_condition_once_any_is_reported():
    rollout = experiment()
    for arm in ("candidate", "baseline"):
        rollout = rollout.counted(1, arm, vector(2_000, 100))
    assert "mean cost beside the baseline's" not in {each.what for each in conditions(rollout, NOW_MS)}
    sampled = [0.0] * 4 + [10.0, 100.0, 1.0, 0.0] + [0.0] * (len(vector(1, 0)) - 8)
    for _ in range(29):
        rollout = rollout.counted(1, "baseline", sampled).counted(1, "candidate", sampled)
    cost = conditions(rollout, NOW_MS)[-1]
    assert (cost.what, cost.is_met, cost.has) == ("mean cost beside the baseline's", False, "nothing is proven yet")
    assert cost.needs == "below 1.5 times, from 100 sampled calls of either arm"
    rollout = rollout.counted(1, "baseline", sampled).counted(1, "candidate", sampled)
    cost = conditions(rollout, NOW_MS)[-1]
    assert (cost.is_met, cost.has) == (True, "proven to be below 1.00 times")


def test_runs_of_the_cycle_are_listed_wherever_they_are(get):
    page = get("/cycle")
    assert re.search(r"202611 \S+ \S+ ClassifyTicket roll-out shipped 0\.5 to 1 \+0\.320 to \+0\.680", page.text)
    assert re.search(r"2026-12 \S+ \S+ ClassifyTicket baseline not at its end not decided 0\.5", page.text)
    assert "/rollouts?q=support-v2-1" in page.links
    assert "this goes on where it was" in page.text
    assert "this goes on where it was" not in get("/cycle?q=202611").text  # nothing is left to go on with
    assert "None of them." in get("/cycle?q=nobody").text
    assert get("/cycle/000000000000").code == 404


def test_a_run_tells_verdict_scores_and_steps(get, world):
    runs = {
        re.search("202611|2026-12", get(each).text)[0]: get(each) for each in get("/cycle").links if "/cycle/" in each
    }
    page = runs["202611"]
    assert "shipped because of 0.500 -&gt; 1.000" in page.html.replace("</span>", "")
    assert "+0.500 (+0.320 to +0.680) difference, 95% interval" in page.text
    assert page.html.count("<figure>") == 4
    assert "optimize 2026-11-01 02:01:00 1.5 MIPROv2: 3 evaluations, 1.000 on the test; 242 LM calls" in page.text
    assert {"/signatures/ClassifyTicket/versions/v1", "/rollouts?q=support-v2-1"} <= set(page.links)
    assert "optimize not done" in runs["2026-12"].text
    assert f"headrace cycle run --config {world}" in runs["2026-12"].text


def test_the_report_is_a_page_whose_only_style_is_allowed(world):
    site = Site(*_parts(world))
    name = re.search("/cycle/([0-9a-f]{12})", site.answer("/cycle", "q=202611").body.decode())[1]
    answer = site.answer(f"/cycle/{name}/report", "")
    html = answer.body.decode()
    (style,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    assert answer.style == f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
    assert "Optimization cycle 202611" in html
    assert "<img" not in html
    assert site.answer("/cycle/000000000000/report", "").code == 404


def _parts(world):
    from headrace_consumers.ui.pages import PAGES

    return Sources(load(world, {}, {}), world, Cache(lambda: 0.0)), PAGES


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "headrace.json"
    path.write_text(f'{{"optimization": {{"path": "{tmp_path}/optimization"}}}}')
    return path


def test_why_a_step_failed_is_told_in_the_list_and_the_run(tmp_path, config):
    get = site_of(config)
    run = made_run(tmp_path / "run", tmp_path / "optimization", "Reply", steps=4)
    failure = Failure(step=CycleStep.OPTIMIZE, failed_at="2026-11-03T02:00:00Z", reason=f"no key {ATTACK}")
    keep_failure(run.of("Reply"), failure)
    page = get("/cycle")
    assert f"not decided 0.5 optimize failed no key {ATTACK}" in page.text
    address = next(each for each in page.links if each.startswith("/cycle/"))
    one = get(address)
    assert f"not decided optimize failed 2026-11-03 02:00:00: no key {ATTACK}" in one.text
    assert "optimize failed decide not done" in one.text
    assert "<img" not in page.html + one.html


def test_no_runs_and_damaged_ones_are_told(tmp_path, config):
    get = site_of(config)
    page = get("/cycle")
    assert "No runs yet. First name the program of a signature" in page.text
    assert f"headrace cycle run --config {config}" in page.text
    run = made_run(tmp_path / "run", tmp_path / "optimization", "Reply")
    assert "Reply roll-out shipped" in get("/cycle").text
    run.of("Reply").file_of("cut").write_text("{}")
    page = get("/cycle")
    assert (page.code, page.problems) == (200, [])
    assert "Reply damaged" in page.text
    address = next(each for each in page.links if each.startswith("/cycle/"))
    assert "is no artefact of this release" in get(address).problems[0]
    (run.path / "run.json").write_text("[]")
    assert "says nothing of a run" in get("/cycle").text
    assert "says nothing of a run" in get(address).problems[0]
