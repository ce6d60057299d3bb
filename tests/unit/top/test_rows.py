"""The rows of the pipeline."""

import pytest

from headrace.config import Config
from headrace_consumers.monitoring.catalogue import calls, consumers, dataset, producers
from headrace_consumers.top.view import view_of
from tests.unit.top.pages import WHOSE, away, reading, source

SHOP = ("shop", "production")
NOW_S = 1_795_000_000.0


def rows(*sources, what, **changes):
    view = view_of(sources, Config(**changes), NOW_S)
    return [(row.says, row.is_bad) for row in view.rows if row.what == what]


def metrics(before, after):
    return source(reading(before), reading(after, records=110))


def tables(before, after, consumer="dataset", records=200):
    return source(reading(before, consumer=consumer), reading(after, consumer=consumer, records=records))


def test_each_consumer_has_a_row_and_one_that_is_away_says_why_and_for_how_long():
    unwell = reading({(consumers.HEALTHY, ("metrics",)): 0})
    unready = reading({(consumers.READY, ("metrics",)): 0})
    stopping = reading({(consumers.CIRCUIT_OPEN, ("dataset", "t")): 1}, consumer="dataset")
    cut_off = reading({(consumers.READY, ("metrics",)): 0, (consumers.KAFKA_SILENT, ("metrics",)): 300})
    found = rows(
        *map(source, (reading({}), unwell, unready, cut_off, stopping)),
        away(),
        what="consumer",
    )
    assert found == [
        ("metrics at host:1 is well", False),
        ("metrics at host:1 is not well: /healthz says why", True),
        ("metrics at host:1 is well and not ready yet: /readyz says why", False),
        ("metrics at host:1 has had no answer from Kafka for 5 min", True),
        ("dataset at host:1 is stopping: nearly nothing can be read; see its log", True),
        ("metrics at host:2 cannot be reached (Connection refused), for 12 s", True),
    ]


def test_without_a_metrics_consumer_there_are_no_figures_of_calls():
    view = view_of([away()], Config(), NOW_S)
    assert view.calls is None
    assert [row.what for row in view.rows] == ["consumer"]


def test_lag_is_added_up_over_partitions_and_is_bad_beyond_the_threshold():
    lag = {
        (consumers.LAG_RECORDS, ("t", "0")): 5,
        (consumers.LAG_RECORDS, ("t", "1")): 7,
        (consumers.LAG_SECONDS, ("t", "0")): 301,
        (consumers.LAG_SECONDS, ("t", "1")): 2,
    }
    dataset_lag = source(reading({(consumers.LAG_RECORDS, ("t", "0")): 0}, consumer="dataset"))
    found = rows(source(reading(lag)), dataset_lag, what="lag")
    assert found == [
        ("dataset on t: nothing waits", False),
        ("metrics on t: 12 records, the oldest 5 min", True),
    ]


def test_a_consumer_that_tells_no_lag_reads_nothing():
    assert rows(source(reading({})), what="lag") == [
        ("metrics: not known; it owns no partition, or Kafka does not answer", True)
    ]


def test_disks_that_are_the_same_have_one_row():
    free = {
        (metric, (folder,)): size
        for folder in ("dataset", "state")
        for metric, size in ((consumers.DISK_FREE, 9e9), (consumers.DISK_SIZE, 100e9))
    }
    assert rows(source(reading(free, consumer="dataset")), what="disk") == [
        ("9% of 100 GB free: dataset/dataset, dataset/state", True)
    ]


def test_producers_that_fell_silent_are_counted_and_the_longest_named():
    reports = {
        (producers.PRODUCER_COUNT, SHOP): 3,
        (producers.LAST_REPORT, (*SHOP, "host-1")): NOW_S - 4,
        (producers.LAST_REPORT, (*SHOP, "host-2")): NOW_S - 400,
        (producers.LAST_REPORT, (*SHOP, "host-3")): NOW_S - 800,
    }
    says = "1 reporting, 2 silent for over 5 min: host-3 of shop for 13 min"
    assert rows(source(reading(reports)), what="producers") == [(says, True)]
    assert rows(source(reading(reports)), what="producers", alerts={"producer_silent_s": 900}) == [
        ("3 reporting, none silent, the last report 4 s ago", False)
    ]


@pytest.mark.parametrize(
    ("imbalances", "says", "is_bad"),
    [
        ((), "no producer tells", False),
        ((0, 0), "balanced: each sampled record is accounted for", False),
        ((2, -2), "4 records not accounted for: a defect of Headrace", True),
    ],
)
def test_an_imbalance_is_bad_and_one_does_not_make_up_for_another(imbalances, says, is_bad):
    values = {(producers.IMBALANCE, (*SHOP, f"host-{n}")): value for n, value in enumerate(imbalances)}
    assert rows(source(reading(values)), what="ledger") == [(says, is_bad)]


