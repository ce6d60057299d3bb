"""What is hidden before a record leaves the process, and what is encrypted. Keys are named here, never written."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, model_validator

from headrace.config.section import Name, Positive, Section

__all__ = ["KEY_REFERENCE", "Encryption", "KeyReference", "Redaction", "RedactionKind", "SignatureRedaction"]

RedactionKind: TypeAlias = Literal["email", "phone", "card", "iban", "ip", "secret", "private_key"]
KEY_REFERENCE: Final = r"^(env:[A-Za-z_][A-Za-z0-9_]{0,127}|file:.{1,4096})$"
KeyReference: TypeAlias = Annotated[str, Field(pattern=KEY_REFERENCE)]
FieldBytes: TypeAlias = Annotated[int, Field(ge=64)]


class SignatureRedaction(Section):
    """What leaves of one signature's fields."""

    allow: tuple[str, ...] | None = Field(None, description="Only these fields leave; absent: all do.")
    deny: tuple[str, ...] = Field((), description="These fields do not.")
    max_bytes: dict[str, FieldBytes] = Field(default_factory=dict, description="Field -> where it is cut, in bytes.")


class Redaction(Section):
    """What is replaced before a record leaves the process."""

    kinds: tuple[RedactionKind, ...] = Field(
        ("email", "phone", "card", "iban", "ip", "secret", "private_key"),
        description="What is looked for; empty switches it off.",
    )
    signatures: dict[str, SignatureRedaction] = Field(
        default_factory=dict, description="Signature -> which of its fields leave; * is all signatures."
    )
    pseudonym_key: KeyReference | None = Field(
        None, description="env:NAME or file:PATH of a key: equal values get equal pseudonyms in place of blanks."
    )
    redactor_timeout_s: Positive = Field(
        1, description="A record on which your own redactors take longer is dropped, s."
    )


class Encryption(Section):
    """Encryption of inputs, outputs and errors, with AES-256-GCM; off without write_key."""

    write_key: Name | None = Field(None, description="Which of the keys producers encrypt with.")
    keys: dict[Name, KeyReference] = Field(
        default_factory=dict, description="Key id -> env:NAME or file:PATH; consumers decrypt with any of them."
    )
    dedup_key: KeyReference | None = Field(
        None, description="env:NAME or file:PATH of the key that makes deduplication keys; not one of the keys above."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> "Encryption":
        if self.write_key is not None and self.write_key not in self.keys:
            # What was found is not shown: it may be the key itself.
            known = ", ".join(self.keys) or "none"
            raise ValueError(f"encryption.write_key: is no id of encryption.keys (there: {known})")
        if self.write_key is not None and self.dedup_key is None:
            raise ValueError("encryption.dedup_key: missing; a plain hash of a short input can be guessed")
        if self.dedup_key is not None and self.dedup_key in self.keys.values():
            raise ValueError("encryption.dedup_key: is one of encryption.keys; use another, which is never rotated")
        return self
