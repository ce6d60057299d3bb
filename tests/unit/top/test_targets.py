"""Where pages are."""

import base64

import pytest

from headrace.config import Config
from headrace.errors import UsageError
from headrace_consumers.top.targets import of_config, of_url, unwatched


def test_the_configuration_names_the_consumers_of_this_host():
    assert [each.url for each in of_config(Config())] == ["http://127.0.0.1:9464/metrics?look"]
    assert [row.says for row in unwatched(Config())] == [
        "dataset is not looked at: dataset.health_port is not set",
        "feedback is not looked at: dataset.feedback_health_port is not set",
    ]


def test_who_listens_everywhere_is_asked_here():
    config = Config(
        metrics={"host": "::", "port": 1},
        dataset={"health_host": "0.0.0.0", "health_port": 2, "feedback_health_port": 3},
    )
    assert [each.url for each in of_config(config)] == [
        "http://[::1]:1/metrics?look",
        "http://127.0.0.1:2/metrics?look",
        "http://127.0.0.1:3/metrics?look",
    ]
    assert [each.consumer for each in of_config(config)] == ["metrics", "dataset", "feedback"]
    assert unwatched(config) == []


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("host:9464", "host:9464", "http://host:9464/metrics?look"),
        ("http://host/", "host", "http://host/metrics?look"),
        ("https://host/hr/metrics", "https://host/hr/metrics", "https://host/hr/metrics?look"),
        ("http://host:1/metrics?a=b", "host:1", "http://host:1/metrics?a=b"),
    ],
)
def test_an_address_may_be_short(text, address, url):
    found = of_url(text)
    assert (found.address, found.url, found.authorization) == (address, url, "")


def test_a_password_is_sent_and_not_shown():
    found = of_url("https://ops:p%40ss@host:9464")
    assert found.authorization == "Basic " + base64.b64encode(b"ops:p@ss").decode()
    assert "p%40ss" not in found.address + found.url
    assert found.authorization not in repr(found)


@pytest.mark.parametrize(
    "text", ["", "http://", "ftp://host", "host:port", "host:99999", "a b:1", "file:///etc/x", "h\x1b:1"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError, match=r"--url: expected HOST:PORT .*; give a consumer's address"):
        of_url(text)
