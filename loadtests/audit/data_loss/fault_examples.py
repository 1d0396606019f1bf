"""Faults named so that a person can go and look: table, meter, half-hour, what is there, what should be, in which DCs. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import numpy as np

from loadtests.audit.data_loss.counting import Example, FactFault
from loadtests.audit.data_loss.expected_rows import audited_columns, cell_text, held_integers, wrong_column
from loadtests.audit.data_loss.fact_classes import FactClass
from loadtests.audit.data_loss.table_scan import NULL, TablePage
from loadtests.recording.ledger import Ledger
from scenarios.calendar import local_text
from scenarios.domain import export_mpan_of
from sim.estate.lookup import meter_of, mpxn_of, split_meter, start_us_of
from sim.estate.model import EstateModel
from store.tables import Table
from store.tariffs import EXPORT, GAS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultExample:
    """One fault, named so that a person can look it up: the row's metering point and the half-hour's start, where it has them."""

    table: str
    dcs: tuple[str, ...]  # in which it was seen
    kind: str
    mpxn: int | None
    slot: int | None
    slot_start: str | None
    slot_minutes: int  # how long a slot is
    time_zone: str  # of the homes
    expected: str
    found: str


def lost_example(estate: EstateModel, table: Table, of: FactClass, example: Example, dc: str) -> FaultExample:
    """An acknowledged fact of which no row was seen."""
    return _named(estate, table, of, example, dc, "an acknowledged reading", "no row")


def row_example(
    estate: EstateModel, ledger: Ledger, table: Table, of: FactClass, example: Example, dc: str, page: TablePage
) -> FaultExample:
    """A fault that a row of a page shows."""
    if example.meter < 0:
        return _stray_row(estate, table, example, dc, page)
    expected, found = "no such row", row_text(table, page, example.row, ZoneInfo(estate.calendar.zone))
    if example.fault is FactFault.WRONG:
        expected, found = wrong_column(estate, ledger, table, page, example.row, example.slot)
    elif example.fault is FactFault.LOST:
        expected = "the row of this half-hour, which was acknowledged after it"
    elif example.fault is FactFault.DUPLICATE:
        expected = "this half-hour in one row only"
    return _named(estate, table, of, example, dc, expected, found)


def together(examples: Iterable[FaultExample]) -> list[FaultExample]:
    """One fault, one example: what several DCs show alike is named once, with all of them."""
    merged: dict[FaultExample, tuple[str, ...]] = {}
    for example in examples:
        fault = replace(example, dcs=())
        merged[fault] = (*merged.get(fault, ()), *(dc for dc in example.dcs if dc not in merged.get(fault, ())))
    return [replace(fault, dcs=dcs) for fault, dcs in merged.items()]


def row_text(table: Table, page: TablePage, row: int, zone: tzinfo) -> str:
    """A row's columns as a person would write them, with instants by the clock of a zone."""
    names = audited_columns(table)
    return ", ".join(f"{name}={cell_text(table, page, row, index, zone)}" for index, name in enumerate(names))


def _named(
    estate: EstateModel, table: Table, of: FactClass, example: Example, dc: str, expected: str, found: str
) -> FaultExample:
    meter = np.array([example.meter])
    mpxn = export_mpan_of(split_meter(estate, meter)[0]) if of.is_export else mpxn_of(estate, meter)
    return FaultExample(
        table=table.name,
        dcs=(dc,),
        kind=example.fault.name.lower(),
        mpxn=int(mpxn[0]),
        slot=example.slot,
        slot_start=_instant(start_us_of(estate) + example.slot * estate.slot_us),
        slot_minutes=estate.slot_us // 60_000_000,
        time_zone=estate.calendar.zone,
        expected=expected,
        found=found,
    )


def _stray_row(estate: EstateModel, table: Table, example: Example, dc: str, page: TablePage) -> FaultExample:
    """A row that no message of the estate writes: named by what it says itself, and by why it can't be."""
    held = {name: int(values[example.row]) for name, values in held_integers(table, page).items()}
    premises, fuel = np.array([held["premises"]]), held["fuel"]
    meter = meter_of(estate, premises, np.array([fuel == GAS]))
    is_known = meter[0] >= 0
    own = (export_mpan_of(premises) if fuel == EXPORT else mpxn_of(estate, meter))[0] if is_known else None
    about = next(name for name in ("interval_start", "through", "read_through") if name in held)
    # what is known by its end is of the slot before
    start_us = (
        NULL if held[about] == NULL else held[about] * 1_000 - (0 if about == "interval_start" else estate.slot_us)
    )
    from_us, until_us = start_us_of(estate), start_us_of(estate) + estate.slot_count * estate.slot_us
    why = "no meter of the estate sends it"
    if not is_known:
        why = f"the estate has no home {held['premises']} with this fuel"
    elif "mpxn" in held and held["mpxn"] != own:
        why = f"the metering point of this home is {own}"
    elif start_us != NULL and not from_us <= start_us < until_us:
        zone = ZoneInfo(estate.calendar.zone)
        why = f"the run is from {local_text(from_us, zone)} to {local_text(until_us, zone)}"
    is_within = is_known and from_us <= start_us < until_us
    return FaultExample(
        table=table.name,
        dcs=(dc,),
        kind=example.fault.name.lower(),
        mpxn=int(own) if own is not None else None,
        slot=(start_us - from_us) // estate.slot_us if is_within else None,
        slot_start=None if start_us == NULL else _instant(start_us),
        slot_minutes=estate.slot_us // 60_000_000,
        time_zone=estate.calendar.zone,
        expected=f"no such row: {why}",
        found=row_text(table, page, example.row, ZoneInfo(estate.calendar.zone)),
    )


def _instant(at_us: int) -> str | None:
    """ISO 8601, or None for an instant that no calendar has."""
    try:
        return (_EPOCH + timedelta(microseconds=at_us)).isoformat()
    except OverflowError:
        return None
