"""From a scenario to the integers that the kernels read. Everything is rounded here, once, by arithmetic that no machine does
differently: Python's integers and decimals, and floats only where one multiplication is rounded to an integer.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, CommandKind, Fuel, ReadSchedule
from scenarios.parts.estate import LOSSES_MAX, Campaign, Estate, Link, Metering, Region, Wan
from scenarios.spec import Scenario
from sim.estate.commands import ANSWER_US_MIN, REPEAT_US_MAX, backoff_after_us
from sim.estate.parameters import (
    CAMPAIGN,
    CHANGE,
    HOURS_PER_DAY,
    NEWS,
    OUTAGE,
    POISSON_COUNT_MAX,
    REGION,
    SETTLEMENT_RUN,
    KernelParameters,
    Records,
)
from sim.profiles.demand import DemandProfile, tables_of
from sim.units import IntArray

WORD_ONE = 1 << 32

# Source: Ofgem typical domestic consumption values from October 2023: low, medium and high are the quartiles.
# The lowest and highest home are ours: they put the mean near Great Britain's (3.3 MWh electricity, 13 MWh gas).
ANNUAL_KNOTS_WH = {
    Fuel.ELECTRICITY: (600_000, 1_800_000, 2_700_000, 4_100_000, 8_500_000),
    Fuel.GAS: (2_500_000, 7_500_000, 11_500_000, 17_000_000, 32_000_000),
}
# Some ten years of use, so that no register is near the roll-over of its display.
REGISTER_START_WH_MAX = {Fuel.ELECTRICITY: 40_000_000, Fuel.GAS: 150_000_000}

# Relative number of customer queries by local hour: few at night, most in the evening. Ours, for want of a public source.
QUERIES_BY_LOCAL_HOUR = (8, 5, 4, 4, 5, 10, 26, 50, 55, 46, 42, 42, 45, 42, 40, 43, 52, 68, 85, 95, 92, 72, 46, 23)
HOUR_US = 3_600_000_000


def build_parameters(scenario: Scenario, profiles: list[DemandProfile]) -> KernelParameters:
    """All that the kernels need of a scenario; `profiles` are those of its fuels, in their order."""
    estate, run, traffic = scenario.estate, scenario.run, scenario.traffic
    tables = [tables_of(profile) for profile in profiles]
    rates = (
        traffic.usage_month_per_premises_day,
        traffic.intervals_day_per_premises_day,
        traffic.state_per_premises_day,
        traffic.comparison_per_premises_day,
        traffic.bill_per_premises_day,
        traffic.ihd_refresh_per_premises_day,
    )
    schedules = estate.read_schedules
    types, metering = estate.meter_types, estate.metering
    tariffs = estate.tariffs
    query_hour = _query_hours(run.start, max(run.days + 1, -(-scenario.span_us // DAY_US)), estate.calendar)
    rollout, wan, reads = estate.rollout, scenario.wan, scenario.reads
    swaps = wan.hub_swaps
    return KernelParameters(
        seed=run.seed,
        premises_count=estate.premises,
        fuel_count=len(estate.fuels),
        electricity=estate.fuels.index(Fuel.ELECTRICITY),
        day_count=run.days,
        span_us=scenario.span_us,
        annual_knots_wh=np.array([ANNUAL_KNOTS_WH[fuel] for fuel in estate.fuels], np.int64),
        register_start_wh_max=np.array([REGISTER_START_WH_MAX[fuel] for fuel in estate.fuels], np.int64),
        day_share=np.stack([table.day_share for table in tables]),
        day_spread=np.stack([table.day_spread for table in tables]),
        slot_share=np.stack([table.slot_share for table in tables]),
        slot_spread=np.stack([table.slot_spread for table in tables]),
        month_day=_array((run.start + timedelta(days=day)).day - 1 for day in range(run.days)),
        schedule_below=_bounds((schedules.half_hourly, schedules.monthly, schedules.ten_second, schedules.daily)),
        change_count=len(estate.schedule_changes),
        changes=_changes(estate),
        is_all_smart=metering == Metering(),
        gas_below=_word(metering.gas),
        smart_below=_word(metering.smart),
        traditional_below=_word(metering.traditional_mode),
        type_below=_bounds((types.register_only, types.profile, types.ten_second, types.import_export)),
        tariff_below=_bounds(
            [tariff.share for tariff in scenario.tariffs] or [tariffs.flat, tariffs.time_of_use, tariffs.half_hourly]
        ),
        prepayment_below=_word(estate.prepayment),
        prepaid_tariffs=sum(1 << code for code, one in enumerate(scenario.tariffs) if one.prepayment is not None),
        firmware_count=estate.firmware_versions,
        join_below=_word(rollout.start_share) if rollout else WORD_ONE,
        join_days=rollout.over_days if rollout and rollout.start_share < 1 else 0,
        dc_count=len(scenario.topology.business_dcs),
        push_jitter_us=round(estate.push_jitter_s * 1_000_000),
        upload_window_us=_us(estate.upload_window_h),
        is_ideal=_is_ideal(wan, estate),
        region_count=len(estate.regions),
        regions=_regions(wan, estate),
        swap_below=_word(swaps.share) if swaps else 0,
        swap_from_us=_us(swaps.from_h) if swaps else 0,
        swap_over_us=_us(swaps.until_h - swaps.from_h) if swaps else 0,
        swap_out_us=_us(swaps.without_wan_h) if swaps else 0,
        hub_outage_below=_word(wan.hub_outages_per_day),
        hub_outage_us_max=_us(wan.hub_outage_h_max),
        catch_up_speed=wan.catch_up_speed,
        outage_count=len(wan.outages),
        outages=_records(
            OUTAGE,
            (
                (
                    _region_index(estate, each.region),
                    _us(each.at_h),
                    _us(each.at_h + each.for_h),
                    _us(each.return_over_h),
                )
                for each in wan.outages
            ),
        ),
        gap_below=_half(reads.gap_share),
        estimate_after_us=_us(reads.estimate_after_h),
        duplicate_below=_word(reads.duplicate_share),
        duplicate_us_max=round(reads.duplicate_after_s * 1_000_000),
        settlement_run_count=len(reads.settlement_runs),
        settlement_runs=_records(
            SETTLEMENT_RUN, ((each.after_days, _half(each.share)) for each in reads.settlement_runs)
        ),
        alert_below=_poisson_tables((scenario.alerts.per_hub_day,))[0],
        alert_storm_count=len(scenario.alerts.storms),
        alert_storms=_records(
            NEWS,
            (
                (_region_index(estate, each.region), _us(each.at_h), round(each.over_s * 1e6), _word(each.share))
                for each in scenario.alerts.storms
            ),
        ),
        burst_count=len(traffic.bursts),
        bursts=_records(NEWS, ((-1, _us(each.at_h), _us(each.over_h), _word(each.share)) for each in traffic.bursts)),
        campaign_count=len(scenario.campaigns),
        campaigns=_records(
            CAMPAIGN,
            (_campaign(each, estate, _firmware(scenario, index)) for index, each in enumerate(scenario.campaigns)),
        ),
        schedule_campaign_count=sum(each.to is not None for each in scenario.campaigns),
        firmware_campaign_count=sum(each.kind is CommandKind.UPDATE_FIRMWARE for each in scenario.campaigns),
        exponential=_exponential_quantiles(),
        query_kinds=max((kind + 1 for kind, rate in enumerate(rates) if rate > 0), default=0),
        query_below=_poisson_tables(rates),
        query_per_premises_day=sum(rates),
        query_day_count=len(query_hour),
        query_hour=query_hour,
    )


def _is_ideal(wan: Wan, estate: Estate) -> bool:
    links = [_link(wan, region) for region in estate.regions]
    has_delay = any(link.delay_ms_max > 0 or link.loss > 0 for link in links)
    return not (has_delay or wan.outages or wan.hub_outages_per_day > 0 or wan.hub_swaps)


def _link(wan: Wan, region: Region) -> Link:
    link: Link = getattr(wan, region.wan)
    return link


def _regions(wan: Wan, estate: Estate) -> Records:
    bounds = _bounds([region.share for region in estate.regions])
    rows = [
        _region_row(int(bound), _link(wan, region), region.wan == "cellular")
        for bound, region in zip(bounds, estate.regions, strict=True)
    ]
    return _records(REGION, [*rows, _region_row(WORD_ONE, wan.four_g, False)])


def _region_row(bound: int, link: Link, is_cellular: bool) -> tuple[object, ...]:
    delay_us, span_us = round(link.delay_ms_min * 1e3), round((link.delay_ms_max - link.delay_ms_min) * 1e3)
    loss_below = [_word(link.loss ** (attempt + 1)) for attempt in range(LOSSES_MAX)]
    return bound, delay_us, span_us, round(link.retry_s * 1e6), loss_below, int(is_cellular)


def _changes(estate: Estate) -> Records:
    below, rows = 0.0, []
    for each in estate.schedule_changes:
        below += each.share
        fuel = -1 if each.fuel is None else estate.fuels.index(each.fuel)
        over_us = _us(each.until_h - each.from_h)
        rows.append((_word(below), ReadSchedule[each.to.upper()], _us(each.from_h), over_us, fuel))
    return _records(CHANGE, rows)


def _firmware(scenario: Scenario, index: int) -> int:
    """The version that a campaign installs: those of firmware are numbered on from the estate's own; -1 for another kind."""
    installs = [each.kind is CommandKind.UPDATE_FIRMWARE for each in scenario.campaigns]
    return scenario.estate.firmware_versions + sum(installs[:index]) if installs[index] else -1


