"""What /metrics of a table's consumer says."""

from collections import Counter
from pathlib import Path

import pytest

from headrace_consumers.dataset.batches import BatchCommitter
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.figures import Figures, TimedCommitter
from headrace_consumers.dataset.health import Health
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.named import MAX_REASONS, MAX_SIGNATURES
from headrace_consumers.dataset.status import HealthLimits, PartitionStatus, Status
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.dataset.upkeep.table_health import TableHealth
from headrace_consumers.monitoring.catalogue import METRICS
from headrace_consumers.monitoring.metric import Server
from headrace_consumers.monitoring.server import LOOK
from tests.support.metrics_consumer import samples

LIMITS = HealthLimits(stalled_s=60, failing_s=300, lag_records=100)
NOW_MS = 1_795_000_000_000
TALLY = Tally(
    consumed=20,
    kept=7,
    rows=Counter({"Triage": 5, "Path": 2}),
    duplicates=6,
    outcomes=1,
    outcomes_of=Counter({"Triage": 1}),
    rejections=Counter({("Triage", "latency"): 4}),
    dead_letters=Counter({"undecodable": 2}),
    unknown=Counter({"cost_usd": 3}),
    commits=2,
)


def health(figures, **changes):
    partition = PartitionStatus(7, 9, 2, 2, is_ready=True, has_caught_up=True, waits_since_ms=NOW_MS - 3_000)
    found = Health(LIMITS, lambda: 1010.0, figures, lambda: NOW_MS)
    found.tell(Status(**{"turned_at": 1000.0, "has_joined": True, "partitions": {3: partition}, **changes}))
    return found


def page(figures, **changes):
    answer = health(figures, **changes).respond("/metrics", "")
    assert (answer.code, answer.content_type[:10]) == (200, "text/plain")
    return {
        (name, *(value for _, value in labels)): value
        for (name, labels), value in samples(answer.body.decode()).items()
    }


def looked(figures):
    return health(figures).respond(LOOK, "").body


def noted():
    figures = Figures("dataset", "interactions", {"dataset": Path(__file__).parent}, lambda: NOW_MS - 2_000)
    figures.note_tally(TALLY)
    figures.note_seen({"keys": 12, "mb": 1.5})
    figures.note_tables({"interactions": TableHealth(50, 2, 400, 950.0), "sightings": TableHealth(3)})
    figures.note_fence()
    for _ in range(3):
        figures.note_rebalance()
    figures.note_commit(0.3)
    figures.note_commit(0.5)
    return figures


def test_the_page_tells_of_the_tally_the_commits_the_seen_set_and_the_lag():
    found = page(noted(), failing_since=1004.0)
    assert found["headrace_consumer_records_total", "interactions"] == 20
    assert found["headrace_consumer_last_commit_timestamp_seconds", "dataset"] == NOW_MS / 1000 - 2
    assert found["headrace_dataset_examples_total", "Triage"] == 5
    assert found["headrace_dataset_duplicates_total",] == 6
    assert found["headrace_dataset_outcomes_total", "Triage"] == 1
    assert found["headrace_dataset_rejected_total", "latency", "Triage"] == 4
    assert found["headrace_dataset_unknown_total", "cost_usd"] == 3
    assert found["headrace_dead_letters_total", "undecodable", "interactions"] == 2
    assert found["headrace_table_commits_total",] == 2
    assert found["headrace_table_commit_failing_seconds",] == 6
    assert found["headrace_table_fences_total",] == 1
    assert found["headrace_consumer_rebalances_total", "dataset"] == 3
    assert found["headrace_table_files", "interactions"] == 50
    assert found["headrace_table_unmergeable_files", "interactions"] == 2
    assert found["headrace_table_files_merged_total", "interactions"] == 400
    assert found["headrace_table_maintenance_failing_seconds", "interactions"] == 60
    assert found["headrace_table_maintenance_failing_seconds", "sightings"] == 0
    assert (found["headrace_seen_set_keys",], found["headrace_seen_set_bytes",]) == (12, 1.5e6)
    assert found["headrace_consumer_lag_records", "3", "interactions"] == 2
    assert found["headrace_consumer_lag_seconds", "3", "interactions"] == 3
    assert found["headrace_consumer_healthy", "dataset"] == found["headrace_consumer_ready", "dataset"] == 1
    buckets = {
        name[1]: value for name, value in found.items() if name[0] == "headrace_table_commit_duration_seconds_bucket"
    }
    assert [buckets[le] for le in ("0.2", "0.5", "+Inf")] == [0, 2, 2]
    assert found["headrace_table_commit_duration_seconds_sum",] == 0.8


def test_while_kafka_is_away_the_page_has_no_lag():
    found = page(noted(), kafka_silent_s=45.0)
    assert found["headrace_kafka_silent_seconds", "dataset"] == 45
    assert found["headrace_consumer_ready", "dataset"] == 0
    assert found["headrace_consumer_healthy", "dataset"] == 1
    assert not [name for name, *_ in found if name.startswith("headrace_consumer_lag")]


