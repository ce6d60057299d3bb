"""The spool: private files, whole lines, one owner, a cap; disks that refuse end nothing."""

import gzip
import multiprocessing
import os
import resource
import stat
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace.config.telemetry import Rotation
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.spool import Spool, lines, spool_for
from headrace.delivery.spool.folder import Folder
from headrace.delivery.spool.replay import Replay
from headrace.ledger import Ledger
from tests.support.statistics import call_statistics, record
from tests.unit.headrace.outage_world import feedback_of
from tests.unit.headrace.test_sinks import record_of

NOW_S = 1_700_000_000.0
FORK = multiprocessing.get_context("fork")


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "spool"


def spool_of(root: Path, clock: Clock, instance: str = "host-1", **options: Any) -> Spool:
    rotation = Rotation(**options.pop("rotation", {}))
    return Spool(root, instance, rotation=rotation, time_s=clock, clock=clock, **options)


def keep(spool: Spool, *numbers: int) -> list[str | None]:
    return [spool.append(Outgoing("interaction", record_of(number))) for number in numbers]


def replayed(spool: Spool, ledger: Ledger | None = None) -> list[str]:
    """Replay all that waits; everything is acknowledged at once."""
    ids: list[str] = []
    while (segment := spool.next_segment("interaction")) is not None:
        replay = Replay(segment, ledger or Ledger())
        while (taken := replay.take()) is not None:
            ids.append(taken[1].id)
            replay.deliver(taken[0])
        assert replay.is_finished
        replay.close()
        spool.finish(segment)
    return ids


def events(*numbers: int) -> list[str]:
    return [f"event-{number}" for number in numbers]


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*/*") if path.name != "lock")


def test_what_is_appended_is_replayed_in_order_and_then_gone(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock)
    assert keep(spool, *range(5)) == [None] * 5
    assert spool.has_backlog("interaction")
    assert replayed(spool) == events(*range(5))
    assert not spool.has_backlog("interaction")
    assert files(root) == []
    spool.close()
    assert list(root.iterdir()) == []


def test_its_size_is_that_of_its_files_until_they_are_replayed(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock)
    assert spool.size_bytes() == 0
    keep(spool, 1, 2, 3)
    assert spool.size_bytes() == sum(file.stat().st_size for file in root.rglob("*") if file.is_file()) > 0
    replayed(spool)
    assert spool.size_bytes() == 0


def test_a_statistics_record_that_a_release_before_spooled_can_still_be_sent() -> None:
    now = record([call_statistics([0.5])], spool_bytes=0)
    before = {name: value for name, value in now.items() if name not in {"spool_bytes", "program_failures"}}
    added = {"arm", "rollout_id", "stage"}
    before["calls"] = [{name: each[name] for name in each if name not in added} for each in now["calls"]]
    line = lines.encode(Outgoing("statistics", before))  # type: ignore[arg-type]
    assert lines.decode(line).record == now


def test_a_record_comes_back_as_it_was(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock)
    record = record_of(1, input='{"question":"Größe 日本 \\n"}', latency_ms=0.1 + 0.2, cost_usd=None, lm_calls=0)
    feedback: Any = feedback_of(2)
    spool.append(Outgoing("interaction", record))
    spool.append(Outgoing("feedback", feedback))
    for kind, expected in (("interaction", record), ("feedback", feedback)):
        segment = spool.next_segment(kind)  # type: ignore[arg-type]
        assert segment is not None
        replay = Replay(segment, Ledger())
        taken = replay.take()
        replay.close()
        assert taken is not None
        assert taken[1] == Outgoing(kind, expected)  # type: ignore[arg-type]


def test_nobody_else_may_read_it(root: Path, clock: Clock) -> None:
    old = os.umask(0)
    try:
        keep(spool_of(root, clock), 1)
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert modes["spool"] == modes["host-1"] == 0o700
    assert modes["lock"] == modes[f"interaction-{int(NOW_S * 1000)}.jsonl"] == 0o600


def test_nothing_is_made_before_the_first_record(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock)
    assert not spool.has_backlog("interaction")
    assert spool.next_segment("interaction") is None
    assert not spool.adopt()
    spool.tend(Ledger())
    spool.close()
    assert not root.exists()


def test_a_full_segment_is_closed_and_compressed_a_slice_at_a_time(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock, rotation={"max_size_mb": 0.01})
    keep(spool, *range(30))
    plain = files(root)
    assert len(plain) > 2
    assert all(name.endswith(".jsonl") for name in plain)
    for _ in range(4 * len(plain)):
        spool.tend(Ledger())
    packed = files(root)
    assert [name.removesuffix(".gz") for name in packed] == plain
    assert [name.endswith(".gz") for name in packed] == [True] * (len(plain) - 1) + [False]
    assert gzip.decompress((root / "host-1" / packed[0]).read_bytes()).count(b"\n") > 2
    assert replayed(spool) == events(*range(30))


def test_a_segment_may_be_replayed_while_it_is_being_compressed(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock, rotation={"max_size_mb": 0.01})
    keep(spool, *range(20))
    spool.tend(Ledger())
    assert any(name.endswith(".part") for name in files(root))
    assert replayed(spool) == events(*range(20))
    assert files(root) == []


def test_compression_that_a_crash_cut_off_loses_and_doubles_nothing(root: Path, clock: Clock) -> None:
    dead = spool_of(root, clock, rotation={"max_size_mb": 0.01})
    keep(dead, *range(5))
    dead.abandon()
    (plain,) = root.glob("*/*.jsonl")
    plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes()))  # killed before it unlinked
    plain.with_name(plain.name + ".gz.part").write_bytes(b"half")
    spool = spool_of(root, clock, "host-2")
    assert spool.adopt()
    assert replayed(spool) == events(*range(5))
    spool.close()
    assert list(root.iterdir()) == []


