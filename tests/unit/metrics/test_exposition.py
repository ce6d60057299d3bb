"""What the page says, and the probes."""

import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace

from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.exposition import page_of
from headrace_consumers.metrics.labels import MAX_SERIES, Labels
from headrace_consumers.metrics.producer_labels import MAX_SHOWN_PRODUCERS
from headrace_consumers.metrics.samples import SampleCounting
from headrace_consumers.metrics.standing import LAG_RECORDS, UNSCRAPED_S, PartitionStanding, Standing, judge
from headrace_consumers.metrics.state import Shown, State
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.metrics.web import Web
from headrace_consumers.monitoring.catalogue import METRICS
from headrace_consumers.monitoring.metric import Server
from headrace_consumers.monitoring.server import LOOK
from headrace_consumers.monitoring.standing import STALLED_S
from headrace_consumers.statistics.beginning import RECALL_MS, Beginning
from headrace_consumers.statistics.place import Reading
from headrace_consumers.statistics.producers import LATE_MS
from headrace_schemas import Count, Statistics, interaction_codec, statistics_codec
from headrace_schemas.vectors import EXAMPLE
from tests.support.metrics_consumer import Samples, samples
from tests.support.statistics import NOW_MS, call_statistics, record

PLACE = ("statistics", 0)
CAUGHT_UP = PartitionStanding(8, 0, NOW_MS - 4_000, has_caught_up=True)
STANDING = Standing(
    turned_at=1000.0,
    has_joined=True,
    partitions={PLACE: CAUGHT_UP},
    kafka_silent_s=0.5,
    scraped_at_ms=NOW_MS - 15_000,
    committed_at_ms=NOW_MS - 14_000,
)
USAGE = {
    "model": "gpt",
    "sampled": 1,
    "weight": 10.0,
    "tokens_input": 30.0,
    "tokens_output": 5.0,
    "cost_usd": 0.5,
    "unknown_cost": 1,
}
CALLS = {**call_statistics([0.5, 2.0, 100.0], {"ValueError": 1}, cancelled=1), "usage": [USAGE]}
LEDGER = {"sampled": 8, "adopted": 1, "delivered": 5, "spooled": 2, "dropped": [Count(name="exit", count=1)]}
FAILED = {"program_failures": [Count(name="digest", count=1)]}
WHOSE = {"module": "support", "version": "v1", "signature": "Triage", "environment": "production"}
SHOP = {"service": "shop", "environment": "production"}


def _shown(*records: Statistics, appended_ms: Sequence[int] = (), max_series: int = MAX_SERIES) -> Shown:
    totals, labels = Totals(), Labels(lambda: 0.0, max_series=max_series)
    counting = StatisticsCounting(PLACE[0], totals, labels, lambda: NOW_MS)
    state = State(totals, counting, overflow=labels.overflow)
    state.assign(PLACE, Beginning(read_from=0, start=0, complete_since_ms=0))
    codec = statistics_codec()
    written = zip(records, appended_ms or [NOW_MS] * len(records), strict=True)
    state.take(Reading(PLACE, offset, codec.encode(each), at_ms) for offset, (each, at_ms) in enumerate(written))
    state.show()
    return state.show()


def _page(shown: Shown, standing: Standing = STANDING, now_ms: int = NOW_MS) -> Samples:
    return samples(page_of(shown, standing, now=1000.0, now_ms=now_ms).render("")[0].decode())


def _of(page: Samples, name: str, **labels: str) -> float | None:
    return page.get((name, tuple(sorted(labels.items()))))


def test_the_page_has_the_totals_the_producers_and_itself() -> None:
    page = _page(_shown(record([CALLS], **LEDGER)))
    assert _of(page, "headrace_calls_total", **WHOSE) == 3
    assert _of(page, "headrace_call_errors_total", **WHOSE, error_type="ValueError") == 1
    duration = "gen_ai_client_operation_duration_seconds"
    assert [_of(page, f"{duration}_bucket", **WHOSE, le=le) for le in ("0.32", "0.64", "3.0", "81.92", "+Inf")] == [
        0,
        1,
        2,
        2,
        3,
    ]
    assert _of(page, f"{duration}_sum", **WHOSE) == 102.5
    tokens = {**WHOSE, "gen_ai_request_model": "gpt"}
    assert _of(page, "headrace_tokens_total", **tokens, gen_ai_token_type="input") == 30
    assert _of(page, "headrace_cost_usd_total", **tokens) == 0.5
    assert _of(page, "headrace_records_dropped_total", **SHOP, reason="exit") == 1
    assert _of(page, "headrace_producers", **SHOP) == 1
    whose = {**SHOP, "producer": "host-1-1"}
    assert _of(page, "headrace_producer_ledger_records", **whose, term="spooled") == 2
    assert _of(page, "headrace_producer_ledger_imbalance_records", **whose) == 1
    assert _of(page, "headrace_producer_last_report_timestamp_seconds", **whose) == NOW_MS / 1000
    assert _of(page, "headrace_consumer_lag_records", topic="statistics", partition="0") == 0
    assert _of(page, "headrace_consumer_lag_seconds", topic="statistics", partition="0") == 0
    assert _of(page, "headrace_consumer_healthy", consumer="metrics") == 1
    own = {"consumer": "metrics"}
    assert _of(page, "headrace_kafka_silent_seconds", **own) == 0.5
    assert _of(page, "headrace_consumer_last_scrape_timestamp_seconds", **own) == NOW_MS / 1000 - 15
    assert _of(page, "headrace_consumer_last_commit_timestamp_seconds", **own) == NOW_MS / 1000 - 14


