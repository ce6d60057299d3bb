"""What waits on disk for Kafka."""

from pathlib import Path

import pytest

from headrace_consumers.doctor.spooled import Waiting, judge_spool, look

NOW_MS = 1_700_000_000_000
MB = 1_000_000


@pytest.mark.parametrize(
    ("waiting", "state", "what"),
    [
        ([], "ok", "nothing waits for Kafka"),
        ([Waiting(MB, NOW_MS - 60_000)], "ok", "1 files with 1.0 MB wait for Kafka, the oldest since 1 minutes"),
        (
            [Waiting(MB, NOW_MS), Waiting(MB, NOW_MS - 600_000)],
            "note",
            "2 files with 2.0 MB wait for Kafka, the oldest since 10 minutes",
        ),
        (
            [Waiting(81 * MB, NOW_MS)],
            "wrong",
            "1 files with 81.0 MB wait for Kafka, the oldest since 0 minutes; the cap is 100 MB",
        ),
    ],
)
def test_how_much_waits_and_how_long(waiting, state, what):
    (result,) = judge_spool(Path("spool"), waiting, 100, NOW_MS)
    assert (result.state, result.what) == (state, what)


def test_only_the_spools_own_files_count(tmp_path):
    assert look(tmp_path / "none") == []
    folder = tmp_path / "web-1-77-abcdef01"
    folder.mkdir()
    (folder / "lock").write_text("")
    (folder / f"interaction-{NOW_MS}.jsonl").write_text("12345")
    (folder / f"feedback-{NOW_MS + 1}.jsonl.gz").write_text("1")
    assert look(tmp_path) == [Waiting(1, NOW_MS + 1), Waiting(5, NOW_MS)]
