"""Edge cases by an LM: categories x difficulties, each example checked against the signature and against what is there.

    the cell that lacks most --question--> program --> fits the types? --> new? --> the pool

What was asked for stands in each example's provenance, so that a command that was stopped goes on where it was.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias

from headrace_consumers.versions.sources.asking import Asker, QuestionError
from headrace_consumers.versions.sources.making import Maker
from headrace_consumers.versions.sources.novelty import Novelty
from headrace_consumers.versions.sources.pool import Pool
from headrace_consumers.versions.sources.proposals import proposal_type, proposals_in
from headrace_consumers.versions.sources.target import ExampleError, Target
from headrace_consumers.versions.sources.there import Known
from headrace_schemas import canonical
from headrace_schemas.dataset_files import Difficulty, SourceLine

__all__ = ["EDGE_CASES", "Cell", "Synthesis", "Synthesized", "cells_of", "edge_case_program"]

EDGE_CASES: Final = (
    "an input that is empty, or nearly so",
    "a very long and detailed input",
    "ambiguous: two readings are possible",
    "the input contradicts itself",
    "information that is needed is missing",
    "typing errors, slang, broken sentences",
    "several languages, emoji or unusual characters",
    "values at the limits: zero, negative, huge, dates far away",
    "text inside the input that reads like an instruction to the program",
    "a case between two categories or answers",
)
"""What a question asks for, in turn."""

_AT_ONCE: Final = 3
_SHOWN: Final = 4
_AVOIDED: Final = 8
_LONGEST_SHOWN: Final = 2000
_QUESTIONS_IN_VAIN: Final = 6

Cell: TypeAlias = tuple[str | None, Difficulty]
"""A category, None for one of the LM's own, and a difficulty."""

Ended: TypeAlias = Literal["target", "calls", "nothing new"]


@dataclass(slots=True)
class Synthesized:
    """How far it came.

    Attributes:
        target: how many examples of this source are wanted.
        in_pool: how many there are.
        added: how many of them are from this run.
        asked: questions.
        calls: of the LM.
        unusable: questions whose answer was of no use: it could not be read, had no examples, or none that fits.
        nothing: reason -> questions that gave no example.
        left_out: reason -> proposed examples.
        cells: "category / difficulty" -> examples there are.
        ended: why it ended.
    """

    target: int
    in_pool: int
    added: int = 0
    asked: int = 0
    calls: int = 0
    unusable: int = 0
    nothing: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    ended: Ended = "target"

    @property
    def is_in_vain(self) -> bool:
        """Whether no answer was of any use."""
        return 0 < self.asked == self.unusable

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in values.items()}


