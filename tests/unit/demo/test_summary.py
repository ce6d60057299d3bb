"""The checker: it passes what agrees and names what does not."""

import copy
import json

import pytest

from headrace_consumers.cli.present import count
from headrace_consumers.demo.report import summary_lines
from headrace_consumers.demo.summary import EMAIL, FeedbackFacts, Ledger, Summary, TableFacts, judge

SERVICE = {
    "calls": 1000,
    "succeeded": 900,
    "failed": {"LookupError": 100},
    "feedback": 90,
    "sampling_rate_pct": 50.0,
    "sampled_calls": 480,
    "flushed": True,
    "stats": {
        "sampled": 1490,
        "delivered": 1480,
        "spooled": 0,
        "in_flight": 0,
        "dropped": {"queue_full": 10},
        "redactions": {"email": 40, "phone": 50},
        "instance": "x",
    },
}
TALLY = {
    "consumed": 1390,
    "kept": 700,
    "duplicates": 500,
    "outcomes": 0,
    "rejected": {"success": 180},
    "dead_letters": {"undecodable": 10},
    "unknown": {},
    "commits": 9,
}
EXAMPLE = {
    "signature": "DraftReply",
    "input": '{"ticket":"hello [EMAIL]"}',
    "output": '{"reply":"Thank you"}',
    "latency_ms": 12.0,
    "quality": 1.0,
    "redactions": 1,
}
FACTS = {
    "rows": 700,
    "distinct_keys": 700,
    "rows_with_email": 0,
    "signatures": {"DraftReply": 700},
    "examples": [EXAMPLE],
}
FEEDBACK_TALLY = {"consumed": 90, "kept": 90, "rejected": {}, "dead_letters": {}, "commits": 4}
FEEDBACK = {
    "rows": 90,
    "distinct": 90,
    "rows_with_email": 0,
    "on_rated_rows": 30,
    "joined_itself": 30,
    "joined": 33,
    "example": {"request_id": "demo-7-10", "score": 0.0, "label": "thumbs_down", "comment": "not to [EMAIL]"},
}


def broken_checks(service=SERVICE, tally=TALLY, feedback=FEEDBACK, **facts):
    checks = judge(service, tally, FEEDBACK_TALLY, TableFacts(**{**FACTS, **facts}), FeedbackFacts(**feedback))
    return [check.statement for check in checks if not check.holds]


def changed(values, *path, to):
    values = copy.deepcopy(values)
    at = values
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = to
    return values


def test_figures_that_agree_pass():
    assert broken_checks() == []


@pytest.mark.parametrize(
    ("service", "statement"),
    [
        (changed(SERVICE, "stats", "sampled", to=1491), "the producer's ledger balances"),
        (changed(SERVICE, "flushed", to=False), "the producer's ledger balances"),
    ],
)
def test_a_producer_that_lost_something_is_named(service, statement):
    assert broken_checks(service) == [statement]


def test_records_in_flight_at_the_end_are_named_though_the_sum_is_right():
    service = changed(changed(SERVICE, "stats", "in_flight", to=5), "stats", "dropped", to={"queue_full": 5})
    assert broken_checks(service) == ["the producer's ledger balances"]


def test_a_record_consumed_twice_or_never_is_named():
    assert "every delivered record was consumed, once" in broken_checks(tally=changed(TALLY, "consumed", to=1391))
    assert "every consumed record is accounted for" in broken_checks(tally=changed(TALLY, "duplicates", to=499))


@pytest.mark.parametrize(
    ("facts", "statements"),
    [
        ({"rows": 701, "distinct_keys": 701}, ["the table holds what was kept"]),
        ({"distinct_keys": 699}, ["no key is there twice"]),
        ({"rows_with_email": 1}, ["no e-mail address is left"]),
    ],
)
def test_a_table_that_is_not_what_it_should_be_is_named(facts, statements):
    assert broken_checks(**facts) == statements


@pytest.mark.parametrize(
    ("facts", "statement"),
    [
        ({"rows": 91}, "feedback is in its table, once"),
        ({"distinct": 89}, "feedback is in its table, once"),
        ({"joined_itself": 29}, "feedback is joined to the row of its call"),
        ({"rows_with_email": 1}, "no e-mail address is left"),
    ],
)
def test_feedback_that_is_not_where_it_should_be_is_named(facts, statement):
    assert broken_checks(feedback={**FEEDBACK, **facts}) == [statement]


def test_an_empty_table_is_no_success():
    tally = {**TALLY, "kept": 0, "duplicates": 1200}
    assert broken_checks(tally=tally, rows=0, distinct_keys=0) == ["the table holds what was kept"]


@pytest.mark.parametrize("text", ["a@example.com", 'x "ada.lee+1@mail.example.co.uk".'])
def test_addresses_are_seen(text):
    assert EMAIL.search(text)


@pytest.mark.parametrize("text", ["[EMAIL]", "a @ b", "user@localhost", "3 @ 4.50"])
def test_other_text_is_no_address(text):
    assert not EMAIL.search(text)


def summary(**facts):
    table = TableFacts(**{**FACTS, **facts})
    return Summary(
        broker="127.0.0.1:1",
        embedded=True,
        service=SERVICE,
        tally=TALLY,
        feedback_tally=FEEDBACK_TALLY,
        table=table,
        feedback=FeedbackFacts(**FEEDBACK),
        dataset_path="/x/dataset",
        config_path="/x/headrace.json",
        listing="headrace dataset ls ...",
        page="headrace ui ...",
        query="python -c ...",
        seconds=12.34,
        checks=judge(SERVICE, TALLY, FEEDBACK_TALLY, table, FeedbackFacts(**FEEDBACK)),
    )


def test_the_summary_is_json():
    found = json.loads(json.dumps(summary().as_dict()))
    assert found["ok"] is True
    assert found["ledger"]["balances"] is True
    assert (found["rows"], found["seconds"]) == (700, 12.3)
    assert found["feedback"] == {
        "given": 90,
        "rows": 90,
        "joined": 33,
        "to_copies": 3,
        "example": FEEDBACK["example"],
    }


def test_people_see_every_figure_and_every_check():
    lines = summary_lines(summary(distinct_keys=699))
    text = "\n".join(lines)
    for figure in (1000, 480, 1390, 180, 500, 700):
        assert count(figure) in text
    assert 'Feedback on demo-7-10, joined to its row: 0 thumbs_down, "not to [EMAIL]"' in lines
    assert "1,490 sampled = 1,480 delivered + 0 spooled + 0 in flight + 10 dropped (queue_full 10)" in text
    assert [line.split()[0] for line in lines if "no key is there twice" in line] == ["FAILED"]
    assert "[EMAIL]" in text
    assert "/x/dataset" in text


def test_a_ledger_is_read_from_the_producers_stats():
    assert Ledger.of(SERVICE["stats"]).balances
