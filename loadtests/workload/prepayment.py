"""Prepaid accounts of the estate, as a run opens them: one for each fuel of each home on a prepaid tariff."""

from collections.abc import Iterator

import numpy as np

from scenarios.tariffs.prepayment import PrepaymentPlan
from sim.estate.lookup import FUEL_CODES, prepaid_homes, start_us_of, tariff_places_of
from sim.estate.model import EstateModel
from store.billing.prepayment import FriendlyHours, Opening, PrepaymentTerms, RecoveryPeriod
from store.columns import Integers


def opened_us(estate: EstateModel) -> int:
    """When accounts are opened: with the local day in which the scenario begins [us since the Unix epoch]."""
    return estate.calendar.day_start_us(estate.calendar.day_of(start_us_of(estate)))


def openings_of(estate: EstateModel, dc: int) -> Iterator[tuple[int, int, Opening]]:
    """(premises, fuel code, opening) of each account of a business DC's homes, an index into the estate's."""
    homes = homes_of(estate, dc)
    of_tariff = [
        None if plan is None else opening_of(plan, tariff.holidays, opened_us(estate))
        for plan, tariff in zip(estate.prepayment, estate.tariffs, strict=True)
    ]
    for home, place in zip(homes.tolist(), tariff_places_of(estate, homes).tolist(), strict=True):
        opening = of_tariff[place]
        assert opening is not None, "a home that is not prepaid"
        for fuel in estate.fuels:
            yield home, FUEL_CODES[fuel], opening


def homes_of(estate: EstateModel, dc: int) -> Integers:
    """The prepaid homes of a business DC: int64[n], ascending."""
    homes = prepaid_homes(estate)
    its: Integers = homes[np.flatnonzero(estate.home_dc_of(homes) == dc)]
    return its


def opening_of(plan: PrepaymentPlan, holidays: tuple[int, ...], at_us: int) -> Opening:
    """The account of a fuel, as the store opens it at an instant [us since the Unix epoch]. holidays: days since 1970."""
    return Opening(
        at_us=at_us,
        terms=PrepaymentTerms(
            emergency_upence=plan.emergency_upence,
            recovery_upence=plan.recovery_upence,
            recovered_each=RecoveryPeriod.WEEK if plan.is_recovered_weekly else RecoveryPeriod.DAY,
            friendly=tuple(
                FriendlyHours(first_slot=one.first_slot, end_slot=one.end_slot, days=one.days) for one in plan.friendly
            ),
            holidays=holidays,
        ),
        credit_upence=plan.credit_upence,
        debt_upence=plan.debt_upence,
    )
