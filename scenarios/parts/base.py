"""What every part of a scenario file has in common: strict fields, none unknown, nothing infinite."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from scenarios.texts.printable import is_printable


def _require_line(text: str) -> str:
    if not is_printable(text):
        raise ValueError("must be one line of text, without control characters")
    return text


Line = Annotated[str, AfterValidator(_require_line)]
"""Text that people read in pages, in XML and on terminals."""

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def require_sum_of_one(what: str, shares: dict[str, float]) -> None:
    """Raises ValueError unless the shares add up to 1."""
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"{what} must add up to 1, not {total:g}")
