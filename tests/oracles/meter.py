"""A meter of the SimPy twin: how it is read and what it runs, as its customer and commands change it while time passes."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.oracles.hub import Hub

CUSTOMER = -1


class Change(NamedTuple):
    """A change of schedule or firmware. The greatest counts: the latest, and of one instant the one of the last campaign."""

    at_us: int
    by: int  # the campaign's index, or CUSTOMER
    to: int


@dataclass(slots=True, kw_only=True)
class Meter:
    """A meter and how it is read; `lost` are the slots that it could not keep, by day."""

    index: int
    hub: Hub
    mode: int  # a MeterMode
    is_register_only: bool
    reading_day: int
    schedule: int
    firmware: list[Change]  # in no order; the first is that of the installation
    lost: dict[int, list[int]] = field(default_factory=dict)
    obeyed: set[int] = field(default_factory=set)  # campaigns whose command it has done: it does each once
    last_change: Change | None = None

    def set_schedule(self, change: Change) -> None:
        """Read by another schedule from the next midnight on, unless a change that counts more is of the same instant."""
        if self.last_change is None or change > self.last_change:
            self.schedule, self.last_change = change.to, change
