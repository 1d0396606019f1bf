"""Days computed again from a log that did not show all of it: is a row of a view the fold of some of what was sent? Pure.

Where a scenario's levels let a read miss what was acknowledged, a fold may have seen any part of the log. What it then wrote
can't be told from a fault of the cluster: it is not judged. What no part of the log comes to is wrong as ever.

Each half-hour adds its own amount and its own cost, so the question is whether one choice for each half-hour adds up to the row.
The sums that can be reached are kept, rate by rate, without those from which the row can't be reached any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.audit.data_loss.doubtful_days import Fit, layers_of
from loadtests.audit.data_loss.fact_classes import slots_in
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.workload.deliveries import totals_of
from sim.estate.lookup import sends_runs
from sim.estate.model import EstateModel
from store.rows import day_columns
from store.tariffs import MISSING_WH

SUMS_MAX = 200_000  # of energy and cost that are kept at once
RATES = ("low_wh", "standard_wh", "peak_wh")
PARTS = ("", "late_")  # before the local midnight, and from it on

Option = tuple[int, int]  # what a half-hour can add: [Wh], [upence]


def fit_stale_days(
    estate: EstateModel,
    ledger: Ledger,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    held: Mapping[str, NDArray[np.int64]],
) -> NDArray[np.uint8]:
    """Does each of n rows of a view of days hold a fold of some of what was sent? A Fit each, uint8[n].

    Arguments as of `fit_doubtful_days`; UNKNOWN where more than SUMS_MAX sums would have to be kept.
    """
    fits = np.full(len(meter), Fit.NO, np.uint8)
    for row in range(len(meter)):
        of_row = {name: int(values[row]) for name, values in held.items()}
        fits[row] = _fit(estate, ledger, meter[row : row + 1], int(first_slot[row]), of_row)
    return fits


def _fit(estate: EstateModel, ledger: Ledger, meter: NDArray[np.int64], last_slot: int, held: Mapping[str, int]) -> Fit:
    slots = estate.slots_per_day
    day_slot = np.array([last_slot // slots * slots], np.int32)
    count = last_slot - int(day_slot[0]) + 1
    layers = layers_of(estate, ledger, meter, day_slot)
    states = (SlotState.ACKNOWLEDGED, SlotState.INTENT)
    sent = np.array(
        [
            np.any([slots_in(estate, ledger, plane, meter, day_slot, one)[0] for one in states], axis=0)
            for _, plane, _ in layers
        ]
    )
    measured = next(number for number, (revision, _, _) in enumerate(layers) if revision == 0)
    is_upload = bool(sends_runs(estate, meter, day_slot, np.array([slots]))[0]) and sent[measured].any()
    fits = set[Fit]()
    for shows_upload in (False, True) if is_upload else (None,):
        choices = _choices(sent, [values for _, _, values in layers], measured, count, shows_upload)
        if choices is not None:
            fits.add(_fit_choices(estate, meter, day_slot, choices, held))
    return Fit.YES if Fit.YES in fits else max(fits, default=Fit.NO)


def _choices(
    sent: NDArray[np.bool_],  # [layers, slots of a day]
    values: Sequence[NDArray[np.int32]],
    measured: int,
    count: int,
    shows_upload: bool | None,
) -> list[set[int]] | None:
    """What each of the first `count` half-hours can be in the fold, MISSING_WH for none; None where none ends there.

    shows_upload: an upload of the whole day, of the layer `measured`, is seen; None: each half-hour of it came by itself.
    """
    if shows_upload and count != sent.shape[1]:
        return None
    choices = []
    for slot in range(count):
        seen = {int(values[layer][slot]) for layer in range(len(values)) if sent[layer, slot] and layer != measured}
        if shows_upload is None and sent[measured, slot]:
            seen.add(int(values[measured][slot]))
        if shows_upload and values[measured][slot] != MISSING_WH:  # over it comes but what corrects it
            over = [layer for layer in range(measured + 1, len(values)) if sent[layer, slot]]
            seen = {int(values[measured][slot]), *(int(values[layer][slot]) for layer in over)} - {MISSING_WH}
        elif shows_upload or slot < count - 1:
            seen.add(MISSING_WH)
        choices.append(seen)
    return choices if choices[-1] else None


@dataclass(frozen=True, slots=True)
class _HalfHour:
    """What one half-hour can add to the sums of a part and a rate."""

    options: tuple[Option, ...]

    @property
    def least(self) -> Option:
        return min(wh for wh, _ in self.options), min(cost for _, cost in self.options)

    @property
    def most(self) -> Option:
        return max(wh for wh, _ in self.options), max(cost for _, cost in self.options)


def _fit_choices(
    estate: EstateModel,
    meter: NDArray[np.int64],
    day_slot: NDArray[np.int32],
    choices: Sequence[set[int]],
    held: Mapping[str, int],
) -> Fit:
    tried = [(slot, wh) for slot, each in enumerate(choices) for wh in sorted(each)]
    day_wh = np.full((len(tried), estate.slots_per_day), MISSING_WH, np.int32)
    day_wh[np.arange(len(tried)), [slot for slot, _ in tried]] = [wh for _, wh in tried]
    n = len(tried)
    totals = totals_of(estate, meter.repeat(n), day_slot.repeat(n), day_wh, np.full(n, len(choices), np.int64))
    added = {name: column.astype(np.int64) for name, column in day_columns(totals).items()}
    versions = [name for name in held if name.endswith("tariff_version")]
    if any(held[name] != added[name][0] for name in versions):
        return Fit.NO
    fits = [_fit_part(part, tried, added, held) for part in PARTS]
    return min(fits, key=lambda fit: (Fit.NO, Fit.UNKNOWN, Fit.YES).index(fit))


def _fit_part(
    part: str, tried: Sequence[tuple[int, int]], added: Mapping[str, NDArray[np.int64]], held: Mapping[str, int]
) -> Fit:
    """Can one choice for each half-hour come to what the row holds of a part of the day?"""
    rates = [f"{part}{name}" for name in RATES if f"{part}{name}" in held] or [f"{part}usage_wh"]
    priced = f"{part}cost_upence"
    if rates[0] not in held:
        return Fit.YES  # the view says nothing of it
    cost = held.get(priced, 0)
    costs = added[priced] if priced in held else np.zeros(len(tried), np.int64)
    groups = [_half_hours(tried, added[rate], costs) for rate in rates]
    rest = [_bounds([one for group in groups[at + 1 :] for one in group]) for at in range(len(groups))]
    reached = np.zeros(1, np.int64)
    for rate, group, (least, most) in zip(rates, groups, rest, strict=True):
        found = _costs_after(group, reached, held[rate], cost - most[1], cost - least[1])
        if found is None:
            return Fit.UNKNOWN
        reached = found
    return Fit.YES if cost in reached else Fit.NO


def _half_hours(
    tried: Sequence[tuple[int, int]], added_wh: NDArray[np.int64], added_cost: NDArray[np.int64]
) -> list[_HalfHour]:
    """Those that add to a rate, each with all that it can add."""
    options: dict[int, set[Option]] = {}
    for (slot, _), wh, cost in zip(tried, added_wh.tolist(), added_cost.tolist(), strict=True):
        options.setdefault(slot, set()).add((wh, cost) if wh else (0, 0))
    return [_HalfHour(tuple(sorted(each))) for each in options.values() if each != {(0, 0)}]


def _bounds(half_hours: Sequence[_HalfHour]) -> tuple[Option, Option]:
    """The least and the most that half-hours can add."""
    least, most = [one.least for one in half_hours], [one.most for one in half_hours]
    return (sum(wh for wh, _ in least), sum(cost for _, cost in least)), (
        sum(wh for wh, _ in most),
        sum(cost for _, cost in most),
    )


def _costs_after(
    group: Sequence[_HalfHour], costs: NDArray[np.int64], wh: int, cost_min: int, cost_max: int
) -> NDArray[np.int64] | None:
    """What can have been paid, from `costs` before, once a group of half-hours comes to `wh`: int64[n], cost_min .. cost_max.

    None where more than SUMS_MAX sums would have to be kept.
    """
    reached = np.stack([np.zeros_like(costs), costs])  # [(Wh, cost), n]
    for at in range(len(group) + 1):
        (wh_least, cost_least), (wh_most, cost_most) = _bounds(group[at:])
        can_be = (reached[0] + wh_least <= wh) & (reached[0] + wh_most >= wh)
        can_be &= (reached[1] + cost_least <= cost_max) & (reached[1] + cost_most >= cost_min)
        reached = reached[:, can_be]
        if at == len(group) or reached.shape[1] == 0:
            break
        if reached.shape[1] > SUMS_MAX:
            return None
        options = np.array(group[at].options, np.int64).T
        together = (reached[:, :, np.newaxis] + options[:, np.newaxis, :]).reshape(2, -1)
        low, wide = int(together[1].min()), int(np.ptp(together[1])) + 1  # prices may be negative
        keys = np.unique(together[0] * wide + together[1] - low)
        reached = np.stack([keys // wide, keys % wide + low])
    return np.unique(reached[1])
