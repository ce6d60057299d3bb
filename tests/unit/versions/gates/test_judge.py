"""An LM judges what nobody has scored; it is measured by what people scored, asked once, and never shown other data."""

import json

import dspy
import pytest

from headrace_consumers.versions.gates import GATES, with_judge
from headrace_consumers.versions.gates.judge import Scores, judge_gate, judge_program
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.sources.asking import Asker, LMError
from headrace_consumers.versions.telling.report import REPORT
from tests.support.lm_answers import answering
from tests.support.openai_server import MODEL, Reply, serving
from tests.unit.versions.gates.frames import example, judged
from tests.unit.versions.rows import config_of, cut_of, feedback_table, lines, row, table


def by_number(inputs, outputs):
    """A judge that says twice what is right, up to 1."""
    del outputs
    return min(1.0, 2 * json.loads(inputs)["n"] / 100)


def examples(count, **changes):
    return [example(n, {"n": n}, **changes) for n in range(count)]


def test_what_the_judge_finds_bad_is_set_aside_as_it_is_worth():
    scored = [example(1000 + n, {"n": n}, label="judged", quality=n / 100) for n in range(100)]
    verdict = judged(judge_gate(by_number, name="a judge", most=200), *examples(100), *scored, min_judged_quality=0.3)
    out = verdict.offenders["example_id"].to_list()
    assert len(out) == pytest.approx(30, abs=2)  # without calibration it were 15
    assert out[:3] == ["id-0", "id-1", "id-2"]
    assert verdict.offenders["reason"][2] == "judged 0.02 by a judge (it said 0.04)"
    assert "against 100 scores of people, rank correlation 0.94, mean error 0.25, 0.06 calibrated" in verdict.what
    assert verdict.details["calibration"]["calibrated_error"] < 0.2
    assert (verdict.threshold, verdict.is_passed) == (0.3, False)


@pytest.mark.parametrize("says", [lambda n: 1 - n / 100, lambda _: 0.1])
def test_a_judge_that_does_not_agree_with_people_is_not_gone_by(says):
    asked = []

    def judging(inputs, _):
        asked.append(inputs)
        return says(json.loads(inputs)["n"])

    scored = [example(1000 + n, {"n": n}, label="judged", quality=n / 100) for n in range(40)]
    verdict = judged(judge_gate(judging, name="a judge", most=200), *examples(60), *scored)
    assert verdict.offenders.is_empty()
    assert not verdict.is_passed
    assert "a judge does not agree with people" in verdict.what
    assert len(asked) == 40


def test_without_scores_of_people_it_says_so():
    verdict = judged(judge_gate(by_number, name="a judge", most=200), *examples(60))
    assert "not calibrated: nobody has scored an example" in verdict.what
    assert len(verdict.offenders) == 25


def test_labels_of_people_are_not_judged_and_the_number_is_bounded():
    asked = []
    gate = judge_gate(lambda inputs, _: asked.append(inputs), name="a judge", most=10)
    rows = [*examples(50), *(example(900 + n, {"n": n}, label=each) for n, each in enumerate(("corrected", "given")))]
    assert judged(gate, *rows).is_passed
    assert len(asked) == 10


def test_it_stands_behind_personal_data_and_before_quality():
    gate = judge_gate(by_number, name="a judge", most=1)
    names = [each.name for each in with_judge(gate)]
    assert names[1:4] == ["personal data", "judge", "quality"]
    assert len(names) == len(GATES) + 1


def scores_of(path, server, **changes):
    lm = dspy.LM(MODEL, api_base=server.url, api_key="none", cache=False, num_retries=0)
    told = {"program": "", "task": "Answer", "criteria": "short", **changes}
    return Scores(path, Asker(judge_program(), lm), **told)


def test_an_lm_is_asked_once_for_each_example_and_judge(tmp_path):
    path = tmp_path / "judge.scores.jsonl"
    said = []

    def make(asked):
        said.append(asked.inputs)
        return {"score": 0.25}

    with serving(answering(make)) as server:
        assert scores_of(path, server)('{"q":"a"}', '{"a":"b"}') == 0.25
        assert scores_of(path, server)('{"q":"a"}', '{"a":"b"}') == 0.25
        assert len(server.requests) == 1
        scores_of(path, server)('{"q":"a"}', '{"a":"c"}')
        scores_of(path, server, criteria="long")('{"q":"a"}', '{"a":"b"}')
        assert len(server.requests) == 3
    assert said[0] == {"task": "Answer", "criteria": "short", "inputs": '{"q": "a"}', "outputs": '{"a": "b"}'}
    assert '"q"' not in path.read_text()


@pytest.mark.parametrize("score", [7, -1, "very good"])
def test_an_answer_that_is_no_score_is_none(tmp_path, score):
    with serving(answering(lambda _: {"score": score})) as server:
        assert scores_of(tmp_path / "s.jsonl", server)("{}", "{}") is None


def test_an_lm_that_does_not_answer_ends_the_cut_and_nothing_is_published(tmp_path):
    with serving(lambda _: Reply(status=500)) as server:
        gate = judge_gate(scores_of(tmp_path / "s.jsonl", server), name=MODEL, most=5)
        with pytest.raises(LMError, match="start it again"):
            cut_of(tmp_path / "root", [row(n) for n in range(5)], gates=with_judge(gate))
    assert not list((tmp_path / "root").rglob("v1"))


def test_in_a_cut_the_calibration_stands_in_metadata_and_report(tmp_path):
    rows = [row(n, input=json.dumps({"question": "q", "n": n})) for n in range(60)]
    feedback = feedback_table(*({"request_id": f"r-{n}", "score": n / 100} for n in range(0, 60, 2)))
    gate = judge_gate(by_number, name="a judge", most=200)
    done = cut_of(tmp_path, Tables(table(rows), None, feedback), config_of(tmp_path), gates=with_judge(gate))
    told = {each["gate"]: each for each in done.metadata["gates"]}["judge"]
    assert told["details"]["calibration"]["pairs"] == 30
    aside = [line for line in lines(done.path / "set_aside.jsonl") if line["gate"] == "judge"]
    assert aside
    assert all(line["reason"].startswith("judged 0.") for line in aside)
    assert "The judge against people" in (done.path / REPORT).read_text()