def _campaign(each: Campaign, estate: Estate, firmware: int) -> tuple[int, ...]:
    timeout_us, backoff_us = round(each.timeout_s * 1e6), round(each.backoff_s * 1e6)
    sent_us = _us(each.at_h) + (each.waves - 1) * _us(each.wave_every_h) + _us(each.over_h)
    waits_us = sum(timeout_us + backoff_after_us(backoff_us, number) for number in range(1, each.attempts_max + 1))
    return (
        estate.fuels.index(each.fuel),
        _region_index(estate, each.region),
        int(each.prepayment_only),
        _word(each.share),
        _us(each.at_h),
        _us(each.over_h),
        each.waves,
        _us(each.wave_every_h),
        -1 if each.effective_h is None else _us(each.effective_h),
        each.attempts_max,
        timeout_us,
        backoff_us,
        _word(each.success),
        round(each.ack_mean_s * 1e6),
        _word(each.silent),
        -1 if each.silent_for_h is None else _us(each.silent_for_h),
        _word(each.refusal),
        _word(each.duplicate),
        -1 if each.to is None else ReadSchedule[each.to.upper()],
        firmware,
        sent_us + waits_us + 7 * round(each.ack_mean_s * 1e6) + ANSWER_US_MIN + REPEAT_US_MAX + 1,
    )


