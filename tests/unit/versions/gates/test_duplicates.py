"""Inputs that several sources have: merged by key, found by their letters, judged against a threshold."""

import polars as pl
import pytest

from headrace.config.versions import Difficulties, GateThresholds, SplitShares
from headrace_consumers.versions.gates import Context
from headrace_consumers.versions.gates.duplicates import DUPLICATES
from tests.unit.versions.gates.frames import example, frame, judged


def test_of_equal_inputs_under_other_keys_the_best_label_stays_and_the_others_are_named():
    question = {"question": "What is it?"}
    verdict = judged(
        DUPLICATES,
        example(1, question),
        example(2, question, source="git", label="generated"),
        example(3, question, source="import", label="given"),
        example(4, {"question": "another"}, source="import", label="given"),
    )
    assert verdict.offenders.rows() == [
        ("id-1", "the same inputs stand as given of import"),
        ("id-2", "the same inputs stand as given of import"),
    ]
    assert (verdict.figure, verdict.is_passed) == (0.5, False)
    assert verdict.details == {"by_source": {"git": 1, "telemetry": 1}}


def test_calls_that_count_each_for_itself_are_no_duplicates_of_one_another():
    question = {"question": "What is it?"}
    assert judged(DUPLICATES, example(1, question), example(2, question)).is_passed
    verdict = judged(
        DUPLICATES, *(example(n, question, label="judged") for n in (1, 2)), example(3, question, source="git")
    )
    assert verdict.offenders["example_id"].to_list() == ["id-3"]


@pytest.mark.parametrize(("most", "is_passed"), [(0.24, False), (0.25, True)])
def test_what_was_merged_by_its_key_counts_and_is_listed_and_not_set_aside_again(most, is_passed):
    merged = pl.DataFrame(
        {"example_id": ["id-1"], "reason": ["the same inputs stand as given of hand"], "source": ["telemetry"]}
    )
    thresholds = GateThresholds(max_duplicate_share=most)
    context = Context("Answer", "0" * 16, thresholds, SplitShares(), Difficulties(), merged=merged)
    verdict = DUPLICATES.judge(frame(*(example(n, {"question": f"{n}"}) for n in (1, 2, 3))), context)
    assert (verdict.figure, verdict.is_passed, verdict.offenders.height) == (0.25, is_passed, 0)
    assert verdict.all_offenders.rows() == [("id-1", "the same inputs stand as given of hand")]
    assert verdict.for_manifest()["set_aside"] == 1
    assert verdict.what == "1 examples have inputs that a better one has: telemetry 1"
