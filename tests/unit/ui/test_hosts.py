"""By which names the page answers: whoever lets a name of his own point here gets nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.ui.hosts import is_loopback, is_ours


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:9470", "LOCALHOST.", "ui.localhost:1", "127.0.0.1:9470", "127.9.9.9", "[::1]:9470",
     "[::1]", "192.168.1.5:80", "ui.example.org", "UI.example.org.:443"],
)  # fmt: skip
def test_our_names_and_addresses_in_numbers(host):
    assert is_ours(host, {"ui.example.org"})


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:9470", "localhost.evil.example", "127.0.0.1.evil.example", "ui.example.org.evil",
     "xlocalhost", "127.0.0.1@evil.example", "[evil]", "0x7f000001.example", "evil.example#localhost"],
)  # fmt: skip
def test_every_other_name_is_refused(host):
    assert not is_ours(host, {"ui.example.org"})


@given(st.text(), st.sets(st.text(max_size=5), max_size=2))
def test_no_header_breaks_it(host, names):
    assert is_ours(host, names) in (True, False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False),
     ("example.org", False)],
)  # fmt: skip
def test_loopback(host, expected):
    assert is_loopback(host) is expected