def test_the_cap_holds_for_all_processes(root: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    line = 1300
    first, second = (spool_of(root, clock, f"host-{n}", max_total_mb=10 * line / 1e6) for n in (1, 2))
    assert keep(first, *range(6)) == [None] * 6
    words = keep(second, *range(10))
    assert words.count("spool_full") >= 3
    assert len(caplog.records) == 1
    assert "spool.max_total_mb" in caplog.text
    replayed(first)
    clock.now_s += 2
    assert keep(second, 10) == [None]  # there is room again


def test_a_live_process_keeps_its_spool(root: Path, clock: Clock) -> None:
    live, other = spool_of(root, clock), spool_of(root, clock, "host-2")
    keep(live, 1)
    assert not other.adopt()
    live.abandon()
    assert other.adopt()
    assert replayed(other) == events(1)


def test_a_forked_child_leaves_the_parents_spool_to_the_parent(root: Path, clock: Clock) -> None:
    parent = spool_of(root, clock, rotation={"max_size_mb": 0.01})
    keep(parent, *range(10))
    parent.tend(Ledger())

    def child() -> None:
        parent.abandon()
        assert not spool_of(root, clock, "child").adopt()

    process = FORK.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    for _ in range(20):
        parent.tend(Ledger())
    keep(parent, 10)
    assert replayed(parent) == events(*range(11))


def test_of_many_that_would_adopt_one_does(root: Path, clock: Clock, tmp_path: Path) -> None:
    for number in range(3):
        dead = spool_of(root, clock, f"dead-{number}")
        keep(dead, *range(10 * number, 10 * number + 10))
        dead.abandon()
    begin = FORK.Event()

    def adopt(name: str) -> None:
        spool = spool_of(root, clock, name)
        begin.wait(30)
        ids: list[str] = []
        while spool.adopt():
            ids += replayed(spool)
        (tmp_path / name).write_text("\n".join(ids))

    processes = [FORK.Process(target=adopt, args=(f"live-{number}",)) for number in range(6)]
    for process in processes:
        process.start()
    begin.set()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    found = [id_ for path in tmp_path.glob("live-*") for id_ in path.read_text().split()]
    assert sorted(found) == sorted(events(*range(30)))
    assert list(root.iterdir()) == []


def test_what_is_adopted_is_counted_and_torn_lines_are_too(root: Path, clock: Clock) -> None:
    dead = spool_of(root, clock)
    keep(dead, 1, 2)
    dead.abandon()
    (segment,) = root.glob("*/*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"kind":"interaction","record":{"event')
    ledger, spool = Ledger(), spool_of(root, clock, "host-2")
    spool.adopt()
    assert replayed(spool, ledger) == events(1, 2)
    stats = ledger.stats()
    assert (stats.adopted, stats.delivered, stats.dropped) == (3, 2, {"spool_torn": 1})
    assert stats.balanced


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00" * 100 + b"\n",
        b"[]\n",
        b"{}\n",
        b'{"kind":"x","record":{}}\n',
        b'{"kind":"feedback","record":{}}\n',
        b"\xff\n",
    ],
)
def test_a_line_that_is_none_of_ours_is_passed_over(root: Path, clock: Clock, rubbish: bytes) -> None:
    dead = spool_of(root, clock)
    keep(dead, 1)
    dead.abandon()
    (segment,) = root.glob("*/*.jsonl")
    segment.write_bytes(rubbish + segment.read_bytes())
    ledger, spool = Ledger(), spool_of(root, clock, "host-2")
    spool.adopt()
    assert replayed(spool, ledger) == events(1)
    assert ledger.stats().dropped == {"spool_torn": 1}


def test_a_crash_in_replay_repeats_a_bounded_number_of_records(root: Path, clock: Clock) -> None:
    dead = spool_of(root, clock)
    keep(dead, *range(2500))
    dead.abandon()
    second = spool_of(root, clock, "host-2")
    second.adopt()
    segment = second.next_segment("interaction")
    assert segment is not None
    replay, acknowledged = Replay(segment, Ledger()), 0
    under_way: list[int] = []
    while acknowledged < 1234:
        taken = replay.take()
        if taken is not None:
            under_way.append(taken[0])
        else:
            replay.deliver(under_way.pop(0))
            acknowledged += 1
    assert replay.under_way <= 1000  # and no more memory than that
    replay.abandon()
    second.abandon()
    third = spool_of(root, clock, "host-3")
    third.adopt()
    again = replayed(third)
    assert again[-1] == "event-2499"
    assert 2500 - 1234 <= len(again) <= 2500 - 1234 + 100
    assert again == events(*range(2500 - len(again), 2500))