def test_no_series_says_when_another_began() -> None:
    page = page_of(_shown(record([CALLS], **LEDGER)), STANDING, now=1000.0, now_ms=NOW_MS)
    text = page.render("application/openmetrics-text; version=1.0.0")[0].decode()
    assert "headrace_calls_total{" in text
    assert "_created" not in text


def test_all_that_is_served_stands_in_the_list_as_served_by_it_and_the_other_way_round() -> None:
    totals, labels = Totals(), Labels(lambda: 0.0, max_series=1)
    statistics = StatisticsCounting(PLACE[0], totals, labels, lambda: NOW_MS)
    sampled = SampleCounting("interactions", totals, labels, lambda: NOW_MS)
    state = State(totals, statistics, sampled, labels.overflow)
    begins = Beginning(read_from=0, start=0, complete_since_ms=0)
    more = {
        **CALLS,
        "calls": 9,
        "cancelled": 9,
        "errors": [Count(name="ValueError", count=9)],
        "usage": [{**USAGE, "sampled": 99, "tokens_input": 99.0, "cost_usd": 9.0}],
    }
    late = {"sequence": 2, "timestamp_ms": NOW_MS + LATE_MS + 1}
    elsewhere = record([{**CALLS, "module_name": "other one"}], instance="b")
    values = [
        *map(statistics_codec().encode, (record([CALLS], **LEDGER, **FAILED), record([more], **late), elsewhere)),
        b"rubbish",
    ]
    state.assign(PLACE, begins)
    state.take(Reading(PLACE, offset, value, NOW_MS) for offset, value in enumerate(values))
    place = ("interactions", 0)
    state.assign(place, begins)
    known = {"inclusion_probability": 0.5, "timestamp_ms": NOW_MS, "redactions": 1, "cache_hits": 1}
    records = [{**EXAMPLE, **known, "event_id": str(number), "request_id": str(number)} for number in range(40)]
    state.take(Reading(place, offset, interaction_codec().encode(each), NOW_MS) for offset, each in enumerate(records))
    state.show()
    page = page_of(state.show(), STANDING, now=1000.0, now_ms=NOW_MS)
    assert set(page._families) == {each.name for each in METRICS if Server.metrics in each.served_by}


def test_a_scrape_commits_what_it_shows_and_a_look_does_not() -> None:
    asked: list[object] = []
    state = State(Totals(), StatisticsCounting(PLACE[0], Totals(), Labels(lambda: 0.0), lambda: NOW_MS))
    offsets = SimpleNamespace(ask=lambda positions, _: asked.append(positions))
    web = Web(state, offsets, lambda: 0.0, lambda: NOW_MS)  # type: ignore[arg-type]  # it only asks
    looked, scraped = web.answer(LOOK, ""), web.answer("/metrics", "")
    assert (looked.body, looked.content_type) == (scraped.body, scraped.content_type)
    assert looked.on_sending is None
    assert scraped.on_sending is not None
    scraped.on_sending()
    assert asked == [{}]


def test_a_producer_that_ended_or_is_silent_for_long_is_gone_but_what_it_counted_stays() -> None:
    whose = {**SHOP, "producer": "host-1-1"}
    name = "headrace_producer_last_report_timestamp_seconds"
    ended = _page(_shown(record([CALLS]), record([CALLS], sequence=2, is_last=True)))
    silent = _page(_shown(record([CALLS])), now_ms=NOW_MS + RECALL_MS + 1)
    for page in (ended, silent):
        assert _of(page, name, **whose) is None
        assert _of(page, "headrace_producers", **SHOP) is None
        assert _of(page, "headrace_calls_total", **WHOSE) == 3


def test_producers_that_are_too_many_are_one() -> None:
    many = [record(instance=f"p{number:05}", sampled=2, delivered=1) for number in range(MAX_SHOWN_PRODUCERS + 3)]
    page = _page(_shown(*many))
    name = "headrace_producer_ledger_imbalance_records"
    assert sum(1 for found, _ in page if found == name) == MAX_SHOWN_PRODUCERS + 1
    assert _of(page, name, **SHOP, producer="other") == 3
    assert _of(page, "headrace_producers", **SHOP) == MAX_SHOWN_PRODUCERS + 3


