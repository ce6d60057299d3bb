"""Names and places: a model's finds become markers, and a missing library or model is one line."""

import re
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

import headrace
from headrace.errors import ConfigError
from headrace.redaction.names import NameRedactor
from headrace.testing import capture
from tests.support.redaction_corpus import NAME_MARKERS, NAME_PATH, cases, figures


@dataclass(frozen=True)
class Entity:
    """As spaCy's."""

    label_: str
    start_char: int
    end_char: int


def pipeline(text: str) -> SimpleNamespace:
    """Find what a model of three words would."""
    labels = {"Ann": "PERSON", "Oslo": "GPE", "Acme": "ORG"}
    found = re.finditer("|".join(labels), text)
    return SimpleNamespace(ents=[Entity(labels[match[0]], match.start(), match.end()) for match in found])


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Ann of Acme flew to Oslo.", "[NAME] of Acme flew to [PLACE]."),
        ("Ann", "[NAME]"),
        ("nobody", "nobody"),
        ("", ""),
        ("12:30", "12:30"),
    ],
)
def test_persons_and_places_are_replaced_and_other_labels_are_kept(text: str, redacted: str) -> None:
    assert NameRedactor(pipeline)(text) == redacted


def test_labels_are_a_choice() -> None:
    assert NameRedactor(pipeline, {"ORG": "[COMPANY]"})("Ann of Acme") == "Ann of [COMPANY]"


def test_it_plugs_in_as_a_redactor() -> None:
    with capture(redactors=[NameRedactor(pipeline)]) as captured:
        headrace.feedback("r-1", comment="Ann, ann@example.com, moved to Oslo")
    assert [record["comment"] for record in captured.feedback] == ["[NAME], [EMAIL], moved to [PLACE]"]


def test_a_missing_library_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"spaCy is not installed: pip install 'headrace\[names\]'$"):
        NameRedactor.of_model(find_module=lambda _: None)


def test_the_figures_of_names_count_what_is_left_and_what_is_replaced_for_nothing() -> None:
    corpus = cases(NAME_PATH)
    assert len(corpus) > 80
    blind = figures(lambda text: text, corpus, NAME_MARKERS)
    assert (blind["name"].recall, blind["name"].replaced) == (0, 0)
    assert blind["name"].labelled > 30
    assert blind["place"].labelled > 20
    perfect = {case.text: case.expected for case in corpus}
    assert figures(perfect.__getitem__, corpus, NAME_MARKERS)["place"].recall == 1
