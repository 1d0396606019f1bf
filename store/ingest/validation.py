"""What is wrong with a delivery, row by row: nothing valid is lost because of what came with it. Pure.

Rows that `store.parsing` could read are held against what is known already and against each other. Each row gets one
`Reason`; the rest of the delivery goes on without it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import TariffKind
from store.ingest.register_checks import Logged, has_half_hours, is_measured, reject_odd_registers
from store.parsing import Parsed
from store.rejections import DETAIL_CHARS_MAX, INSTANT_MAX_US, Reason, Rejection
from store.rows import UNKNOWN_WH, Readings
from store.tariffs import MISSING_WH, UNKNOWN_TARIFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known already about the meters of n rows, at each row's end; see `store.ingest.known`."""

    held_wh: NDArray[np.int32]  # [n, k] held for the half-hour with the row's revision, MISSING_WH where none is
    has_run: NDArray[np.bool_]  # [n] does the log have this very run and revision?
    run_wh: NDArray[np.int32]  # [n, k] what it has of it; what was lost then stays lost in this revision
    held_register_wh: NDArray[np.int64]  # [n] held for the row's end and revision, UNKNOWN_WH where none is
    before_wh: NDArray[
        np.int64
    ]  # [n] the latest register up to the row's end since the meter was put in, or UNKNOWN_WH
    before_us: NDArray[np.int64]  # [n] when that was
    after_wh: NDArray[np.int64]  # [n] the earliest register after the row's end until the meter goes, or UNKNOWN_WH
    start_wh: NDArray[
        np.int64
    ]  # [n] the latest register up to the row's start since the meter was put in, or UNKNOWN_WH
    start_us: NDArray[np.int64]  # [n] when that was
    meter_number: NDArray[np.int64]  # [n] counts exchanges: registers of two meters are not compared
    # [n] the tariffs that the row's day is billed by before and from the local midnight within, UNKNOWN_TARIFF where nobody knows
    kind: NDArray[np.uint8]
    late_kind: NDArray[np.uint8]
    priced_from_us: int = 0  # when the first price list takes effect [us since the Unix epoch]

    @property
    def lacks_tariff(self) -> NDArray[np.bool_]:
        """[n] is it not known by what tariff the row's day is billed?"""
        lacks: NDArray[np.bool_] = (self.kind == UNKNOWN_TARIFF) | (self.late_kind == UNKNOWN_TARIFF)
        return lacks


