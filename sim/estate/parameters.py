"""The numbers that every kernel reads: one NamedTuple of integers and integer arrays, made once by `sim.estate.model`."""

from functools import cache
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from scenarios.parts.estate import (
    ALERT_STORMS_MAX,
    CAMPAIGNS_MAX,
    CHANGES_MAX,
    LOSSES_MAX,
    OUTAGES_MAX,
    REGIONS_MAX,
    SETTLEMENT_RUNS_MAX,
)
from scenarios.tariffs import TARIFFS_MAX
from sim.units import IntArray

HOURS_PER_DAY = 24


QUERY_KIND_COUNT = 6
POISSON_COUNT_MAX = 256  # queries of a kind, or alerts, of a premises and day
BURSTS_MAX = 8

Records = NDArray[np.void]  # structured: kernels pass few arrays, and each array costs every call seven words


def _integers(*names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in names])


REGION = np.dtype(
    [
        ("below", np.int64),  # upper bound of the words of the premises that lie in it [of 2^32]
        ("delay_us_min", np.int64),
        ("delay_us_span", np.int64),  # the delay is even over min .. min + span - 1, or min where this is 0
        ("retry_us", np.int64),
        ("loss_below", np.int64, (LOSSES_MAX,)),  # a word below [n] means that attempts 0 .. n are lost [of 2^32]
        ("is_cellular", np.int64),  # its hubs may be swapped
    ]
)
OUTAGE = _integers(
    "region", "start_us", "end_us", "return_us"
)  # region -1: all; turns are even over end .. end + return
CHANGE = _integers(
    "below", "to", "from_us", "over_us", "fuel"
)  # of read schedules: bound of the words, a ReadSchedule, when, index among the fuels or -1 for all
SETTLEMENT_RUN = _integers("after_days", "below")  # a 16-bit draw below this means that the slot is revised [of 2^16]
NEWS = _integers(
    "region", "at_us", "over_us", "below"
)  # an alert storm or a burst of queries: whom, when, share of 2^32
CAMPAIGN = _integers(
    "fuel",  # index among the scenario's fuels
    "region",  # -1 for all
    "is_prepayment_only",
    "share_below",  # [of 2^32]
    "at_us",
    "over_us",
    "waves",
    "wave_every_us",
    "effective_us",  # -1 for none
    "attempts_max",
    "timeout_us",
    "backoff_us",
    "success_below",  # [of 2^32]
    "ack_mean_us",
    "silent_below",  # [of 2^32]
    "silent_for_us",  # from the first attempt on; -1 for ever
    "refusal_below",  # [of 2^32]
    "duplicate_below",  # [of 2^32]
    "schedule",  # the ReadSchedule that it sets; -1 for none
    "firmware",  # the version that it installs; -1 for none
    "last_us",  # nothing of the campaign happens from this instant on
)


class KernelParameters(NamedTuple):
    """Everything that a value or an arrival depends on besides its meter and slot. Kernels take it packed: see `pack`.

    Axis `fuel` follows the scenario's `fuels`; `day` counts UTC days of the span, of 48 slots or 96: see `sim.estate.slots`.
    Limits: annual energy below 2^25 Wh and a span of less than two years' energy keep every product within int64.
    """

    seed: int
    premises_count: int
    fuel_count: int
    electricity: int  # index of the electricity meter among a premises' fuels
    day_count: int
    span_us: int  # when the last message is due at the latest [us since the start]

    annual_knots_wh: IntArray  # int64[fuel, 5]: annual energy at its 0, 25, 50, 75 and 100 % quantile [Wh]
    register_start_wh_max: IntArray  # int64[fuel]: a register starts below this [Wh]
    day_share: IntArray  # int64[fuel, day_count + 1]: energy before the day's start, share of a year [2^-36]
    day_spread: IntArray  # int64[fuel, day_count + 1]: width of the noise at the day's start [2^-36]
    slot_share: IntArray  # int64[fuel, day_count, slots + 1]: energy before the slot's start, share of its day [2^-32]
    slot_spread: IntArray  # int64[fuel, day_count, slots + 1]: width of the noise at the slot's start [2^-32]

    month_day: IntArray  # int64[day_count]: day of the month, from 0
    schedule_below: IntArray  # int64[4]: upper bound of the words of half-hourly, monthly, ten-second, daily [of 2^32]
    change_count: int
    changes: Records  # CHANGE[change]
    is_all_smart: bool  # each home has each fuel, and every meter is in smart mode: no draw decides
    gas_below: int  # a home whose word is below this has gas [of 2^32]
    smart_below: int  # ... has smart meters [of 2^32]
    traditional_below: int  # a smart meter whose word is below this is in traditional mode [of 2^32]
    type_below: IntArray  # int64[4]: upper bound of the words of each electricity MeterType [of 2^32]
    tariff_below: IntArray  # int64[tariffs]: upper bound of the words of each tariff [of 2^32]
    prepayment_below: int  # [of 2^32]
    prepaid_tariffs: int  # a bit for each tariff whose homes pay before they use; 0: `prepayment_below` tells
    firmware_count: int
    join_below: int  # a word below this means there from the start [of 2^32]
    join_days: int  # the others join evenly over so many days; 0: all are there from the start
    dc_count: int  # business data centres
    push_jitter_us: int
    upload_window_us: int

    is_ideal: bool  # the WAN has no delay, no loss, no outage: what is sent is there
    region_count: int
    regions: Records  # REGION[region], as in the scenario; one more for the link of a swapped hub, in no region
    swap_below: int  # a hub of a cellular region whose word is below this is swapped [of 2^32]
    swap_from_us: int
    swap_over_us: int
    swap_out_us: int  # so long it has no WAN
    hub_outage_below: int  # a word below this means an outage of the hub on that day [of 2^32]
    hub_outage_us_max: int
    catch_up_speed: int  # microseconds of backlog sent in a microsecond
    outage_count: int
    outages: Records  # OUTAGE[outage], in order of time

    gap_below: int  # a 16-bit draw below this means that the meter has lost the slot [of 2^16]
    estimate_after_us: int  # after the end of the slot's day
    duplicate_below: int  # [of 2^32]
    duplicate_us_max: int
    settlement_run_count: int
    settlement_runs: Records  # SETTLEMENT_RUN[run]

    alert_below: IntArray  # int64[count_max]: as `query_below` [of 2^32]
    alert_storm_count: int
    alert_storms: Records  # NEWS[storm]
    burst_count: int
    bursts: Records  # NEWS[burst]
    campaign_count: int
    campaigns: Records  # CAMPAIGN[campaign], as in the scenario
    schedule_campaign_count: int  # how many of them set a read schedule,
    firmware_campaign_count: int  # ... or install firmware
    exponential: IntArray  # int64[257]: quantiles of the exponential distribution of mean 1, at n / 256 [2^-20]

    query_kinds: int  # how many of QUERY_KINDS are asked at all: those after them have no draw
    query_below: IntArray  # int64[6, count_max]: a count word below [kind, n] means n queries or fewer [of 2^32]
    query_per_premises_day: float  # mean of all kinds; sizes windows, decides nothing
    query_day_count: int
    query_hour: IntArray  # int64[query_day_count, 25]: share of a day's queries before each UTC hour [of 2^32]


