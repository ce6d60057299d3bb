"""What a cut is to be of, and what whoever asks for it knows; imports nothing."""

from dataclasses import dataclass, field

from headrace_schemas.dataset_files import PRODUCTION

__all__ = ["Asked", "RolloutVersions"]


@dataclass(frozen=True, slots=True)
class RolloutVersions:
    """What is known of rollouts.

    Attributes:
        promoted: module_version of what they have put before everybody.
        candidates: module_version of what they have given, or give, a share of the requests only.
    """

    promoted: frozenset[str] = frozenset()
    candidates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants cut.

    Attributes:
        signature: whose examples.
        environment: of which environment.
        fields: the hash of the fields, or its beginning; None: those of the newest call.
        most: so many examples, drawn by difficulty and category; None: all.
        is_strict: whether a gate that is not passed ends it.
        is_rehearsal: whether it ends behind the gates, and nothing is published.
        made_for: who wants it, as metadata.json then says.
        rollouts: which versions are known from them.
    """

    signature: str
    environment: str = PRODUCTION
    fields: str | None = None
    most: int | None = None
    is_strict: bool = False
    is_rehearsal: bool = False
    made_for: str | None = None
    rollouts: RolloutVersions = field(default_factory=RolloutVersions)
