"""The distance between sites: `[topology.wan]` of a scenario. A site is a data centre, or the field, where all clients are."""

from collections.abc import Collection
from typing import Self

from pydantic import Field, model_validator

from scenarios.parts.base import Name, Part, Share

FIELD = "field"
LINKS_MAX = 36  # pairs of eight data centres and the field
DELAY_MS_MAX = 2_000.0


class LinkQuality(Part):
    """What happens to packets between two sites, the same in each direction."""

    delay_ms: float = Field(strict=True, default=0.0, ge=0, le=DELAY_MS_MAX, description="one way")
    jitter_ms: float = Field(
        strict=True, default=0.0, ge=0, le=DELAY_MS_MAX, description="a uniform draw of up to so much is added"
    )
    loss: Share = 0.0
    duplicate: Share = 0.0
    reorder: Share = Field(default=0.0, description="of packets that overtake others, by half of their delay")
    rate_mbit: float | None = Field(strict=True, default=None, ge=0.1, le=100_000, description="none: no limit")
    queue_ms: float = Field(
        strict=True, default=200.0, gt=0, le=10_000, description="what would wait longer for its turn is dropped"
    )

    def is_as(self, other: "LinkQuality") -> bool:
        """Is the same done to packets, whatever else a link has?"""
        return all(getattr(self, field) == getattr(other, field) for field in LinkQuality.model_fields)

    def __str__(self) -> str:
        parts = [f"{self.delay_ms:g} ms"]
        if self.jitter_ms:
            parts.append(f"up to {self.jitter_ms:g} ms more")
        for share, what in ((self.loss, "lost"), (self.duplicate, "doubled"), (self.reorder, "overtaking")):
            if share:
                parts.append(f"{share:.3g} of the packets {what}")
        if self.rate_mbit is not None:
            parts.append(f"{self.rate_mbit:g} Mbit/s")
        return ", ".join(parts)


class SiteLink(LinkQuality):
    """A pair of sites whose distance is its own."""

    between: tuple[Name, Name]


class SiteWan(LinkQuality):
    """The WAN between sites: its own fields are of every pair of data centres that `links` does not name.

    From the field to a data centre there is no distance unless a link says so.
    """

    seed: int = Field(strict=True, default=1, ge=0, le=2**32 - 1, description="of what is lost, doubled and late")
    links: tuple[SiteLink, ...] = Field(default=(), max_length=LINKS_MAX)

    @model_validator(mode="after")
    def _names_each_pair_once(self) -> Self:
        seen = set[frozenset[str]]()
        for number, link in enumerate(self.links):
            pair = frozenset(link.between)
            if len(pair) == 1:
                raise ValueError(f"links[{number}]: between names '{link.between[0]}' twice; a link is of two sites")
            if pair in seen:
                raise ValueError(f"links[{number}]: {' and '.join(link.between)} have a link already")
            seen.add(pair)
        return self

    def among(self, dcs: Collection[str]) -> Self:
        """The same between fewer data centres."""
        links = tuple(link for link in self.links if all(name in dcs or name == FIELD for name in link.between))
        return self.model_copy(update={"links": links})

    def between(self, one: str, other: str) -> LinkQuality:
        """The quality of the link of two sites."""
        for link in self.links:
            if {one, other} == set(link.between):
                return link
        return LinkQuality() if FIELD in (one, other) else self


def require_no_dc_as_field(dcs: Collection[str]) -> None:
    """Raises ValueError for a data centre that is called as the field is."""
    if FIELD in dcs:
        raise ValueError(f"a data centre can't be named '{FIELD}', which is where the clients are")


def require_sites(wan: SiteWan, dcs: Collection[str]) -> None:
    """Raises ValueError for a link of a site that is not there, or a data centre that is called as the field is."""
    require_no_dc_as_field(dcs)
    for number, link in enumerate(wan.links):
        for name in link.between:
            if name not in dcs and name != FIELD:
                raise ValueError(
                    f"wan.links[{number}].between: '{name}' is the name of no site; there are {', '.join([*dcs, FIELD])}"
                )