_FUELS_MAX, _DAYS_MAX = 2, 401
_TABLES: dict[str, tuple[np.dtype[np.void] | type[np.int64], tuple[int, ...]]] = {
    "annual_knots_wh": (np.int64, (_FUELS_MAX, 5)),
    "register_start_wh_max": (np.int64, (_FUELS_MAX,)),
    "day_share": (np.int64, (_FUELS_MAX, _DAYS_MAX)),
    "day_spread": (np.int64, (_FUELS_MAX, _DAYS_MAX)),
    "month_day": (np.int64, (_DAYS_MAX,)),
    "schedule_below": (np.int64, (4,)),
    "changes": (CHANGE, (CHANGES_MAX,)),
    "type_below": (np.int64, (4,)),
    "tariff_below": (np.int64, (TARIFFS_MAX,)),
    "regions": (REGION, (REGIONS_MAX + 1,)),
    "outages": (OUTAGE, (OUTAGES_MAX,)),
    "settlement_runs": (SETTLEMENT_RUN, (SETTLEMENT_RUNS_MAX,)),
    "alert_below": (np.int64, (POISSON_COUNT_MAX,)),
    "alert_storms": (NEWS, (ALERT_STORMS_MAX,)),
    "bursts": (NEWS, (BURSTS_MAX,)),
    "campaigns": (CAMPAIGN, (CAMPAIGNS_MAX,)),
    "exponential": (np.int64, (257,)),
    "query_below": (np.int64, (QUERY_KIND_COUNT, POISSON_COUNT_MAX)),
    "query_hour": (np.int64, (_DAYS_MAX + 20, HOURS_PER_DAY + 1)),
}


@cache
def _packed_type(slots_per_day: int) -> np.dtype[np.void]:
    """The record of estates whose days have so many slots."""
    of_slots = (np.int64, (_FUELS_MAX, _DAYS_MAX, slots_per_day + 1))
    tables = {**_TABLES, "slot_share": of_slots, "slot_spread": of_slots}
    return np.dtype([(name, *tables.get(name, (np.int64, ()))) for name in KernelParameters._fields])


def pack(parameters: KernelParameters) -> KernelParameters:
    """The same numbers as one record, which kernels take as one pointer.

    As a tuple, each call of a leaf would pass some 150 words, and the compiler would have as much more to do. Tables have
    the size of the largest scenario; what is beyond a scenario's own is 0, or 2^32 in tables of probabilities.
    """
    record = np.zeros(1, _packed_type(parameters.slot_share.shape[2] - 1)).view(np.recarray)[0]
    for name, value in zip(parameters._fields, parameters, strict=True):
        if name in ("query_below", "alert_below"):
            record[name][...] = 1 << 32
        if isinstance(value, np.ndarray):
            record[name][tuple(slice(size) for size in value.shape)] = value
        else:
            record[name] = value
    return cast(KernelParameters, record)
