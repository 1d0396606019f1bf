"""A bill's lines as its table has them: one list of integers. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from scenarios.calendar import days_of_month
from store.billing.records import ALL_RATES, Line, LineKind

_LINE_FIELDS = 14
_FIELDS_WITHOUT_DEMAND = 13  # of bills that were issued before lines had a demand
_FIELDS_ALL_RATES = 11  # of bills that were issued before there were lines a rate
_FIELDS_BEFORE = 10  # of bills that were issued before lines had a first day


def packed(lines: Sequence[Line]) -> list[int]:
    """The lines as one list of integers: how many fields a line has, below zero, then each line's in their order."""
    fields = [
        number
        for line in lines
        for number in (
            int(line.kind),
            line.month,
            line.fuel,
            int(line.tariff),
            line.tariff_version,
            line.first_day,
            line.days,
            line.low_wh,
            line.standard_wh,
            line.peak_wh,
            line.cost_upence,
            line.rate,
            line.block,
            line.demand_w,
        )
    ]
    return [-_LINE_FIELDS, *fields] if fields else []


def unpacked(numbers: Sequence[int]) -> tuple[Line, ...]:
    """The inverse of `packed`; also of bills of before, which begin with a line's kind."""
    if not numbers:
        return ()
    is_old = numbers[0] >= 0
    fields, held = (_FIELDS_BEFORE, numbers) if is_old else (-numbers[0], numbers[1:])
    assert (
        fields in (_FIELDS_BEFORE, _FIELDS_ALL_RATES, _FIELDS_WITHOUT_DEMAND, _LINE_FIELDS) and len(held) % fields == 0
    ), "a bill's lines are cut"
    lines = [held[start:end] for start, end in pairwise(range(0, len(held) + 1, fields))]
    return _with_days(lines) if is_old else tuple(map(_line, lines))


def _with_days(lines: Iterable[Sequence[int]]) -> tuple[Line, ...]:
    """Lines of before: their energy was of the whole month, all fuels; a fuel's standing charges ran on from its first day."""
    charged: Counter[tuple[int, int]] = Counter()  # (month, fuel) -> days so far
    told = []
    for one in lines:
        line = _line([*one[:5], 0, *one[5:]])
        if line.kind is LineKind.ENERGY:
            line = replace(line, first_day=1, days=len(days_of_month(line.month)))
        elif line.kind is LineKind.STANDING:
            line = replace(line, first_day=charged[line.month, line.fuel] + 1)
            charged[line.month, line.fuel] += line.days
        told.append(line)
    return tuple(told)


def _line(numbers: Sequence[int]) -> Line:
    kind, month, fuel, tariff, version, first_day, days, low_wh, standard_wh, peak_wh, cost_upence, *of_rate = numbers
    rate, block, demand_w = (*of_rate, *(ALL_RATES, 0, 0)[len(of_rate) :])
    return Line(
        kind=LineKind(kind),
        month=month,
        fuel=fuel,
        tariff=tariff,
        tariff_version=version,
        first_day=first_day,
        days=days,
        low_wh=low_wh,
        standard_wh=standard_wh,
        peak_wh=peak_wh,
        cost_upence=cost_upence,
        rate=rate,
        block=block,
        demand_w=demand_w,
    )
