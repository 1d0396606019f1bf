"""What a design costs, worked by hand."""

import pytest

from loadtests.tournament.costs import meter_year, yearly_cost
from scenarios.server_prices import ServerPrices


def test_a_million_meters_cost_their_core_hours_their_disks_and_their_wan() -> None:
    year = meter_year(operations_a_day=200.0, write_share=0.5, meter_count=100)
    assert (year.operations, year.writes) == (730.5, 365.25)
    prices = ServerPrices(currency="EUR", core_hour=0.05, disk_gib_month=0.1, network_gib=0.01, core_used_share=0.5)
    cost = yearly_cost(
        prices, year, cpu_us_per_operation=360.0, disk_bytes_per_write=2.0**20, wan_bytes_per_operation=2.0**10
    )
    # 730.5 million operations of 360 us are 73.05 core hours; half of the cores' time is used
    assert cost.processor == pytest.approx(73.05 * 0.05 / 0.5)
    assert cost.disk == pytest.approx(365.25e6 / 1024 * 12 * 0.1)
    assert cost.network == pytest.approx(730.5e6 / 2**20 * 0.01)
    assert cost.total == cost.processor + cost.disk + cost.network
