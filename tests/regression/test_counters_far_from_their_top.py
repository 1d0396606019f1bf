"""Any fall of a counter was a rollover when enough time had passed, and a late display was one that fell."""

import numpy as np
import pytest

from store.meter_conversion import METER_TYPES
from store.meter_conversion.canonical import Channel
from store.meter_conversion.counter import Anchor, Counter
from store.meter_conversion.gas_volume import GasVolume
from store.meter_conversion.half_hourly import HalfHourly
from store.meter_conversion.register_only import RegisterOnly
from store.rejections import Reason


def counter_of(before: int, display: int, slots_apart: int, register_wh: int | None = None) -> Counter:
    register = before if register_wh is None else register_wh
    held = Anchor(display=np.array([before]), register_wh=np.array([register]), rest=np.array([0]))
    return Counter(before=held, display=np.array([[display]]), slots_apart=np.array([slots_apart]))


def only(form: object) -> Channel:
    (channel,) = METER_TYPES.channels(form)
    return channel


@pytest.mark.parametrize(
    ("before", "display", "days", "reason"),
    [
        (99_999_000, 500, 31, Reason.ACCEPTED),
        (90_000_000, 500, 31, Reason.ACCEPTED),
        (89_999_999, 500, 31, Reason.REGISTER_FELL),
        (60_000_000, 5_000, 28, Reason.REGISTER_FELL),  # an exchange that is not logged
        (30_000_000, 500, 90, Reason.REGISTER_FELL),
        (5_000_000, 4_999_999, 60, Reason.REGISTER_FELL),
        (99_999_000, 10_000_000, 60, Reason.REGISTER_FELL),
    ],
)
def test_a_rollover_is_near_the_top(before: int, display: int, days: int, reason: Reason) -> None:
    channel = only(RegisterOnly(counter=counter_of(before, display, 48 * days), is_half_hourly=False))
    assert channel.reason[0] == reason
    assert bool(channel.has_rolled_over[0]) == (reason == Reason.ACCEPTED)


@pytest.mark.parametrize(("slots_apart", "display", "register"), [(0, 5_000, 105_000), (-48, 4_800, 104_800)])
def test_a_late_or_repeated_day_is_judged_by_its_own_place(slots_apart: int, display: int, register: int) -> None:
    values = np.full((1, 48), 7, np.int64)
    channel = only(HalfHourly(counter=counter_of(5_000, display, slots_apart, 105_000), intervals_wh=values))
    assert (channel.reason[0], channel.register_wh[0]) == (Reason.ACCEPTED, register)
    assert channel.values_wh.tolist() == values.tolist()
    assert (channel.after.display[0], channel.after.register_wh[0]) == (5_000, 105_000)


@pytest.mark.parametrize(
    ("display", "slots_apart", "reason"),
    [(5_001, -48, Reason.REGISTER_FELL), (5_001, 0, Reason.REGISTER_FELL), (99_999_900, -48, Reason.ACCEPTED)],
)
def test_a_late_display_above_its_anchor_fell_unless_it_rolled_over_since(
    display: int, slots_apart: int, reason: Reason
) -> None:
    channel = only(RegisterOnly(counter=counter_of(5_000, display, slots_apart, 200_000), is_half_hourly=False))
    assert channel.reason[0] == reason
    if reason == Reason.ACCEPTED:
        assert (channel.register_wh[0], bool(channel.has_rolled_over[0])) == (200_000 - 5_100, False)


def test_a_late_day_of_gas_is_counted_back() -> None:
    """1,000 dm3 at 39.3 are 11,163.82 Wh."""
    form = GasVolume(
        counter=counter_of(5_000, 4_000, -2, 50_000),
        intervals_dm3=np.array([[500, 500]]),
        calorific_value=np.array([3_930]),
    )
    channel = only(form)
    assert (channel.reason[0], channel.register_wh[0]) == (Reason.ACCEPTED, 50_000 - 11_164)
    assert abs(int(channel.values_wh.sum()) - 11_164) <= 1
    assert channel.after.register_wh[0] == 50_000


def test_half_hourly_displays_that_are_not_a_half_hour_apart_cost_their_row() -> None:
    before = Anchor(display=np.array([0, 0]), register_wh=np.array([0, 0]), rest=np.array([0, 0]))
    counter = Counter(before=before, display=np.array([[5, 9], [5, 9]]), slots_apart=np.array([1, 2]))
    channel = only(RegisterOnly(counter=counter, is_half_hourly=True))
    assert channel.reason.tolist() == [Reason.ACCEPTED, Reason.WRONG_SHAPE]
