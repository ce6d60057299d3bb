"""The report is one page without outside parts, tells every verdict and offender, and holds no payload."""

import json
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from headrace_consumers.versions.erasing.erasing import Whose, erase
from headrace_consumers.versions.telling.plots import bars, histogram, stacked
from headrace_consumers.versions.telling.report import REPORT, report
from tests.unit.versions.gates.test_in_a_cut import with_offenders
from tests.unit.versions.rows import config_of, cut_of, lines, row


class Page(HTMLParser):
    """What a page has: its tags balanced, its text, its attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_cut_writes_it_and_it_can_be_made_anew(tmp_path):
    done = cut_of(tmp_path, [row(n) for n in range(30)])
    text = (done.path / REPORT).read_text()
    assert text == report(done.path)
    assert "report.html" not in json.loads((done.path / "manifest.json").read_text())["files"]


def test_an_erasure_makes_it_anew_without_those_who_went(tmp_path):
    rows = [row(n, request_id=f"r-{n}") for n in range(30)]
    done = cut_of(tmp_path, rows)
    gone = lines(done.path / "train.jsonl")[0]
    told = {line["example_id"]: line for line in lines(done.path / "provenance.jsonl")}[gone["example_id"]]
    whose = Whose(frozenset(), frozenset({told["metadata"]["request_id_hash"]}), frozenset({gone["key"]}))
    erase(tmp_path, whose, erasure_id="e-1", at="2026-11-27T12:00:00Z")
    page = (done.path / REPORT).read_text()
    assert "29 examples" in page
    assert page == report(done.path)


def test_verdicts_offenders_and_figures_are_told(tmp_path):
    page = Page((with_offenders(tmp_path, {}).path / REPORT).read_text())
    assert page.open == []
    for said in (
        "extract_requirements v1",
        "gates not passed",
        "near duplicates: 1",
        "email in input question",
        "Who vouches for the outputs",
        "at most 80%",
        "Length of inputs",
        "interactions",
    ):
        assert said in page.text, said


def test_it_needs_nothing_from_elsewhere_and_runs_nothing(tmp_path):
    text = (with_offenders(tmp_path, {}).path / REPORT).read_text()
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    for name, value in page.attributes:
        assert name not in {"src", "href", "srcset"}
        assert not name.startswith("on")
        assert not urlsplit(value or "").netloc
    assert "url(" not in text
    assert "@import" not in text


def test_it_holds_no_payload(tmp_path):
    text = (with_offenders(tmp_path, {}).path / REPORT).read_text()
    for payload in ("ann@example.com", "word3 of3", "question 4"):
        assert payload not in text


def test_names_are_text_and_never_markup(tmp_path):
    config = config_of(tmp_path, versions={"category_attribute": "team"})
    evil = "<script>alert(1)</script>"
    done = cut_of(tmp_path, [row(n, attributes=json.dumps({"team": evil})) for n in range(5)], config)
    text = (done.path / REPORT).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_an_empty_split_and_unknown_qualities_are_shown(tmp_path):
    page = Page((cut_of(tmp_path, [row(1, quality=None)]).path / REPORT).read_text())
    assert page.open == []
    assert "0 val" in page.text or "0 test" in page.text


@pytest.mark.parametrize(
    "plot",
    [
        bars("nothing", []),
        bars("zero", [("a", 0, "0")], mark=(0.0, "at most 0%")),
        bars("<&>\"'", [("<b>" * 20, 3, "<i>")]),
        stacked("nothing", {}, ["a"]),
        stacked("zero", {"x": {}}, ["a", "b"]),
        stacked("some", {"x": {"a": 1, "b": 99}}, ["a", "b"]),
        histogram("nothing", [], []),
        histogram("some", ["0", "1", "2"], [0, 10**6]),
    ],
)
def test_plots_of_whatever_there_is_are_whole(plot):
    page = Page(plot)
    assert page.open == []
    assert {"b", "i"}.isdisjoint(page.tags)
