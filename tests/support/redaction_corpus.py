"""The labelled corpus of redaction, and how often the rules are right on it.

    python -m tests.support.redaction_corpus            the table of docs/security.md
    python -m tests.support.redaction_corpus --mistakes what is missed, and what is replaced for nothing
    python -m tests.support.redaction_corpus --held-out the same table over cases that no rule was written against
    python -m tests.support.redaction_corpus --names MODEL   the same for names and places, by a spaCy model

tests/data/redaction_corpus.jsonl holds a case a line: a text in which what is to be replaced stands as
`⟦kind:value⟧`, where it comes from, and `known` for a case that the rules get wrong.

    recall      of the labelled values of a kind, the share of which no character is left
    precision   of the replacements of a kind, the share that touches a labelled value of whatever kind
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.redaction import MARKERS, Redactor
from headrace.redaction.names import NameRedactor

__all__ = ["HELD_OUT_PATH", "NAME_MARKERS", "NAME_PATH", "Case", "Figures", "Span", "cases", "figures", "table"]

PATH = Path(__file__).parents[1] / "data" / "redaction_corpus.jsonl"
HELD_OUT_PATH = PATH.with_name("redaction_held_out.jsonl")
NAME_PATH = PATH.with_name("names_corpus.jsonl")
NAME_MARKERS = {"name": "[NAME]", "place": "[PLACE]"}
_LABEL = re.compile(r"⟦(\w+):(.*?)⟧", re.DOTALL)
_ALL_MARKERS = {**MARKERS, **NAME_MARKERS}


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text, and what stands there."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Case:
    """One text.

    Attributes:
        text: as a service would send it.
        expected: with markers in place of what is labelled.
        labels: what is to be replaced.
        known: whether the rules are known to get it wrong.
    """

    text: str
    expected: str
    labels: tuple[Span, ...]
    known: bool

    @classmethod
    def of(cls, line: str) -> "Case":
        row = json.loads(line)
        marked, text, labels, end = row["text"], "", [], 0
        for label in _LABEL.finditer(marked):
            text += marked[end : label.start()]
            labels.append(Span(label[1], len(text), len(text) + len(label[2])))
            text += label[2]
            end = label.end()
        expected = _LABEL.sub(lambda label: _ALL_MARKERS[label[1]], marked)
        return cls(text + marked[end:], expected, tuple(labels), row.get("known", False))


@dataclass(slots=True)
class Figures:
    """How the rules did on one kind.

    Attributes:
        labelled: values of the kind in the corpus ...
        hidden: ... of which nothing is left.
        replaced: replacements of the kind ...
        right: ... that touch a labelled value.
    """

    labelled: int = 0
    hidden: int = 0
    replaced: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        return self.hidden / self.labelled if self.labelled else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.replaced if self.replaced else 1.0


def cases(path: Path = PATH) -> list[Case]:
    """Return a corpus."""
    return [Case.of(line) for line in path.read_text(encoding="utf-8").splitlines()]


def figures(
    redact: Callable[[str], str], corpus: Sequence[Case], markers: Mapping[str, str] = MARKERS
) -> dict[str, Figures]:
    """Return the figures by kind."""
    found = {kind: Figures() for kind in markers}
    for case in corpus:
        replaced = list(_replaced(case.text, redact(case.text), markers))
        for label in case.labels:
            found[label.kind].labelled += 1
            covered = {at for span in replaced for at in range(span.start, span.end)}
            found[label.kind].hidden += covered.issuperset(range(label.start, label.end))
        for span in replaced:
            found[span.kind].replaced += 1
            found[span.kind].right += any(span.start < label.end and label.start < span.end for label in case.labels)
    return found


def _replaced(text: str, redacted: str, markers: Mapping[str, str]) -> Iterator[Span]:
    """Yield what was replaced: the parts of the redacted text between its markers stand in the text, in order."""
    kind_of = {marker: kind for kind, marker in markers.items()}
    marker = re.compile("|".join(map(re.escape, kind_of)))
    kinds = [kind_of[found] for found in marker.findall(redacted)]
    parts = [re.escape(part) for part in marker.split(redacted)]
    match = re.fullmatch("(.+?)".join(parts), text, re.DOTALL)
    assert match is not None, (text, redacted)
    for number, kind in enumerate(kinds, 1):
        yield Span(kind, match.start(number), match.end(number))


def table(redact: Callable[[str], str], corpus: Sequence[Case], markers: Mapping[str, str] = MARKERS) -> Iterator[str]:
    """Yield the lines of a table in docs/security.md."""
    yield "| kind | values | recall | replacements | precision |"
    yield "|---|---|---|---|---|"
    for kind, one in figures(redact, corpus, markers).items():
        yield f"| `{kind}` | {one.labelled} | {one.recall:.1%} | {one.replaced} | {one.precision:.1%} |"
    counts = Counter(bool(case.labels) for case in corpus)
    yield f"{counts[True]} texts with something to replace, {counts[False]} that only look like it."


def _mistakes() -> Iterator[str]:
    redactor = Redactor()
    for case in cases():
        if (redacted := redactor.text(case.text)) != case.expected:
            yield f"{'known' if case.known else 'NEW  '} {case.text!r}\n      {redacted!r}"


def _lines(arguments: Sequence[str]) -> Iterator[str]:
    match arguments:
        case []:
            return table(Redactor().text, cases())
        case ["--mistakes"]:
            return _mistakes()
        case ["--held-out"]:
            return table(Redactor().text, cases(HELD_OUT_PATH))
        case ["--names", model]:
            return table(NameRedactor.of_model(model), cases(NAME_PATH), NAME_MARKERS)
        case _:
            sys.exit("usage: python -m tests.support.redaction_corpus [--mistakes | --held-out | --names MODEL]")


if __name__ == "__main__":
    print("\n".join(_lines(sys.argv[1:])))  # noqa: T201  # a command
