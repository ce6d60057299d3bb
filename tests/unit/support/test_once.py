import threading
from pathlib import Path

import pytest

from tests.support.once import filled_once


def test_runs_that_begin_together_fill_a_folder_once_and_see_all_of_it(tmp_path: Path) -> None:
    folder, filled, together = tmp_path / "cache" / "jars", [], threading.Barrier(8)
    seen: list[list[str]] = []

    def fill(part: Path) -> None:
        filled.append(part)
        for number in range(50):
            (part / f"{number:02}").touch()

    def run() -> None:
        together.wait(60)
        seen.append(sorted(path.name for path in filled_once(folder, fill).iterdir()))

    runs = [threading.Thread(target=run) for _ in range(8)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(60)
    assert len(filled) == 1
    assert seen == [[f"{number:02}" for number in range(50)]] * 8


def test_a_fill_that_fails_leaves_nothing_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    folder = tmp_path / "jars"

    def fail(part: Path) -> None:
        (part / "half").touch()
        raise ConnectionError

    with pytest.raises(ConnectionError):
        filled_once(folder, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["jars.lock"]
    filled_once(folder, lambda part: (part / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "jars.part-x").mkdir()
    filled_once(tmp_path / "jars", lambda part: (part / "whole").touch())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jars", "jars.lock"]
