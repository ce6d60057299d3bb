"""What `load_dataset` returns: a list of dspy.Examples, and beside it what is known of each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace_schemas.dataset_files import Difficulty, ExampleLine, Label, Source

__all__ = ["ExampleFacts", "Examples"]


@dataclass(frozen=True, slots=True)
class ExampleFacts:
    """What is known of an example, beside its fields.

    Attributes:
        example_id: names it in the version's files.
        key: the deduplication key.
        source: where it came from.
        label: what is known of its outputs.
        category: what it is about, where its source says so.
        difficulty: easy, medium or hard.
        quality: 0 to 1, late feedback included; None: unknown.
        weight: one over its inclusion probability.
        times_seen: how often its key came.
        timestamp_ms: of the call or the making, since the epoch.
    """

    example_id: str
    key: str
    source: Source
    label: Label
    category: str | None
    difficulty: Difficulty
    quality: float | None
    weight: float
    times_seen: int
    timestamp_ms: int

    @classmethod
    def of(cls, line: ExampleLine) -> "ExampleFacts":
        """Return the facts of an example's line."""
        return cls(
            example_id=line["example_id"],
            key=line["key"],
            source=line["source"],
            label=line["label"],
            category=line["category"],
            difficulty=line["difficulty"],
            quality=line["quality"],
            weight=line["weight"],
            times_seen=line["times_seen"],
            timestamp_ms=line["timestamp_ms"],
        )


class Examples(list[Any]):
    """A list of dspy.Examples, ready for an optimizer.

    Each example carries its id as `dspy_uuid`, a field of DSPy's own kind that neither metrics nor prompts see; what
    else is known of it stands in `facts` under that id, so that it is found after slicing and shuffling.

    Attributes:
        signature: the signature's name.
        version: e.g. v3.
        split: train, val, test or all.
        facts: of each example, by its id.
        skipped: the invalid examples that were left out: id -> why.
        lossy: by field, what is not as it was when it was captured.
    """

    def __init__(
        self,
        examples: list[Any],
        *,
        signature: str,
        version: str,
        split: str,
        facts: Mapping[str, ExampleFacts],
        skipped: Mapping[str, str],
        lossy: Mapping[str, str],
    ) -> None:
        super().__init__(examples)
        self.signature = signature
        self.version = version
        self.split = split
        self.facts = dict(facts)
        self.skipped = dict(skipped)
        self.lossy = dict(lossy)

    @property
    def weights(self) -> list[float]:
        """The sampling weights, in the order of the examples: a mean over calls is weighted by them."""
        return [self.facts[example.dspy_uuid].weight for example in self]

    @property
    def labels(self) -> Counter[str]:
        """How many examples have which label."""
        return Counter(self.facts[example.dspy_uuid].label for example in self)
