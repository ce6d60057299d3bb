"""`headrace top`."""

import pytest

from headrace_consumers.monitoring.catalogue import calls
from headrace_consumers.monitoring.server import Answer, serve
from tests.unit.top.pages import WHOSE, page


@pytest.fixture(autouse=True)
def no_terminal_from_outside(monkeypatch):
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def consumer():
    """Serve the pages of a metrics consumer, whose calls grow with each look; yield its port."""
    looks = iter(range(1_000))

    def answer(_path, _accept):
        number = next(looks)
        return Answer(200, page({(calls.CALLS_TOTAL, WHOSE): 7 * number}, records=number).encode(), "text/plain")

    with serve(answer, "127.0.0.1", 0, setting="a.port", host_setting="a.host") as port:
        yield port


def test_once_prints_a_snapshot_of_two_looks(command, consumer):
    ended = command("top", "--once", "--over", 1, "--url", f"127.0.0.1:{consumer}")
    assert (ended.code, ended.err) == (0, "")
    first, _, head, row, *_ = ended.out.splitlines()
    assert first.startswith("headrace top   ")
    assert head.split()[:5] == ["module", "signature", "version", "environment", "calls/s"]
    assert row.split()[:4] == ["support", "Triage", "v1", "production"]
    assert 0 < float(row.split()[4]) <= 7
    assert f"  consumer     metrics at 127.0.0.1:{consumer} is well" in ended.out.splitlines()
    assert "\x1b" not in ended.out


def test_the_configuration_tells_where_to_look_and_what_is_not_looked_at(command, config_file, consumer):
    path = config_file({"metrics": {"port": consumer}})
    ended = command("top", "--once", "--over", 1, "--config", path)
    assert ended.code == 0
    assert "dataset is not looked at: dataset.health_port is not set" in ended.out


def test_one_consumer_that_is_away_is_a_line_of_the_view(command, consumer):
    ended = command("top", "--once", "--over", 1, "--url", f"127.0.0.1:{consumer}", "--url", "nowhere.invalid:1")
    assert (ended.code, ended.err) == (0, "")
    assert "! " in ended.out
    assert "nowhere.invalid:1 cannot be reached (" in ended.out


def test_the_environment_may_name_several(command, monkeypatch):
    monkeypatch.setenv("HEADRACE_TOP_URL", "ops:secret@nowhere.invalid:1 nowhere.invalid:2")
    ended = command("top")
    assert ended.code == 1
    assert ended.error.startswith("no consumer to look at: nowhere.invalid:1 cannot be reached (")
    assert "; nowhere.invalid:2 cannot be reached (" in ended.error
    assert "secret" not in ended.error


def test_without_any_consumer_it_says_what_to_start(command):
    ended = command("top", "--url", "nowhere.invalid:1")
    assert (ended.code, ended.out) == (1, "")
    assert ended.error.startswith("no consumer to look at: nowhere.invalid:1 cannot be reached (")
    assert ended.error.endswith("; start headrace consume metrics, or give --url HOST:PORT of one")


def test_an_address_that_is_none_is_refused(command):
    ended = command("top", "--url", "ftp://x")
    assert ended.code == 2
    assert ended.error.startswith("--url: expected HOST:PORT")
