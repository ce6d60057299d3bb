"""Who may see the consumers' pages, and how they are encrypted."""

from typing import Final

from pydantic import Field, model_validator

from headrace.config.privacy import KeyReference
from headrace.config.section import Section

__all__ = ["Web"]

_TOGETHER: Final = "web.certificate and web.key: one is set and the other is not; a listener needs both"


class Web(Section):
    """Ports of the consumers: /metrics, /healthz, /readyz."""

    token: KeyReference | None = Field(
        None,
        description="env:NAME or file:PATH of a token of at least 16 characters, or of several, a line each: who asks "
        "for /metrics sends one (Authorization: Bearer, or as a password). Probes need none, and are then told yes or "
        "no only.",
    )
    certificate: str | None = Field(None, min_length=1, description="PEM file of the certificate, with its chain: TLS.")
    key: str | None = Field(None, min_length=1, description="PEM file of its private key.")

    @model_validator(mode="after")
    def _both(self) -> "Web":
        if (self.certificate is None) != (self.key is None):
            raise ValueError(_TOGETHER)
        return self