def no_context(row_count: int, slot_count: int) -> Context:
    """Of meters that nothing is known of."""
    unknown = np.full(row_count, UNKNOWN_WH, np.int64)
    zeros = np.zeros(row_count, np.int64)
    return Context(
        held_wh=np.full((row_count, slot_count), MISSING_WH, np.int32),
        has_run=np.zeros(row_count, np.bool_),
        run_wh=np.full((row_count, slot_count), MISSING_WH, np.int32),
        held_register_wh=unknown,
        before_wh=unknown,
        before_us=zeros,
        after_wh=unknown,
        start_wh=unknown,
        start_us=zeros,
        meter_number=zeros,
        kind=np.full(row_count, TariffKind.FLAT, np.uint8),
        late_kind=np.full(row_count, TariffKind.FLAT, np.uint8),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of n rows."""

    reason: NDArray[np.uint8]  # [n] Reason
    # [n] is the register alone in doubt? `reason` says why; the half-hours are kept without it
    keeps_half_hours: NDArray[np.bool_]
    is_unchecked: NDArray[np.bool_]  # [n] accepted, but no earlier register of the meter was there to hold it against


def judge(parsed: Parsed, context: Context) -> Judged:
    """Each row held against what is known and against the rows before it."""
    readings = parsed.readings
    reason = parsed.reason.copy()
    is_in_doubt = parsed.is_register_odd.copy()
    for one, is_so in (
        (Reason.BEFORE_PRICES, (readings.interval_start_us < context.priced_from_us) & has_half_hours(readings)),
        (Reason.NO_TARIFF, context.lacks_tariff & has_half_hours(readings)),
        (Reason.DUPLICATE_DIFFERS, _differs_from_held(readings, context, is_in_doubt)),
    ):
        is_hit = ((reason == Reason.ACCEPTED) | is_in_doubt) & is_so
        reason[is_hit] = one
        is_in_doubt &= ~is_hit
    # what the log has of this very row already is judged no more: a repeated delivery heals, whatever came meanwhile; but a
    # measured register that it has as an estimate, which nothing is held against, was never judged
    was_judged = ~is_measured(readings) | (context.before_us == readings.interval_end_us)
    is_open = ~(context.has_run & (context.held_register_wh == readings.register_wh) & was_judged)
    logged = Logged(context.before_us, context.before_wh, context.start_us, context.start_wh, context.after_wh)
    # among the rows themselves, of those that are good so far: what contradicts a row whose register is odd is none the worse
    by_itself, others = reason, np.zeros(0, np.int64)
    while True:
        by_itself[others] = Reason.DUPLICATE_DIFFERS
        reason = by_itself.copy()
        is_followed = reject_odd_registers(readings, context.meter_number, reason, logged, is_open)
        others = _contradicting(readings, np.flatnonzero(reason == Reason.ACCEPTED))
        if not len(others):
            break
    is_in_doubt |= (parsed.reason == Reason.ACCEPTED) & np.isin(reason, (Reason.IMPLAUSIBLE, Reason.REGISTER_FELL))
    is_in_doubt &= has_half_hours(readings)
    good = np.flatnonzero(reason == Reason.ACCEPTED)
    is_in_doubt[_contradicting(readings, good, np.flatnonzero(is_in_doubt))] = False
    return Judged(
        reason=reason,
        keeps_half_hours=is_in_doubt,
        is_unchecked=is_measured(readings)
        & (reason == Reason.ACCEPTED)
        & (context.before_wh == UNKNOWN_WH)
        & ~is_followed,
    )


def rejections(parsed: Parsed, judged: Judged) -> list[Rejection]:
    """What is recorded of the rows that were refused, or whose register was, in their order."""
    readings = parsed.readings
    told = []
    for row in np.flatnonzero(judged.reason != Reason.ACCEPTED).tolist():
        why, start_us = Reason(int(judged.reason[row])), int(readings.interval_start_us[row])
        detail = parsed.detail.get(row, _detail(readings, row))
        if judged.keeps_half_hours[row]:
            detail = f"the half-hours are kept without the register: {detail}"
        told.append(
            Rejection(
                row=row,
                received_at_us=int(readings.received_at_us[row]),
                mpxn=int(readings.mpxn[row]),
                interval_start_us=start_us if 0 <= start_us <= INSTANT_MAX_US else 0,
                reason=why,
                detail=detail[:DETAIL_CHARS_MAX],
            )
        )
    return told


def _detail(readings: Readings, row: int) -> str:
    values = ", ".join(map(str, readings.values_wh[row].tolist()))
    start_us = readings.interval_start_us[row]
    return (
        f"from {start_us} us, revision {readings.revision[row]}, register {readings.register_wh[row]} Wh, [{values}] Wh"
    )


# -- rows against what is known, and against each other -----------------------------------------------------------------------


def _differs_from_held(readings: Readings, context: Context, is_register_odd: NDArray[np.bool_]) -> NDArray[np.bool_]:
    is_both: NDArray[np.bool_] = (context.held_wh != MISSING_WH) & (readings.values_wh != MISSING_WH)
    differs: NDArray[np.bool_] = (is_both & (context.held_wh != readings.values_wh)).any(axis=1)
    differs |= context.has_run & (context.run_wh != readings.values_wh).any(axis=1)
    is_held = (context.held_register_wh != UNKNOWN_WH) & ~is_register_odd
    differs |= is_held & (context.held_register_wh != readings.register_wh)
    return differs


def _contradicting(
    readings: Readings, rows: NDArray[np.int64], in_doubt: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Those of `rows` that say otherwise of a half-hour, or of their register, than one before; then those of `in_doubt`.

    Of `in_doubt`, if they are given, the half-hours alone are compared, and only they are returned.
    Only rows that share a half-hour with another one are looked at one by one: a delivery has few.
    """
    values: dict[tuple[int, int, int], int] = {}  # (metering point, revision, half-hour) -> [Wh]
    registers: dict[tuple[int, int, int], int] = {}
    runs: dict[tuple[int, int, int], list[int]] = {}
    doubtful = set() if in_doubt is None else set(in_doubt.tolist())
    both = rows if in_doubt is None else np.concatenate([rows, in_doubt])
    found = []
    for row in _overlapping(readings, both).tolist():
        mpxn, revision, start_us = (
            int(readings.mpxn[row]),
            int(readings.revision[row]),
            int(readings.interval_start_us[row]),
        )
        run, register = readings.values_wh[row].tolist(), int(readings.register_wh[row])
        told = {
            (mpxn, revision, start_us + slot * readings.slot_us): value
            for slot, value in enumerate(run)
            if value != MISSING_WH
        }
        first, end = (mpxn, revision, start_us), (mpxn, revision, int(readings.interval_end_us[row]))
        is_other = runs.get(first, run) != run
        is_other |= row not in doubtful and registers.get(end, register) != register
        if is_other or any(values.get(key, value) != value for key, value in told.items()):
            found.append(row)
            continue
        values |= told
        runs[first] = run
        if row not in doubtful:
            registers[end] = register
    return np.array([row for row in found if in_doubt is None or row in doubtful], np.int64)


def _overlapping(readings: Readings, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of `rows` that share a half-hour, meter and revision with another, in their order: int64[m]."""
    mpxn, revision, start_us = readings.mpxn[rows], readings.revision[rows], readings.interval_start_us[rows]
    order = np.lexsort((start_us, revision, mpxn))
    length_us = max(readings.values_wh.shape[1], 1) * readings.slot_us
    shares = (np.diff(mpxn[order]) == 0) & (np.diff(revision[order]) == 0) & (np.diff(start_us[order]) < length_us)
    is_shared = np.zeros(len(rows), np.bool_)
    is_shared[order[1:][shares]] = True
    is_shared[order[:-1][shares]] = True
    return rows[is_shared]
