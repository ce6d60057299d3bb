"""Filters and scorers of the user's own: what they see, what they decide, and how they may fail."""

import json

import pytest

from headrace.config import load
from headrace.errors import ConfigError
from headrace_consumers.dataset.errors import OwnCallableError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.own import load_callable, readable
from headrace_consumers.dataset.judging.select import select
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of

OWN = "tests.unit.consumers.own_callables"


def filter_of(**filters):
    return Filter(load(None, {"filters": filters}, {}).filters)


def selected(filter_, *records):
    messages = [message_of(record, offset) for offset, record in enumerate(records)]
    return select(messages, [True] * len(messages), ColumnarDecoder(), filter_)


def test_filters_are_asked_in_order_about_what_passes_all_else():
    filter_ = filter_of(default={"own_filters": [f"{OWN}:is_polite", f"{OWN}:is_short"]})
    long = '{"answer":"' + "x" * 100 + '"}'
    records = [
        interaction("please, why?"),
        interaction("why?", output=long),
        interaction("please!", output=long),
        interaction("because", success=False),
        interaction("rude", capture_level="outcome", dedup_key="event"),
    ]
    selection = selected(filter_, *records)
    assert selection.kept["offset"].to_list() == [0]
    assert selection.tally.rejected == {f"{OWN}:is_polite": 1, f"{OWN}:is_short": 1, "failed": 1}
    assert selection.tally.outcomes == 1
    assert selection.tally.balances


def test_they_are_not_asked_about_records_without_payload_or_that_are_rejected_anyway():
    filter_ = filter_of(default={"own_filters": [f"{OWN}:fails_on_secret"]})
    outcome = interaction("secret", capture_level="outcome", dedup_key="event")
    failed = interaction("secret", success=False)
    tally = selected(filter_, outcome, failed).tally
    assert (tally.outcomes, tally.rejected) == (1, {"failed": 1})


def test_a_scorer_decides_with_its_threshold_and_its_score_is_the_rows():
    filter_ = filter_of(default={"min_quality_score": 0.5}, signatures={"mine": {"scorer": f"{OWN}:by_length"}})
    records = [
        interaction("a", signature="mine", output='{"answer":"12345678"}'),
        interaction("b", signature="mine", output='{"answer":"1234"}'),
        interaction("c", signature="mine", output='{"answer":"12345"}'),
        interaction("d", output='{"answer":"1"}'),
    ]
    selection = selected(filter_, *records)
    assert dict(selection.kept.select("offset", "quality").iter_rows()) == {0: 0.8, 2: 0.5, 3: 1.0}
    assert selection.tally.rejections == {("mine", "quality"): 1}


def test_one_record_and_many_are_judged_alike():
    filter_ = filter_of(
        default={"scorer": f"{OWN}:by_length", "own_filters": [f"{OWN}:is_polite"]},
        signatures={"plain": {"scorer": "fields", "own_filters": []}, "old": {"scorer": "legacy"}},
    )
    records = [
        interaction(question, signature=signature, output=output, success=success)
        for question in ("please", "no")
        for signature in ("plain", "old", "new")
        for output in ('{"answer":""}', '{"answer":"1234567890"}', '{"answer":"1234567"}')
        for success in (True, False)
    ]
    columns = ColumnarDecoder().decode([message_of(record) for record in records])
    many = filter_.judge_all(columns.records, columns.filled)["reason"].to_list()
    assert many == [filter_.judge(record, json.loads(record["output"])).reason for record in records]
    assert {"quality", f"{OWN}:is_polite", "failed", None} == set(many)


def test_a_record_is_shown_with_its_values_and_cannot_be_changed():
    text = '{"n":{"$hr:int":"9007199254740993"},"odd":{"$hr:nonsense":1}}'
    assert readable(interaction(output='{"n":{"$hr:int":"9007199254740993"}}'))["output"] == {"n": 2**53 + 1}
    assert readable(interaction(output=text))["output"]["odd"] == {"$hr:nonsense": 1}
    with pytest.raises(OwnCallableError, match=r"changes_it raised TypeError at own_callables\.py"):
        selected(filter_of(default={"own_filters": [f"{OWN}:changes_it"]}), interaction())
    assert selected(filter_of(default={"own_filters": [f"{OWN}:Judges.all_well"]}), interaction()).tally.kept == 1


@pytest.mark.parametrize(
    ("default", "what"),
    [
        ({"own_filters": [f"{OWN}:fails_on_secret"]}, "fails_on_secret raised ValueError at own_callables.py:"),
        ({"own_filters": [f"{OWN}:says_nothing"]}, "says_nothing returned NoneType, expected bool"),
        ({"scorer": f"{OWN}:says_nothing"}, "says_nothing returned NoneType, expected a number from 0 to 1"),
        ({"scorer": f"{OWN}:not_a_number"}, "not_a_number returned float, expected a number from 0 to 1"),
        ({"scorer": f"{OWN}:is_short"}, "is_short returned bool, expected a number from 0 to 1"),
    ],
)
def test_a_callable_that_fails_is_one_line_that_quotes_nothing(default, what):
    with pytest.raises(OwnCallableError) as caught:
        selected(filter_of(default=default), interaction("my secret", event_id="e-7"))
    line = str(caught.value)
    assert what in line
    assert "'e-7'" in line
    assert "nothing is lost" in line
    assert "my secret" not in line


def test_nothing_is_written_of_a_batch_on_which_a_callable_fails_and_it_can_be_tried_again(tmp_path):
    path = CommitPath(tmp_path, filter_=filter_of(default={"own_filters": [f"{OWN}:fails_on_secret"]}))
    batch = [message_of(interaction("fine"), 0), message_of(b"x", 1), message_of(interaction("secret"), 2)]
    with pytest.raises(OwnCallableError):
        path.commit(batch)
    assert (path.table.version, path.table.position("topic-id/0"), path.dead_letters.letters) == (0, None, [])
    path.close()
    mended = CommitPath(tmp_path)
    assert mended.commit(batch).kept == 2
    mended.close()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("no.such:thing", "no.such:thing: cannot be imported (ModuleNotFoundError"),
        (f"{OWN}:absent", "absent: cannot be imported (AttributeError"),
        (f"{OWN}:NOT_CALLABLE", "NOT_CALLABLE: found int, expected something that can be called"),
    ],
)
def test_what_cannot_be_imported_or_called_is_refused_at_the_start(path, line):
    for filters in ({"default": {"own_filters": [path]}}, {"signatures": {"S": {"scorer": path}}}):
        with pytest.raises(ConfigError) as caught:
            filter_of(**filters)
        assert line in str(caught.value)
    with pytest.raises(ConfigError):
        load_callable(path)


@pytest.mark.parametrize("text", ["plain", "a.b", "a:b:c", "a b:c", ":c", "a:", "../x:y", "a:b()"])
def test_what_is_no_such_name_is_refused_with_the_configuration(text):
    with pytest.raises(ConfigError, match=r'filters\.default\.scorer: found ".*", expected fields, legacy or package'):
        load(None, {"filters": {"default": {"scorer": text}}}, {})
    with pytest.raises(ConfigError, match=r"own_filters\.0: found .* expected package\.module:object"):
        load(None, {"filters": {"default": {"own_filters": [text]}}}, {})