def test_what_was_lost_is_told_by_reason_and_is_bad_while_it_goes_on():
    full, exit_ = (producers.RECORDS_DROPPED, (*SHOP, "queue_full")), (producers.RECORDS_DROPPED, (*SHOP, "exit"))
    assert rows(metrics({full: 5, exit_: 9}, {full: 8, exit_: 9}), what="lost") == [("exit 9, queue_full 8 (+3)", True)]
    assert rows(metrics({full: 5}, {full: 5}), what="lost") == [("queue_full 5", False)]
    assert rows(metrics({}, {}), what="lost") == [("none", False)]


def test_spools_unreadable_and_late_are_told():
    values = {
        (producers.PRODUCER_RECORDS, (*SHOP, "host-1", "spooled")): 1200,
        (producers.SPOOL_BYTES, (*SHOP, "host-1")): 3e6,
        (consumers.UNREADABLE, ("t", "undecodable")): 2,
        (calls.LATE_CALLS, WHOSE): 4,
    }
    found = metrics({}, values)
    assert rows(found, what="spooled") == [("1,200 records (3 MB) wait on producers' disks for Kafka", False)]
    assert rows(found, what="unreadable") == [("undecodable 2 (+2)", True)]
    assert rows(found, what="late") == [("4 calls told of over 5 min late: in the totals, in no rate", False)]
    assert rows(metrics({}, {}), what="late") == []


def test_the_dataset_tells_growth_duplicates_commits_and_its_seen_set():
    before = {(dataset.EXAMPLES, ("Triage",)): 10, (dataset.DUPLICATES, ()): 50, (dataset.COMMITS, ()): 1}
    after = {
        (dataset.EXAMPLES, ("Triage",)): 12,
        (dataset.EXAMPLES, ("Path",)): 40,
        (dataset.DUPLICATES, ()): 80,
        (dataset.COMMITS, ()): 2,
        (consumers.LAST_COMMIT, ("dataset",)): NOW_S - 7,
        (dataset.SEEN_SET_KEYS, ()): 52,
        (dataset.SEEN_SET_BYTES, ()): 4e5,
        (consumers.DEAD_LETTERS, ("t", "undecodable")): 1,
    }
    found = tables(before, after)
    assert rows(found, what="examples") == [("Path 40 (+40), Triage 12 (+2)", False)]
    assert rows(found, what="duplicates") == [("40% of 200 records, 30% of the last 100", False)]
    assert rows(found, what="commits") == [("2 since it began, the last 7 s ago", False)]
    assert rows(found, what="seen-set") == [("52 keys, 400 kB of memory", False)]
    assert rows(found, what="dead letters") == [("undecodable 1 (+1)", True)]
    assert rows(found, what="dead letters", alerts={"max_dead_letters": 1}) == [("undecodable 1 (+1)", False)]


def test_commits_that_fail_are_bad_and_those_of_a_page_without_a_time_are_not_dated():
    failing = tables({}, {(dataset.COMMIT_FAILING, ()): 90})
    assert rows(failing, what="commits") == [("have failed for 90 s; see the consumer's log", True)]
    undated = tables({(dataset.COMMITS, ()): 7}, {(dataset.COMMITS, ()): 7})
    assert rows(undated, what="commits") == [("7 since it began", False)]


@pytest.mark.parametrize(("kept", "is_bad"), [(50, True), (60, False), (1, True)])
def test_a_reason_that_rejects_over_half_of_a_signature_is_bad(kept, is_bad):
    values = {
        (dataset.EXAMPLES, ("Triage",)): kept,
        (dataset.REJECTED, ("Triage", "latency")): 60,
        (dataset.REJECTED, ("Path", "failed")): 3,
    }
    ((says, bad),) = rows(tables(values, values), what="rejected")
    assert bad is is_bad
    assert says.startswith("latency 60, failed 3")
    assert ("of Triage" in says) is is_bad


def test_feedback_has_one_row():
    last = {(consumers.LAST_COMMIT, ("feedback",)): NOW_S - 90}
    values = {(dataset.EXAMPLES, ("",)): 3, (dataset.COMMITS, ()): 1, **last}
    assert rows(tables({}, values, "feedback"), what="feedback") == [
        ("3 rows (+3); dead letters: none; commits: 1 since it began, the last 90 s ago", False)
    ]


def test_of_many_names_the_largest_are_told():
    values = {(dataset.EXAMPLES, (f"S{number}",)): number for number in range(1, 10)}
    ((says, _),) = rows(tables(values, values), what="examples")
    assert says == "S9 9, S8 8, S7 7, S6 6, S5 5, S4 4, and 3 more"
