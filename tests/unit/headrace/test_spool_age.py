"""What is too old goes, whoever left it, and is counted; damaged files are within the age and the cap of all others."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from headrace.config.telemetry import Rotation
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks.jsonl import JsonlLog
from headrace.delivery.spool.expiry import Expiry
from headrace.ledger import Ledger
from tests.unit.headrace.outage_world import feedback_of
from tests.unit.headrace.test_sinks import record_of
from tests.unit.headrace.test_spool import Clock, events, files, keep, replayed, spool_of

DAY_S = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def damaged_files(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*.damaged"))


def damage(root: Path, clock: Clock, *numbers: int, instance: str = "broken", **options: Any) -> int:
    """Let a process find a file of its own unreadable; return the file's bytes."""
    spool = spool_of(root, clock, instance, **options)
    keep(spool, *numbers)
    segment = spool.next_segment("interaction")
    assert segment is not None
    spool.set_aside(segment, OSError("damaged"))
    spool.close()
    return sum(path.stat().st_size for path in root.glob(f"{instance}-*.damaged"))


def test_old_records_are_deleted_and_counted(root: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    spool, ledger = spool_of(root, clock, rotation={"max_size_mb": 0.01, "max_age_days": 10}), Ledger()
    keep(spool, *range(9))
    clock.now_s += 8 * DAY_S
    keep(spool, *range(9, 18))
    for _ in range(18):
        ledger.open().spool()
    clock.now_s += 4 * DAY_S
    spool.tend(ledger)
    lost = ledger.stats().dropped["spool_expired"]
    assert 0 < lost < 18
    assert (ledger.stats().spooled, ledger.stats().balanced) == (18 - lost, True)
    assert replayed(spool) == events(*range(lost, 18))
    assert "older than spool.rotation.max_age_days" in caplog.text


def test_what_the_dead_left_too_long_ago_goes_at_start_and_is_counted(root: Path, clock: Clock) -> None:
    dead = spool_of(root, clock, "dead")
    keep(dead, 1, 2, 3)
    feedback: Any = feedback_of(4)
    dead.append(Outgoing("feedback", feedback))
    dead.append(Outgoing("statistics", {"instance": "dead", "sequence": 1}))  # type: ignore[typeddict-item]
    dead.abandon()
    (plain,) = root.glob("dead/interaction-*.jsonl")
    plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    clock.now_s += 80 * DAY_S
    younger = spool_of(root, clock, "younger")
    keep(younger, 5)
    younger.abandon()
    live = spool_of(root, clock, "live")
    keep(live, 6)
    clock.now_s += 11 * DAY_S
    spool, ledger = spool_of(root, clock), Ledger()
    spool.tend(ledger)
    assert sorted(path.name for path in root.iterdir()) == ["live", "younger"]
    stats = ledger.stats()
    assert (stats.adopted, stats.dropped, stats.balanced) == (4, {"spool_expired": 4}, True)
    assert spool.adopt()
    assert replayed(spool) == events(5)


def test_what_was_replayed_already_is_not_lost_by_age(root: Path, clock: Clock) -> None:
    dead = spool_of(root, clock, "dead")
    keep(dead, 1, 2, 3)
    dead.abandon()
    (segment,) = root.glob("dead/interaction-*.jsonl")
    segment.with_suffix(".position").write_text(str(len(segment.read_bytes().splitlines(keepends=True)[0])))
    clock.now_s += 91 * DAY_S
    ledger = Ledger()
    spool_of(root, clock).tend(ledger)
    assert ledger.stats().dropped == {"spool_expired": 2}
    assert list(root.iterdir()) == []


def test_what_was_taken_over_and_grows_too_old_meanwhile_is_counted(root: Path, clock: Clock) -> None:
    dead = spool_of(root, clock, "dead")
    keep(dead, 1, 2)
    dead.abandon()
    spool, ledger = spool_of(root, clock), Ledger()
    spool.tend(ledger)
    assert spool.adopt()
    clock.now_s += 91 * DAY_S
    spool.tend(ledger)
    clock.now_s += DAY_S
    spool.tend(ledger)
    assert replayed(spool, ledger) == []
    assert (ledger.stats().dropped, ledger.stats().balanced) == ({"spool_expired": 2}, True)
    assert list(root.iterdir()) == []


def test_a_clock_that_jumps_makes_nothing_old(clock: Clock) -> None:
    running = Clock()
    expiry = Expiry(90, clock, running)
    assert expiry.oldest_ms() == (clock.now_s - 90 * DAY_S) * 1000
    running.now_s += DAY_S
    clock.now_s += 1000 * DAY_S
    assert expiry.oldest_ms() is None
    running.now_s += DAY_S
    clock.now_s -= 998 * DAY_S  # put right again
    assert expiry.oldest_ms() == (clock.now_s - 90 * DAY_S) * 1000
    running.now_s += DAY_S
    clock.now_s -= 3000 * DAY_S
    assert expiry.oldest_ms() is not None  # a clock that was set back ends no looking
    running.now_s += DAY_S
    clock.now_s += DAY_S
    assert expiry.oldest_ms() == (clock.now_s - 90 * DAY_S) * 1000


def test_damaged_files_go_at_the_same_age(root: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    damage(root, clock, 1)
    theirs = root / "precious.damaged"
    theirs.write_text("no file of ours")
    clock.now_s += 30 * DAY_S
    damage(root, clock, 2, instance="younger")
    clock.now_s += 61 * DAY_S
    caplog.clear()
    spool_of(root, clock).tend(Ledger())
    assert [name.partition("-")[0] for name in damaged_files(root)] == ["precious.damaged", "younger"]
    assert len(caplog.records) == 1


def test_damaged_files_count_for_the_cap_and_give_way(
    root: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    size = damage(root, clock, *range(3), instance="first")
    clock.now_s += 1
    damage(root, clock, *range(3), instance="second")
    spool = spool_of(root, clock, max_total_mb=2.5 * size / 1e6)
    caplog.clear()
    assert keep(spool, 10) == [None]
    assert len(damaged_files(root)) == 2
    assert keep(spool, 11, 12) == [None, None]
    assert [name.partition("-")[0] for name in damaged_files(root)] == ["second"]
    assert "damaged file was deleted" in caplog.text
    words = keep(spool, *range(13, 30))
    assert damaged_files(root) == []
    assert words.count(None) >= 3
    assert words[-1] == "spool_full"
    total = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert total <= 2.5 * size


def test_a_damaged_file_that_cannot_be_deleted_loses_the_record_and_nothing_else(root: Path, clock: Clock) -> None:
    size = damage(root, clock, *range(3))
    (file,) = root.glob("*.damaged")
    (root / "broken-interaction-0000000000001.jsonl.damaged").mkdir()  # older, and no file
    spool = spool_of(root, clock, max_total_mb=size / 1e6)
    assert keep(spool, 10)[0] in {"spool_EISDIR", "spool_EPERM"}
    assert file.exists()
    assert files(root) == []


def test_a_clock_that_is_set_back_keeps_no_log_for_ever(tmp_path: Path, clock: Clock) -> None:
    running = Clock()
    clock.now_s += 5000 * DAY_S
    path = tmp_path / "calls.jsonl"
    log = JsonlLog(path, Rotation(), time_s=clock, clock=running)
    log.append(record_of(1))
    clock.now_s -= 5000 * DAY_S
    old = tmp_path / "calls.20200101T000000Z-7.jsonl"
    old.write_text("{}\n")
    running.now_s += DAY_S
    log.append(record_of(2))
    log.close()
    assert not old.exists()
