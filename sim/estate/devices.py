"""What a device is after what its customer chose and what campaigns commanded: its read schedule, its firmware.

The latest change counts. Of changes at one instant it is a command rather than the customer's choice, and of two commands
that of the campaign further down in the scenario. A device does a command once, at the first attempt that reaches it; later
ones change nothing more. It does not wait for the head-end: a command whose answer comes too late is EXHAUSTED, and done all
the same. What a device refuses, or what never reaches it, changes nothing.
"""

from scenarios.domain import DAY_US
from sim.estate.commands import done_us
from sim.estate.homes import OwnSchedule, firmware_index, own_schedule, region_index
from sim.estate.parameters import KernelParameters
from sim.kernels import leaf_kernel


@leaf_kernel
def schedule_on(p: KernelParameters, meter: int, day: int) -> int:
    """The `ReadSchedule` by which a UTC day is read: a change takes effect at the first midnight after it."""
    premises = meter // p.fuel_count
    region = region_index(p, premises) if p.schedule_campaign_count > 0 else 0
    return read_schedule(p, own_schedule(p, meter), premises, region, meter, day)


@leaf_kernel
def read_schedule(p: KernelParameters, own: OwnSchedule, premises: int, region: int, meter: int, day: int) -> int:
    """As `schedule_on`, for a caller that has the meter's own schedule and region."""
    midnight_us = day * DAY_US
    is_changed = own.change_us < midnight_us
    schedule = own.to if is_changed else own.first
    if p.schedule_campaign_count == 0:
        return schedule
    since_us = own.change_us if is_changed else 0
    return _last_commanded(p, False, premises, region, meter, since_us, midnight_us, schedule)


@leaf_kernel
def firmware_at(p: KernelParameters, meter: int, at_us: int) -> int:
    """The firmware version that a meter runs at an instant.

    At first the version with which its home was installed, 0 .. firmware_count - 1; each campaign of firmware brings one of
    its own: firmware_count the first in the scenario, firmware_count + 1 the second.
    """
    premises = meter // p.fuel_count
    first = firmware_index(p, premises)
    if p.firmware_campaign_count == 0:
        return first
    return _last_commanded(p, True, premises, region_index(p, premises), meter, 0, at_us + 1, first)


@leaf_kernel
def _last_commanded(
    p: KernelParameters,
    is_firmware: bool,
    premises: int,
    region: int,
    meter: int,
    since_us: int,
    before_us: int,
    otherwise: int,
) -> int:
    """What the last command set that a device did in since_us .. before_us - 1, firmware or schedule; or else `otherwise`."""
    found = otherwise
    for campaign in range(p.campaign_count):
        c = p.campaigns[campaign]
        to = int(c.firmware if is_firmware else c.schedule)
        if to >= 0 and c.at_us < before_us:
            at_us = done_us(p, campaign, premises, region, meter)
            if since_us <= at_us < before_us:
                since_us, found = at_us, to
    return found
