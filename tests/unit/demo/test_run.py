"""Bad input to the demo: one line, before anything is made. The demo itself: tests/e2e/test_demo.py."""

import pytest

from headrace.errors import ConfigError, HeadraceError, UsageError
from headrace_consumers.demo import run


def start(folder, **changes):
    return run(**{"kafka": None, "calls": 10, "folder": folder, "config_path": None, "show": False, **changes})


@pytest.mark.parametrize("address", ["localhost", "host:port", "http://a:1/", "a:1,b", ""])
def test_an_address_that_is_none(tmp_path, address):
    with pytest.raises(UsageError, match="expected HOST:PORT"):
        start(tmp_path / "demo", kafka=address)
    assert not (tmp_path / "demo").exists()


def test_a_broker_that_does_not_answer_leaves_an_earlier_demo_alone(tmp_path):
    with pytest.raises(HeadraceError, match=r"no broker answers at 127\.0\.0\.1:9"):
        start(tmp_path / "demo", kafka="127.0.0.1:9")
    assert not (tmp_path / "demo").exists()


def test_somebodys_folder(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UsageError, match="stays untouched"):
        start(tmp_path)


def test_a_configuration_that_cannot_be_used(tmp_path):
    (tmp_path / "bad.json").write_text('{"kafka": {"option": {}}}')
    with pytest.raises(ConfigError, match="did you mean"):
        start(tmp_path / "demo", config_path=tmp_path / "bad.json")
