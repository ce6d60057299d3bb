"""What decides the bytes of a version, beside the rows: written to the manifest, and all that a replay goes by."""

from typing import Any, Self

from pydantic import Field

from headrace.config.consumers import Dedup, OwnCallable
from headrace.config.section import Section, Share
from headrace.config.versions import Difficulties, GateThresholds, SplitShares

__all__ = ["Recipe"]


class Recipe(Section):
    """See above; immutable.

    Attributes:
        signature: whose examples.
        environment: of which environment.
        fields_hash: of which fields.
        baseline_versions: whose outputs may be in test.
        category_attribute: which attribute is the category.
        splits: the shares of the splits.
        difficulties: the shares of the difficulties that are wanted.
        difficulty_bounds: from which scores an example is medium, and hard; None until telemetry has told.
        difficulty_scorer: the user's own.
        most: so many examples are drawn; None: all stay.
        thresholds: of the gates.
        dedup: what makes two inputs of other sources the same.
        usable_first: whether of several examples with the same inputs one that would be set aside all the same gives
            way to any other; versions that were cut before this was so say nothing of it.
        fitting_first: whether one that a gate would take for what it is (schema, personal data) gives way to the next
            best that it would not; likewise.
    """

    signature: str
    environment: str
    fields_hash: str
    baseline_versions: tuple[str, ...]
    category_attribute: str
    splits: SplitShares
    difficulties: Difficulties
    difficulty_bounds: tuple[float, float] | None = None
    difficulty_scorer: OwnCallable | None = None
    most: int | None = Field(None, ge=1)
    thresholds: GateThresholds
    dedup: Dedup
    usable_first: bool = False
    fitting_first: bool = False

    @property
    def shares(self) -> tuple[Share, Share, Share]:
        """The splits' shares, in order."""
        return self.splits.train, self.splits.val, self.splits.test

    def with_bounds(self, bounds: tuple[float, float]) -> Self:
        """Return it with the bounds of difficulty that telemetry has told."""
        return self.model_copy(update={"difficulty_bounds": bounds})

    def as_json(self) -> dict[str, Any]:
        """Return it for the manifest."""
        return self.model_dump(mode="json")

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return what a manifest has.

        Raises:
            ValidationError: it is not what a cut writes.
        """
        return cls.model_validate(value, strict=False)