def _records(dtype: np.dtype[np.void], rows: Iterable[tuple[object, ...]]) -> Records:
    return np.array(list(rows), dtype)


def _us(hours: float) -> int:
    return round(hours * HOUR_US)


def _word(share: float) -> int:
    """A word below this has the probability `share` [of 2^32]."""
    return round(share * WORD_ONE)


def _half(share: float) -> int:
    """A 16-bit draw below this has the probability `share`, to 1 in 65,536; a share above 0 never becomes none."""
    return max(round(share * 65_536), int(share > 0))


def _array(values: Iterable[float]) -> IntArray:
    return np.array([int(value) for value in values], np.int64)


def _bounds(shares: Sequence[float]) -> IntArray:
    """Upper bounds of the words of each of several shares [of 2^32]; the last is whole: they add up to 1 only nearly."""
    bounds = _array(np.rint(np.cumsum(shares) * WORD_ONE))
    bounds[-1] = WORD_ONE
    return bounds


def _region_index(estate: Estate, name: str | None) -> int:
    return -1 if name is None else [region.name for region in estate.regions].index(name)


def _exponential_quantiles() -> IntArray:
    """-ln(1 - n / 256) [2^-20] for n = 0 .. 256; the last, which is infinite, stands at the 1023/1024 quantile."""
    context = Context(prec=40, rounding=ROUND_HALF_EVEN)
    rest = [Decimal(256 - knot) / 256 for knot in range(256)] + [Decimal(1) / 1_024]
    return _array(int((-context.ln(share) * (1 << 20)).to_integral_value()) for share in rest)


def _poisson_tables(means: tuple[float, ...]) -> IntArray:
    """Cumulative Poisson probabilities [of 2^32]: int64[mean, count], as long as the largest mean needs.

    In decimals, which are the same on every machine; exp() of the C library is not.
    """
    tables = [_poisson_table(Decimal(mean)) for mean in means]
    out = np.full((len(means), max(len(table) for table in tables)), WORD_ONE, np.int64)
    for row, table in enumerate(tables):
        out[row, : len(table)] = table
    return out


def _poisson_table(mean: Decimal) -> list[int]:
    context = Context(prec=60, rounding=ROUND_HALF_EVEN)
    term = context.exp(-mean)
    total, below = Decimal(0), []
    for count in range(POISSON_COUNT_MAX):
        total = context.add(total, term)
        below.append(int(context.multiply(total, Decimal(WORD_ONE)).to_integral_value()))
        if below[-1] >= WORD_ONE:
            break
        term = context.divide(context.multiply(term, mean), Decimal(count + 1))
    return [min(bound, WORD_ONE) for bound in below]


def _query_hours(start: date, rows: int, calendar: Calendar) -> IntArray:
    """The share of a day's queries before each UTC hour, from the local hours: int64[rows, 25] [of 2^32], a row a day."""
    out = np.zeros((rows, HOURS_PER_DAY + 1), np.int64)
    first_us = (start - date(1970, 1, 1)).days * DAY_US
    _, slots = calendar.wall_slots(first_us + np.arange(rows * HOURS_PER_DAY, dtype=np.int64) * HOUR_US)
    for row, local_hours in enumerate((slots // calendar.slots_per_hour).reshape(rows, HOURS_PER_DAY).tolist()):
        hours = [QUERIES_BY_LOCAL_HOUR[hour] for hour in local_hours]
        out[row, 1:] = np.cumsum(hours) * WORD_ONE // sum(hours)
    return out
