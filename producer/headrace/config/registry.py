"""Where program versions are kept, and whose are accepted."""

from pydantic import Field

from headrace.config.privacy import KeyReference
from headrace.config.section import Section

__all__ = ["ProgramRegistrySection"]


class ProgramRegistrySection(Section):
    """The registry of program versions, which rollouts name by digest."""

    path: str | None = Field(
        None,
        min_length=1,
        description="Folder, or s3://BUCKET/PREFIX, gs://..., az://...: for a store, pip install 'headrace[registry]'.",
    )
    storage_options: dict[str, str] = Field(
        default_factory=dict, description="The store's options, e.g. aws_region; else from the environment."
    )
    signing_key: KeyReference | None = Field(
        None, description="env:NAME or file:PATH of 32 random bytes in base64 (Ed25519); signs what is put there."
    )
    verify_keys: tuple[KeyReference, ...] = Field(
        (),
        description="env:NAME or file:PATH of public keys; set, only versions that one of them signed are accepted.",
    )