def test_all_that_is_served_stands_in_the_list_as_served_by_it_and_the_other_way_round():
    figures = noted()
    tally = Tally(consumed=3_000, kept=3_000, rows=Counter([f"S{number}" for number in range(3_000)]))
    tally.add(TALLY)
    figures.note_tally(tally)
    served = health(figures).respond("/metrics", "").body.decode()
    families = {line.split()[2] for line in served.splitlines() if line.startswith("# TYPE")}
    assert families == {each.name for each in METRICS if Server.dataset in each.served_by}


def test_the_room_of_each_folder_is_told_and_nothing_of_one_that_is_gone(tmp_path):
    found = page(Figures("dataset", "interactions", {"dataset": tmp_path, "state": tmp_path / "gone"}))
    assert 0 < found["headrace_disk_free_bytes", "dataset"] <= found["headrace_disk_size_bytes", "dataset"]
    assert ("headrace_disk_free_bytes", "state") not in found


def test_that_the_breaker_has_opened_is_told_to_a_scrape_and_the_consumer_knows_that_it_was():
    figures = noted()
    assert page(figures)["headrace_consumer_circuit_open", "dataset", "interactions"] == 0
    assert not figures.circuit_was_shown
    figures.note_circuit_open()
    assert b'headrace_consumer_circuit_open{consumer="dataset",topic="interactions"} 1.0' in looked(figures)
    assert not figures.circuit_was_shown
    assert page(figures)["headrace_consumer_circuit_open", "dataset", "interactions"] == 1
    assert figures.circuit_was_shown


def test_signatures_beyond_a_limit_are_one_and_are_counted_as_such():
    figures, tally = Figures("dataset", "interactions"), Tally(consumed=1, kept=1, rows=Counter(["First"]))
    figures.note_tally(tally)
    many = [f"S{number:05}" for number in range(MAX_SIGNATURES)]
    rejections = Counter({(signature, "latency"): 2 for signature in ("Z", *many)})
    rows = {"kept": len(many), "rows": Counter(many)}
    tally.add(Tally(consumed=9_000, **rows, outcomes_of=Counter(many), rejections=rejections))
    figures.note_tally(tally)
    found = page(figures)
    names = [name for name, *_ in found]
    for metric in ("examples", "outcomes", "rejected"):
        assert names.count(f"headrace_dataset_{metric}_total") <= MAX_SIGNATURES + 1
    assert found["headrace_dataset_examples_total", "First"] == 1
    assert found["headrace_dataset_examples_total", "other"] == 1
    assert found["headrace_dataset_rejected_total", "latency", "other"] == 4
    assert found["headrace_dataset_rejected_total", "latency", "S00000"] == 2
    overflow = "headrace_series_overflow_total"
    assert found[overflow, "headrace_dataset_examples_total"] == 1
    assert found[overflow, "headrace_dataset_outcomes_total"] == 1
    assert found[overflow, "headrace_dataset_rejected_total"] == 4
    tally.add(Tally(consumed=1, kept=1, rows=Counter(["Late"])))
    figures.note_tally(tally)
    assert page(figures)[overflow, "headrace_dataset_examples_total"] == 2


def test_reasons_of_one_signature_are_bounded_and_names_are_cut():
    figures = Figures("dataset", "interactions")
    rejections = Counter({("Triage", f"r{number}"): 1 for number in range(MAX_REASONS + 5)})
    figures.note_tally(Tally(consumed=90, kept=1, rows=Counter(["T" * 9_000]), rejections=rejections))
    found = page(figures)
    assert found["headrace_dataset_rejected_total", "other", "Triage"] == 5
    assert found["headrace_series_overflow_total", "headrace_dataset_rejected_total"] == 5
    assert found["headrace_dataset_examples_total", "T" * 128] == 1


def test_feedback_has_rows_without_signature_and_no_seen_set():
    figures = Figures("feedback", "feedback")
    figures.note_tally(Tally(consumed=3, kept=3, commits=1))
    found = page(figures)
    assert found["headrace_dataset_examples_total", ""] == 3
    assert ("headrace_seen_set_keys",) not in found


def test_the_loop_may_go_on_counting_while_a_scrape_reads():
    figures, tally = Figures("dataset", "interactions"), Tally(consumed=1, commits=1, rows=Counter({"Triage": 1}))
    figures.note_tally(tally)
    tally.add(TALLY)
    assert page(figures)["headrace_dataset_examples_total", "Triage"] == 1
    figures.note_tally(tally)
    assert page(figures)["headrace_dataset_examples_total", "Triage"] == 6


def test_what_is_not_known_is_absent():
    unknown = PartitionStatus(None, 0, 0, None, is_ready=False, has_caught_up=False)
    found = page(noted(), partitions={3: unknown})
    assert not [name for name in found if name[0].startswith("headrace_consumer_lag")]
    nothing_waits = PartitionStatus(7, 7, 0, 0, is_ready=True, has_caught_up=True)
    assert page(noted(), partitions={3: nothing_waits})["headrace_consumer_lag_seconds", "3", "interactions"] == 0


def test_commits_that_landed_are_timed():
    class Committer(BatchCommitter):
        def commit(self, _messages, starts):
            now[0] += 2.5
            if starts:
                raise TableError("no room")
            return TALLY

    now, took = [0.0], []
    timed = TimedCommitter(Committer(), lambda: now[0], took.append)
    assert timed.commit(Messages.of([]), {}) is TALLY
    with pytest.raises(TableError):
        timed.commit(Messages.of([]), {0: None})
    assert took == [2.5]
