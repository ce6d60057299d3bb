"""What is hidden before a record leaves the process."""

from typing import Literal, TypeAlias

from pydantic import Field

from headrace.config.section import Section

__all__ = ["Redaction", "RedactionKind"]

RedactionKind: TypeAlias = Literal["email", "phone", "card", "iban", "ip", "secret", "private_key"]


class Redaction(Section):
    """What is replaced before a record leaves the process."""

    kinds: tuple[RedactionKind, ...] = Field(
        ("email", "phone", "card", "iban", "ip", "secret", "private_key"),
        description="What is looked for; empty switches it off.",
    )
