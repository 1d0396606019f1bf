"""What a design costs a million meters a year, by a person's prices. Pure.

Disk is what a year's writes take once they are settled, on all replicas, paid for a year.
"""

from dataclasses import dataclass

from scenarios.server_prices import ServerPrices

METERS = 1_000_000
DAYS_A_YEAR = 365.25
_GIB = 2.0**30


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterYear:
    """What the scenario sends for one meter in a year, as it goes on."""

    operations: float
    writes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class YearlyCost:
    """Of a million meters [currency of the prices a year]."""

    processor: float
    disk: float
    network: float

    @property
    def total(self) -> float:
        return self.processor + self.disk + self.network


def meter_year(operations_a_day: float, write_share: float, meter_count: int) -> MeterYear:
    """operations_a_day: of all meters of the scenario; write_share: of the operations."""
    operations = operations_a_day * DAYS_A_YEAR / meter_count
    return MeterYear(operations=operations, writes=operations * write_share)


def yearly_cost(
    prices: ServerPrices,
    year: MeterYear,
    *,
    cpu_us_per_operation: float,
    disk_bytes_per_write: float,
    wan_bytes_per_operation: float,
) -> YearlyCost:
    """What a million meters cost in a year."""
    core_hours = METERS * year.operations * cpu_us_per_operation / 3.6e9
    disk_gib = METERS * year.writes * disk_bytes_per_write / _GIB
    network_gib = METERS * year.operations * wan_bytes_per_operation / _GIB
    return YearlyCost(
        processor=core_hours * prices.core_hour / prices.core_used_share,
        disk=disk_gib * 12 * prices.disk_gib_month / prices.disk_used_share,
        network=network_gib * prices.network_gib,
    )
