"""What the sections of a configuration have in common: strict types, no unknown keys, immutable."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Name", "Options", "Positive", "Section", "Share", "TopicName"]

Options: TypeAlias = dict[str, str | int | float | bool]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
TopicName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class Section(BaseModel):
    """A section or a part of one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
