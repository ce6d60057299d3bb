"""The spool where something else meddles with its folder, the clock or the process: no record of ours is lost by it."""

import os
import shutil
from pathlib import Path

import pytest

from headrace.config import load
from headrace.config.telemetry import Rotation
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import JsonlSink
from headrace.delivery.spool import Spool, spool_for
from headrace.ledger import Ledger
from tests.unit.headrace.test_sinks import record_of
from tests.unit.headrace.test_spool import Clock, events, files, keep, replayed, spool_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.mark.parametrize("now_s", [0.0, 12.0, -5.0, 999_999_999.0])
def test_a_clock_before_2001_loses_nothing(root: Path, clock: Clock, now_s: float) -> None:
    clock.now_s = now_s  # a device without a battery begins in 1970
    first = spool_of(root, clock)
    keep(first, 1, 2)
    first.close()
    second = spool_of(root, clock, "host-2")
    assert second.adopt()
    assert replayed(second) == events(1, 2)


@pytest.mark.parametrize("jump_s", [-3e8, 3e8, -3600.0, 3600.0])
def test_a_clock_that_is_set_meanwhile_loses_nothing_and_changes_no_order(
    root: Path, clock: Clock, jump_s: float
) -> None:
    running = Clock()
    spool = Spool(root, "host-1", rotation=Rotation(max_size_mb=0.003), time_s=clock, clock=running)
    ledger = Ledger()
    spool.tend(ledger)
    for first in (0, 10, 20):
        keep(spool, *range(first, first + 10))
        clock.now_s += jump_s if first == 0 else -jump_s
        running.now_s += 1
        spool.tend(ledger)
    assert len(files(root)) > 10
    assert ledger.stats().dropped == {}
    assert replayed(spool) == events(*range(30))


def test_what_a_process_with_another_clock_left_is_adopted_whole(root: Path, clock: Clock) -> None:
    clock.now_s += 3e8  # ten years ahead
    dead = spool_of(root, clock, "dead")
    keep(dead, 1, 2)
    dead.abandon()
    clock.now_s -= 3e8
    spool, ledger = spool_of(root, clock), Ledger()
    spool.tend(ledger)
    assert spool.adopt()
    assert replayed(spool, ledger) == events(1, 2)
    assert ledger.stats().dropped == {}


def test_a_folder_that_is_removed_is_made_again(root: Path, clock: Clock) -> None:
    spool, ledger = spool_of(root, clock), Ledger()
    keep(spool, 1)
    shutil.rmtree(root)
    assert keep(spool, 2, 3) == [None, None]
    lost = spool.next_segment("interaction")
    assert lost is not None
    assert lost.records == 1
    spool.set_aside(lost, FileNotFoundError())
    assert replayed(spool, ledger) == events(2, 3)


def test_a_file_that_is_removed_takes_no_more_records(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock)
    keep(spool, 1)
    (removed,) = root.glob("*/*.jsonl")
    removed.unlink()
    keep(spool, 2)
    assert len(files(root)) == 1


def test_other_programs_files_stay(root: Path, clock: Clock) -> None:
    theirs = root / "database"
    theirs.mkdir(parents=True)
    for name in ("lock", "precious.db"):
        (theirs / name).write_text("theirs")
    spool_of(root, clock).adopt()
    assert sorted(file.name for file in theirs.iterdir()) == ["lock", "precious.db"]


def test_what_cannot_be_read_in_the_folder_does_not_keep_the_rest_from_adoption(root: Path, clock: Clock) -> None:
    dead = spool_of(root, clock, "dead")
    keep(dead, 1)
    dead.close()
    (root / "dangling").symlink_to(root / "nowhere")
    odd = root / "odd"
    odd.mkdir()
    (odd / "lock").mkdir()  # cannot be opened for writing, by root neither
    os.utime(odd, (0, 0))
    spool = spool_of(root, clock)
    assert spool.adopt()
    assert replayed(spool) == events(1)


def test_a_process_that_goes_to_another_folder_finds_its_files(tmp_path: Path, clock: Clock) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    before = Path.cwd()
    os.chdir(here)
    try:
        config = load(None, {"kafka": {"bootstrap_servers": "broker:9092"}}, {})
        spool, log = spool_for(config, "host-1", time_s=clock, clock=clock), JsonlSink(config, time_s=clock)
        assert spool is not None
        keep(spool, 1)
        os.chdir(there)
        keep(spool, 2)
        log.send(Outgoing("interaction", record_of(3)), lambda *_: None)
        log.close(0)
        assert replayed(spool) == events(1, 2)
        assert list(there.iterdir()) == []
    finally:
        os.chdir(before)
