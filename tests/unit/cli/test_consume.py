"""`headrace consume dataset`: what it prints; the consumer itself has its own tests."""

from headrace_consumers.cli.consumer_display import Progress, status_line, tally_lines
from headrace_consumers.dataset import Tally
from headrace_consumers.dataset.status import PartitionStatus, Status


def test_the_summary_is_aligned_and_names_reasons_by_size():
    lines = tally_lines(
        {
            "consumed": 12_345,
            "kept": 10_000,
            "duplicates": 2_000,
            "outcomes": 0,
            "rejected": {"latency_ms": 45, "success": 299},
            "dead_letters": {"undecodable": 1},
            "unknown": {},
            "commits": 7,
        }
    )
    assert lines == [
        "consumed      12,345",
        "kept          10,000",
        "duplicates     2,000",
        "rejected         344  success 299, latency_ms 45",
        "outcomes           0",
        "dead letters       1  undecodable 1",
        "unknown            0",
        "commits            7",
    ]


def test_the_line_tells_the_lag_and_is_drawn_only_when_something_changed():
    drawn = []
    progress = Progress(lambda counts, lag: drawn.append(status_line(counts, lag)), on_each=True)
    tally = Tally(consumed=12_345, kept=10_000, duplicates=2_345)
    partition = PartitionStatus(0, 0, 0, 1_200, is_ready=True, has_caught_up=False)
    for status in (Status(0.0), Status(1.0, has_joined=True, partitions={0: partition, 1: partition})):
        progress.on_status(status)
        for _ in range(3):
            progress.on_progress(tally)
    counts = "consumed 12,345   kept 10,000   duplicates 2,345   rejected 0   dead letters 0   "
    assert drawn == [counts + "joining the group", counts + "lag 2,400"]


def test_without_a_broker_configured_it_says_what_to_set(command):
    ended = command("consume", "dataset", "--idle-exit-s", "1", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "kafka.bootstrap_servers" in ended.error


def test_a_negative_idle_time_is_refused(command):
    ended = command("consume", "dataset", "--idle-exit-s", "-1")
    assert ended.code == 2
    assert "--idle-exit-s" in ended.error