def test_services_of_producers_are_bounded_counted_and_cut() -> None:
    count, report, overflow = (
        "headrace_producers",
        "headrace_producer_last_report_timestamp_seconds",
        "headrace_series_overflow_total",
    )
    many = [record(service=f"s{number}", instance=f"p{number}") for number in range(3)]
    page = _page(_shown(*many, record(service="s0", instance="i" * 9_000), max_series=2))
    assert {dict(labels)["service"] for name, labels in page if name == count} == {"s0", "s1", "other"}
    other = {"service": "other", "environment": "other"}
    assert _of(page, count, **other) == 1
    assert _of(page, report, **other, producer="other") == NOW_MS / 1000
    assert _of(page, report, service="s0", environment="production", producer="i" * 128) == NOW_MS / 1000
    assert _of(page, overflow, metric=count) == 1


def test_producers_that_find_no_place_are_counted_until_one_ends() -> None:
    many = [record(instance=f"p{number:05}") for number in range(MAX_SHOWN_PRODUCERS + 1)]
    ended, again = record(instance="p00000", sequence=2, is_last=True), record(instance="p01000", sequence=2)
    name = "headrace_producer_last_report_timestamp_seconds"
    page = _page(_shown(*many, ended, again))
    assert _of(page, "headrace_series_overflow_total", metric=name) == 1
    assert _of(page, name, **SHOP, producer="p01000") == NOW_MS / 1000
    assert _of(page, name, **SHOP, producer="other") is None


def test_producers_that_are_one_and_lose_and_gain_as_much_do_not_balance() -> None:
    balanced = [record(instance=f"p{number:05}") for number in range(MAX_SHOWN_PRODUCERS)]
    gained, lost = record(instance="z1", sampled=1, delivered=2), record(instance="z2", sampled=2, delivered=1)
    page = _page(_shown(*balanced, gained, lost))
    assert _of(page, "headrace_producer_ledger_imbalance_records", **SHOP, producer="other") == 2


def test_producers_that_are_one_are_as_silent_as_the_one_that_reported_last() -> None:
    many = [record(instance=f"p{number:05}") for number in range(MAX_SHOWN_PRODUCERS + 2)]
    page = _page(_shown(*many, appended_ms=[*[NOW_MS] * (len(many) - 1), NOW_MS - 60_000]))
    name = "headrace_producer_last_report_timestamp_seconds"
    assert _of(page, name, **SHOP, producer="other") == NOW_MS / 1000


def test_a_partition_that_is_behind_is_as_old_as_what_was_read_last() -> None:
    behind = dataclasses.replace(CAUGHT_UP, lag=7)
    page = _page(_shown(), dataclasses.replace(STANDING, partitions={PLACE: behind}))
    assert _of(page, "headrace_consumer_lag_records", topic="statistics", partition="0") == 7
    assert _of(page, "headrace_consumer_lag_seconds", topic="statistics", partition="0") == 4


def test_a_probe_is_told_what_is_wrong() -> None:
    def problems(**changes: object) -> tuple[bool, bool, str]:
        is_healthy, is_ready, body = judge(dataclasses.replace(STANDING, **changes), 1000.0)
        return is_healthy, is_ready, "; ".join(body["problems"])

    assert problems() == (True, True, "")
    assert problems(has_joined=False, partitions={}) == (True, False, "no assignment yet")
    assert problems(turned_at=1000.0 - STALLED_S - 1) == (False, False, "the loop has not turned for 121 s")
    late = dataclasses.replace(CAUGHT_UP, has_caught_up=False)
    assert problems(partitions={PLACE: late}) == (True, False, "not caught up since the assignment: statistics/0")
    for lag in (None, LAG_RECORDS + 1):
        assert problems(partitions={PLACE: dataclasses.replace(CAUGHT_UP, lag=lag)})[2] == f"lag above {LAG_RECORDS}"


def test_while_kafka_is_away_it_is_healthy_and_not_ready_and_its_lag_is_not_known() -> None:
    cut_off = dataclasses.replace(STANDING, kafka_silent_s=45.0)
    is_healthy, is_ready, body = judge(cut_off, 1000.0)
    assert (is_healthy, is_ready) == (True, False)
    assert body["problems"] == ["no broker has answered for 45 s"]
    assert body["partitions"]["statistics/0"] == {"next_offset": 8, "lag": None}
    page = _page(_shown(record([CALLS])), cut_off)
    assert not [name for name, _ in page if name.startswith("headrace_consumer_lag")]
    assert _of(page, "headrace_consumer_ready", consumer="metrics") == 0
    assert _of(page, "headrace_kafka_silent_seconds", consumer="metrics") == 45


def test_who_is_not_scraped_is_ready_and_says_so() -> None:
    assert judge(STANDING, 1000.0)[2]["notes"] == []
    _, is_ready, body = judge(dataclasses.replace(STANDING, unscraped_s=UNSCRAPED_S + 1), 1000.0)
    assert is_ready
    (note,) = body["notes"]
    assert note.startswith("not scraped for 301 s")
