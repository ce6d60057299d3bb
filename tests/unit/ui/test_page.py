"""Addresses: made, and read again."""

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.ui.page import Page, asked_of, link, matched
from headrace_consumers.ui.pages import PAGES

PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=40)


@given(PLAIN, PLAIN, PLAIN)
def test_what_an_address_names_is_what_it_was_made_of(signature, version, text):
    parts = urlsplit(link("signatures", signature, "versions", version, q=text, after=None))
    assert parts.netloc == ""
    found = matched(PAGES, parts.path)
    assert found is not None
    page, names = found
    assert page.template == "version.html"
    assert names == {"signature": signature, "version": version}
    assert asked_of(names, parts.query).query == {"q": text}


@given(st.text(), st.text())
def test_no_address_breaks_it(path, query):
    matched(PAGES, path)
    asked_of({}, query).number("first")


def test_the_first_that_fits_and_no_empty_names():
    pages = [Page("/a/{x}", "1", lambda *_: {}), Page("/a/b", "2", lambda *_: {})]
    assert matched(pages, "/a/b") == (pages[0], {"x": "b"})
    assert matched(pages, "/a/") is None
    assert matched(pages, "/a/b/c") is None


def test_numbers_are_bounded():
    assert asked_of({}, "first=50").number("first") == 50
    assert [asked_of({}, f"first={text}").number("first") for text in ("-1", "1e3", "x", "9" * 400, "\u0663")] == [
        0
    ] * 5


def test_every_page_has_its_place():
    assert len({page.pattern for page in PAGES}) == len(PAGES)
    assert len({page.template for page in PAGES}) == len(PAGES)
    menu = [page.menu for page in PAGES if page.menu]
    assert menu == ["Signatures", "Rollouts", "Cycle", "Ledger", "Dead letters", "Find a record"]