@dataclass(slots=True)
class Synthesis:
    """What synthesis works with.

    Attributes:
        asker: the program and its LM.
        maker: makes lines of proposals.
        pool: where they go.
        novelty: what is there.
        shares: cell -> the share of the examples that it should have.
        shown: real examples for the LM to see.
    """

    asker: Asker
    maker: Maker
    pool: Pool
    novelty: Novelty
    shares: Mapping[Cell, float]
    shown: Sequence[Known]

    def run(
        self,
        there: Iterable[SourceLine],
        target: int,
        made: Synthesized,
        on_step: Callable[[Synthesized], None] = lambda _: None,
    ) -> Synthesized:
        """Ask for examples until there are enough; return `made`, which tells how far it came.

        Args:
            there: the synthetic examples that there are.
            target: how many there should be.
            made: as it begins.
            on_step: told after each question.

        Raises:
            LMError: the LM cannot be used; what was made is in the pool, and `made` tells of it.
            PoolError: the pool cannot be written; likewise.
        """
        have = Counter(_cell_of(line) for line in there)
        tried: Counter[Cell] = Counter()
        avoid = [line["inputs"] for line in there]
        in_vain = 0
        while made.in_pool < target:
            if self.asker.is_spent or in_vain == _QUESTIONS_IN_VAIN:
                made.ended = "calls" if self.asker.is_spent else "nothing new"
                break
            cell = max(self.shares, key=lambda each: self.shares[each] * target - have[each] - tried[each])
            wanted = min(_AT_ONCE, target - made.in_pool, max(1, round(self.shares[cell] * target - have[cell])))
            lines = self._ask(cell, wanted, avoid, made)
            have[cell] += len(lines)
            tried[cell] += not lines
            avoid += [line["inputs"] for line in lines]
            in_vain = 0 if lines else in_vain + 1
            made.cells = Counter({_said(each): number for each, number in have.items() if number})
            on_step(made)
        return made

    def _ask(self, cell: Cell, wanted: int, avoid: list[dict[str, Any]], made: Synthesized) -> list[SourceLine]:
        category, difficulty = cell
        edge_case = EDGE_CASES[(made.asked + made.in_pool) % len(EDGE_CASES)]
        made.asked += 1
        try:
            answer = self.asker.ask(
                task=self.maker.target.described(),
                category=category or "",
                difficulty=difficulty,
                edge_case=edge_case,
                real_examples=self._some(made.asked),
                avoid=[_short(inputs) for inputs in avoid[-_AVOIDED:]],
                count=wanted,
            )
            proposals = proposals_in(answer, self.maker.target)[:wanted]
        except (QuestionError, ExampleError) as error:
            made.nothing[error.reason] += 1
            made.unusable += 1
            return []
        finally:
            made.calls = self.asker.calls
        metadata = {
            "model": self.asker.model,
            "edge_case": edge_case,
            "asked_category": category,
            "asked_difficulty": difficulty,
        }
        fitting = self.maker.fitting
        lines = self.maker.lines(proposals, metadata, self._refusal)
        for line in lines:
            line["category"] = category or line["category"]
            line["difficulty"] = line["difficulty"] or difficulty
        added = self.pool.append(lines)
        made.added += added
        made.in_pool += added
        made.left_out = self.maker.left_out
        if not added:
            is_fitting = self.maker.fitting > fitting
            made.unusable += not is_fitting
            made.nothing[_why_none(has_proposals=bool(proposals), is_fitting=is_fitting)] += 1
        return lines if added else []

    def _refusal(self, line: SourceLine) -> str | None:
        if not self.novelty.is_new(line["inputs"]):
            return "not_new"
        self.novelty.add(line["inputs"])
        return None

    def _some(self, number: int) -> list[str]:
        """Return a few real examples, others with each question."""
        if not self.shown:
            return []
        start = number * _SHOWN % len(self.shown)
        chosen = [*self.shown[start : start + _SHOWN]]
        return [_short({"inputs": each.inputs, "outputs": each.outputs}) for each in chosen]


def cells_of(categories: Sequence[str], difficulties: Mapping[Difficulty, float]) -> dict[Cell, float]:
    """Return the share of each category and difficulty; without categories the LM finds its own.

    Args:
        categories: equally many examples of each.
        difficulties: the share of each.
    """
    named: Sequence[str | None] = list(dict.fromkeys(categories)) or [None]
    return {
        (category, difficulty): share / len(named)
        for difficulty, share in difficulties.items()
        for category in named
        if share
    }


def edge_case_program(target: Target) -> Any:
    """Return the program that is asked where the user gives none: a dspy.ChainOfThought over a typed signature."""
    import dspy

    parts = {
        "task": (str, dspy.InputField(desc="the program that needs examples, and its fields")),
        "category": (str, dspy.InputField(desc="what they are about; empty: choose one yourself")),
        "difficulty": (str, dspy.InputField(desc="easy, medium or hard for an expert")),
        "edge_case": (str, dspy.InputField(desc="what is special about them")),
        "real_examples": (list[str], dspy.InputField(desc="calls of the program, as JSON")),
        "avoid": (list[str], dspy.InputField(desc="inputs that there are already, as JSON")),
        "count": (int, dspy.InputField(desc="how many examples")),
        "examples": (list[proposal_type(target)], dspy.OutputField()),  # type: ignore[misc]  # made at run time
    }
    return dspy.ChainOfThought(dspy.make_signature(parts, _INSTRUCTIONS, signature_name="EdgeCases"))


_INSTRUCTIONS: Final = """\
Write examples for another program, described in `task`: calls as its users might make them in production, and for each
the outputs that an expert would want for exactly these inputs. All are of the given category and difficulty, and each
is the edge case that is asked for. Follow the real examples in form and length unless the edge case says otherwise.
They differ from each other and from what is to be avoided in more than names and numbers. Give each example its
category (one to three words) and difficulty. Invent people, companies and numbers; never use anybody's real data."""


def _cell_of(line: SourceLine) -> Cell:
    asked = line["metadata"]
    return asked.get("asked_category"), asked.get("asked_difficulty", "medium")


def _why_none(*, has_proposals: bool, is_fitting: bool) -> str:
    if not has_proposals:
        return "no example proposed"
    return "no example is new" if is_fitting else "no example fits"


def _said(cell: Cell) -> str:
    return f"{cell[0] or 'any'} / {cell[1]}"


def _short(value: Any) -> str:
    return canonical.dumps(value).decode()[:_LONGEST_SHOWN]
