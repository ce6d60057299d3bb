"""From what a program proposes to what waits in the pool: checked against the signature, redacted, appended."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from headrace.config import Config
from headrace.key_material import pseudonym_key
from headrace.redaction import Pseudonyms, Redactor
from headrace_consumers.versions.sources.proposals import Proposal
from headrace_consumers.versions.sources.target import ExampleError, Target
from headrace_schemas import CanonicalizationError, canonical
from headrace_schemas.dataset_files import SourceLine

__all__ = ["Maker", "Refusal", "TimeMs", "redactor_of"]

TimeMs: TypeAlias = Callable[[], int]
"""Since the epoch."""

Refusal: TypeAlias = Callable[[SourceLine], str | None]
"""Says in a word why an example that fits its signature is left out all the same, or None."""

_ALWAYS: Final = ("secret", "private_key")


def redactor_of(config: Config) -> Redactor:
    """Return the redactor of the configuration, which looks for secrets whatever it says.

    Raises:
        ConfigError: the key of the pseudonyms cannot be read.
    """
    key = pseudonym_key(config)
    kinds = dict.fromkeys((*config.redaction.kinds, *_ALWAYS))
    return Redactor(kinds, None if key is None else Pseudonyms(key))


@dataclass(slots=True)
class Maker:
    """Makes a pool's lines of proposals, and counts what it left out.

    Attributes:
        target: the signature.
        redactor: what is hidden.
        time_ms: now.
        left_out: reason -> proposals.
        fitting: proposals that fit the signature, be they left out for another reason.
        redactions: kind -> how often something was hidden in what was made.
    """

    target: Target
    redactor: Redactor
    time_ms: TimeMs
    left_out: Counter[str] = field(default_factory=Counter)
    fitting: int = 0
    redactions: Counter[str] = field(default_factory=Counter)

    def lines(
        self,
        proposals: Iterable[Proposal | ExampleError],
        metadata: Mapping[str, Any],
        refuse: Refusal = lambda _: None,
    ) -> list[SourceLine]:
        """Return the lines of the proposals that fit.

        Args:
            proposals: from one answer.
            metadata: for the provenance.
            refuse: a further check.
        """
        made = []
        for proposal in proposals:
            try:
                if isinstance(proposal, ExampleError):
                    raise proposal
                line = self.line(proposal, metadata)
            except ExampleError as error:
                self.left_out[error.reason] += 1
                continue
            self.fitting += 1
            if (reason := refuse(line)) is not None:
                self.left_out[reason] += 1
            else:
                made.append(line)
        return made

    def line(self, proposal: Proposal, metadata: Mapping[str, Any]) -> SourceLine:
        """Return the line of one proposal.

        Raises:
            ExampleError: it does not fit the signature.
        """
        inputs, outputs = self.target.fitted(proposal.inputs, proposal.outputs)
        counts: Counter[str] = Counter()
        line: SourceLine = {
            "inputs": self.redactor.value(inputs, counts),
            "outputs": self.redactor.value(outputs, counts),
            "category": None if proposal.category is None else self.redactor.text(proposal.category, counts),
            "difficulty": proposal.difficulty,
            "timestamp_ms": self.time_ms(),
            "metadata": dict(metadata),
        }
        try:
            canonical.dumps(line)
        except CanonicalizationError as error:
            raise ExampleError("no_json", str(error)) from None
        self.redactions += counts
        return line
