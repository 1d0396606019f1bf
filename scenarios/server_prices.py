"""What servers cost somebody, as a file of theirs: prices of processor time, bytes on disk and bytes between data centres."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from scenarios.part_file import load_part
from scenarios.parts.base import Line, Part

PAGE = "docs/schemas.md"

_Price = Annotated[float, Field(strict=True, ge=0, le=1e9)]
_UsedShare = Annotated[float, Field(strict=True, gt=0, le=1)]


class ServerPrices(Part):
    """A person's price list. Prices are in `currency`; a share says how much of what is paid for is planned to be used."""

    currency: Line = Field(min_length=1, max_length=10)
    core_hour: _Price = Field(description="a processor core for an hour")
    disk_gib_month: _Price = Field(description="a GiB on disk for a month")
    network_gib: _Price = Field(description="a GiB from one data centre to another")
    core_used_share: _UsedShare = Field(default=1.0, description="of the cores' time; the rest is room for peaks")
    disk_used_share: _UsedShare = Field(default=1.0, description="of the disks; the rest is room for compaction")


def load_prices(path: Path) -> ServerPrices:
    """Read a price list. Raises ScenarioError naming file, field and what is allowed."""
    return load_part(path, ServerPrices, absent=f"{PAGE} has one to begin with", page=PAGE)