def test_a_record_that_comes_back_is_read_again_and_its_neighbours_are_not(root: Path, clock: Clock) -> None:
    spool, ledger = spool_of(root, clock), Ledger()
    keep(spool, *range(5))
    for _ in range(5):
        ledger.open().spool()
    segment = spool.next_segment("interaction")
    assert segment is not None
    replay = Replay(segment, ledger)
    taken = [replay.take() for _ in range(5)]
    places = [place for place, _ in filter(None, taken)]
    replay.deliver(places[3])
    replay.give_back(places[1], "kafka:_MSG_TIMED_OUT", is_its_own_fault=False)
    assert replay.take() is None  # others are under way still
    for at in (0, 2, 4):
        replay.deliver(places[at])
    assert not replay.is_finished
    again = replay.take()
    assert again is not None
    assert (again[0], again[1].id) == (places[1], "event-1")
    assert replay.take() is None
    replay.deliver(again[0])
    assert replay.is_finished
    replay.close()
    assert (ledger.stats().delivered, ledger.stats().spooled) == (5, 0)


def test_a_record_that_never_gets_through_while_others_do_is_lost_in_the_end(root: Path, clock: Clock) -> None:
    spool, ledger = spool_of(root, clock), Ledger()
    keep(spool, 1)
    ledger.open().spool()
    segment = spool.next_segment("interaction")
    assert segment is not None
    replay = Replay(segment, ledger)
    tries = 0
    while (taken := replay.take()) is not None:
        replay.give_back(taken[0], "kafka:POLICY_VIOLATION", is_its_own_fault=True)
        tries += 1
    replay.close()
    assert (tries, replay.is_finished) == (3, True)
    assert ledger.stats().dropped == {"kafka:POLICY_VIOLATION": 1}


def test_a_disk_that_fills_up_loses_records_and_nothing_else(
    root: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spool_of(root, clock)
    keep(spool, 1)
    (segment,) = root.glob("*/*.jsonl")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (segment.stat().st_size + 100, limit[1]))  # the write is cut short
    try:
        words = keep(spool, 2, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert words[0] in {"spool_ENOSPC", "spool_EFBIG"}
    assert None not in words
    assert len(caplog.records) <= 2
    assert "cannot write the spool" in caplog.text
    assert keep(spool, 4) == [None]
    assert replayed(spool) == events(1, 4)


def test_a_folder_that_cannot_be_made_loses_records_and_nothing_else(root: Path, clock: Clock) -> None:
    root.parent.parent.joinpath("logs").write_text("a file")
    spool = spool_of(root, clock)
    assert keep(spool, 1) == ["spool_ENOTDIR"]
    assert not spool.has_backlog("interaction")
    assert not spool.adopt()
    spool.close()


def test_a_record_that_is_no_json_is_lost_alone(root: Path, clock: Clock) -> None:
    spool = spool_of(root, clock)
    assert spool.append(Outgoing("interaction", record_of(1, error="\udcff"))) == "encode_failed"
    assert spool.append(Outgoing("interaction", record_of(1, error={1}))) == "encode_failed"
    assert keep(spool, 2) == [None]


def test_an_owner_that_is_slow_to_lock_its_new_folder_makes_another(root: Path) -> None:
    root.mkdir(parents=True)
    path = root / "host-1"
    mine = Folder.create(path)
    mine.remove()  # as another process does that takes it for a dead one's
    assert not path.exists()
    again = Folder.create(path)
    assert Folder.claim(path) is None
    again.release()
    assert Folder.claim(path) is not None


def test_a_damaged_archive_is_set_aside(root: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    dead = spool_of(root, clock)
    keep(dead, *range(3))
    dead.abandon()
    (plain,) = root.glob("*/*.jsonl")
    plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes())[:-40])
    plain.unlink()
    spool = spool_of(root, clock, "host-2")
    spool.adopt()
    segment = spool.next_segment("interaction")
    assert segment is not None
    replay = Replay(segment, Ledger())
    with pytest.raises(OSError, match="damaged") as caught:
        list(iter(replay.take, None))
    replay.close()
    spool.set_aside(segment, caught.value)
    assert [path.suffix for path in root.iterdir()] == [".damaged"]
    assert "set aside" in caplog.text


def test_the_configuration_names_the_folder(tmp_path: Path) -> None:
    assert spool_for(load(None, {}, {}), "host-1") is None
    kafka = {"bootstrap_servers": "broker:9092"}
    for config, folder in (
        ({"telemetry": {"log_file_path": str(tmp_path / "a" / "x.jsonl")}}, tmp_path / "a" / "spool"),
        ({"spool": {"path": str(tmp_path / "b")}}, tmp_path / "b"),
    ):
        spool = spool_for(load(None, {"kafka": kafka, **config}, {}), "host-1")
        assert spool is not None
        keep(spool, 1)
        assert (folder / "host-1" / "lock").exists()
        spool.close()
