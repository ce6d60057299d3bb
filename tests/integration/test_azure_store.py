"""A table in Azurite, the emulator of Azure Blob Storage: written, raced for, maintained, read, erased from."""

import datetime as dt
import itertools
import json
import os
import threading
import uuid

import polars as pl
import pytest

from headrace.config.consumers import Dataset
from headrace_consumers.cli import main
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from tests.integration.test_object_store import append
from tests.support import azurite
from tests.support.erasing import append as append_people
from tests.support.erasing import erasure, of_person, person

pytestmark = pytest.mark.timeout(900)  # npm may have to install it
CONTAINER = "headrace"


@pytest.fixture(scope="module")
def azure():
    try:
        server = azurite.start(os.environ)
    except azurite.NoAzuriteError as error:
        pytest.skip(str(error))
    server.make_container(CONTAINER)
    yield server
    server.lifeline.cut()


@pytest.fixture
def place():
    return f"az://{CONTAINER}/{uuid.uuid4().hex}"


@pytest.fixture
def table(azure, place):
    """Make a handle."""
    return lambda: InteractionTable(store_at(place, azure.options()), sleep=lambda _: None)


def rows(azure, place):
    table = store_at(place, azure.options()).handle().to_pyarrow_table()
    return pl.from_arrow(table).sort("partition", "offset")


def offsets(azure, place):
    return list(rows(azure, place).select("partition", "offset").iter_rows())


def test_of_two_members_with_one_batch_one_is_fenced(azure, place, table):
    one, other = table(), table()
    assert one.store.keeps_deleted() is None  # there is soft delete, of which nobody is told
    assert not any(name.startswith("_probe") for name, _ in one.store.files())
    append(one, 0)
    before = sorted(one.store.files())
    with pytest.raises(Fenced):
        append(other, 0)
    assert sorted(one.store.files()) == before
    assert offsets(azure, place) == [(0, 0)]


def test_members_that_race_lose_no_row_and_write_none_twice(azure, place, table):
    tables = [table() for _ in range(3)]
    failed = []

    def work(partition):
        try:
            for offset in range(5):
                append(tables[partition], offset, partition)
        except Exception as error:  # told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(partition,)) for partition in range(len(tables))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert offsets(azure, place) == list(itertools.product(range(3), range(5)))


def test_files_are_merged(azure, place, table):
    for offset in range(12):
        append(table(), offset)
    work = Maintenance(table().store, Dataset(), now=lambda: dt.datetime.now(dt.UTC), clock=lambda: 0.0)
    work.run()
    assert (work.done.files_merged, work.done.files_written) == (12, 1)
    assert offsets(azure, place) == [(0, offset) for offset in range(12)]


def test_a_person_is_erased(azure, place, table, tmp_path):
    append_people(table(), [of_person(1, "a"), of_person(2, "b")])
    made = erasure(place, 1, options=azure.options()).run(tmp_path / "c.json")
    assert rows(azure, place)["subject_id"].to_list() == [person(2)]
    assert (made.tables[0].deleted, made.tables[0].keeps_deleted) == (1, None)
    assert any("does not tell whether it keeps deleted objects" in line for line in made.not_touched)
    append_people(table(), [of_person(1, "again")])
    assert len(rows(azure, place)) == 1


@pytest.fixture
def configured(azure, place, table, tmp_path):
    """Write the configuration of a table of two rows."""
    for offset in range(2):
        append(table(), offset)
    options = {"path": place, "state_path": str(tmp_path / "state"), "storage_options": azure.options()}
    (tmp_path / "headrace.json").write_text(json.dumps({"dataset": options}))
    return str(tmp_path / "headrace.json")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["ls"], "extract_requirements"),
        (["sample", "-n", "2"], "0/0"),
        (["query", "select count(*) as many from dataset"], "2"),
        (["why", "-s", "extract_requirements"], "extract_requirements"),
        (["verify"], "version 2"),
        (["maintain"], "files in the table"),
    ],
)
def test_the_commands_read_it(configured, capsys, command, told):
    assert main(["dataset", *command, "--config", configured]) in (0, None)
    assert told in capsys.readouterr().out


def test_secrets_are_masked(azure, configured, capsys):
    main(["config", "show", "--config", configured])
    shown = capsys.readouterr().out
    assert azure.options()["azure_storage_account_key"] not in shown
    assert "azure_storage_endpoint" in shown


@pytest.mark.parametrize(
    ("place", "changes", "line"),
    [
        (f"az://{CONTAINER}/t", {"azure_storage_account_key": "d3Jvbmc="}, "AuthorizationFailure|AuthenticationFailed"),
        ("az://no-such-container/t", {}, "ContainerNotFound: The specified container does not exist"),
    ],
)
def test_a_store_that_cannot_be_written_is_one_line(azure, place, changes, line):
    with pytest.raises(TableError, match=line) as refused:
        InteractionTable(store_at(place, {**azure.options(), **changes}))
    assert "\n" not in str(refused.value)
