"""The local store: private files, durable before they are named, and nothing outside the table."""

import os
import stat

import pytest

from headrace_consumers.dataset.delta.local_store import LocalStore
from headrace_consumers.dataset.delta.store import make_private_folder

NAME = "ingest_date=2026-11-25/a.parquet"


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def permissive_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("permissive_umask")
def test_a_staged_file_is_the_owner_s_only_from_its_first_byte_on(tmp_path):
    path = LocalStore(tmp_path).stage(NAME)
    assert (mode_of(path), mode_of(path.parent), path.stat().st_size) == (0o600, 0o700, 0)


@pytest.mark.usefixtures("permissive_umask")
def test_folders_above_are_private_and_one_that_exists_is_left_alone(tmp_path):
    (tmp_path / "shared").mkdir(mode=0o755)
    make_private_folder(tmp_path / "shared" / "a" / "b")
    assert [mode_of(tmp_path / "shared" / name) for name in (".", "a", "a/b")] == [0o755, 0o700, 0o700]


def test_publish_tells_the_exact_size(tmp_path):
    store = LocalStore(tmp_path)
    store.stage(NAME).write_bytes(b"rows")
    assert store.publish(NAME) == 4
    assert (tmp_path / NAME).read_bytes() == b"rows"


def test_a_name_is_staged_once(tmp_path):
    store = LocalStore(tmp_path)
    store.stage(NAME)
    with pytest.raises(FileExistsError):
        store.stage(NAME)


def test_discard_removes_it_and_does_not_mind_that_it_is_gone(tmp_path):
    store = LocalStore(tmp_path)
    store.stage(NAME)
    store.discard(NAME)
    store.discard(NAME)
    assert not (tmp_path / NAME).exists()


def test_deleting_for_good_spares_all_others_and_does_not_mind_what_is_gone(tmp_path):
    store = LocalStore(tmp_path)
    names = [f"ingest_date=2026-11-2{day}/{name}.parquet" for day in range(2) for name in "ab"]
    for name in names:
        store.stage(name)
    store.discard(names[0])
    store.delete_for_good(names[:3])
    assert [name for name, _ in store.files()] == names[3:]
    assert store.keeps_deleted() is False


@pytest.mark.parametrize("name", ["../a.parquet", "a/../../b", "/etc/a", ""])
def test_nothing_is_written_outside_the_table(tmp_path, name):
    with pytest.raises(ValueError, match="no name inside the table"):
        LocalStore(tmp_path / "t").stage(name)
