"""Examples of one commit or of one request stand in one split."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.gates.together import TOGETHER
from headrace_schemas import canonical
from headrace_schemas.dataset_files import SPLITS
from tests.unit.versions.gates.frames import example, judged

COMMIT = "c0ffee" * 6 + "beef"
REQUEST = "ab" * 32


def of_commit(number, split, commit=COMMIT):
    told = canonical.dumps({"commit": commit, "paths": ["a"]}).decode()
    return example(number, {"text": f"{number}"}, source="git", split=split, provenance=told)


def of_request(number, split, request=REQUEST, **more):
    told = canonical.dumps({"model": "m", "request_id_hash": request, **more}).decode()
    return example(number, {"text": f"{number}"}, split=split, provenance=told)


def test_the_least_key_decides_which_split_has_them():
    verdict = judged(TOGETHER, of_commit(1, "train"), of_commit(2, "test"), of_commit(3, "train"), of_commit(4, "val"))
    assert verdict.offenders.rows() == [
        ("id-2", "others of its commit are in train"),
        ("id-4", "others of its commit are in train"),
    ]
    assert (verdict.figure, verdict.is_passed) == (2, False)
    assert verdict.what == "2 examples have others of their origin in another split: commit 2"


def test_calls_of_one_request_too_and_what_was_said_of_another_request_does_not_bind():
    of_others = {"corrected_request_id_hash": REQUEST}
    told = [of_request(1, "val"), of_request(2, "test"), of_request(3, "train", "cd" * 32, feedback=of_others)]
    assert judged(TOGETHER, *told).offenders.rows() == [("id-2", "others of its request are in val")]


@pytest.mark.parametrize(("kinds", "ids"), [((), []), (("commit",), ["id-2"]), (("request",), ["id-4"])])
def test_what_is_kept_together_is_chosen(kinds, ids):
    apart = [of_commit(1, "train"), of_commit(2, "test"), of_request(3, "train"), of_request(4, "test")]
    verdict = judged(TOGETHER, *apart, keep_together=kinds)
    assert verdict.offenders["example_id"].to_list() == ids
    assert verdict.is_judged is bool(kinds)


def test_a_text_that_reads_like_an_origin_is_none():
    told = json.dumps({"model": f'"commit":"{COMMIT}","request_id_hash":"{REQUEST}"'})
    rows = [example(n, {"text": f"{n}"}, split=split, provenance=told) for n, split in enumerate(("train", "test"))]
    assert judged(TOGETHER, *rows).is_passed
    imported = [{**of_commit(n, split), "source": "import"} for n, split in enumerate(("train", "test"))]
    assert judged(TOGETHER, *imported).is_passed


@given(st.lists(st.tuples(st.sampled_from(SPLITS), st.integers(0, 6)), max_size=40))
def test_what_is_left_of_an_origin_is_in_one_split_and_nothing_goes_for_nothing(drawn):
    rows = [of_request(n, split, f"{request:064x}") for n, (split, request) in enumerate(drawn)]
    going = set(judged(TOGETHER, *rows).offenders["example_id"])
    left, all_ = {}, {}
    for n, (split, request) in enumerate(drawn):
        all_.setdefault(request, set()).add(split)
        if f"id-{n}" not in going:
            left.setdefault(request, set()).add(split)
    assert all(len(splits) == 1 for splits in left.values())
    assert left.keys() == all_.keys()
    assert all(len(all_[request]) > 1 for n, (_, request) in enumerate(drawn) if f"id-{n}" in going)
