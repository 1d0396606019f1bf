"""A DC that is behind holds a day's old fold: it was called wrong at once, without the time that what is missing gets."""

from typing import Any

from loadtests.recording.ledger import Ledger
from sim.estate.model import EstateModel
from tests.unit.audit.test_whole_audit import Held, Session, audited, estate, slept, whole

__all__ = ["estate", "slept", "whole"]  # fixtures


def with_old_fold(held: Held) -> Held:
    """The first day of the usage view is as it was before it was folded anew: of as many half-hours, with another sum."""
    first: dict[str, Any] = dict(held["usage_by_fuel"][0])
    first["usage_wh"] -= 1
    return held | {"usage_by_fuel": [first, *held["usage_by_fuel"][1:]]}


def test_a_dc_whose_view_is_behind_is_waited_for(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]
) -> None:
    held, ledger = whole
    south = Session(with_old_fold(held), held)
    report = audited(estate, ledger, north=Session(held), south=south, settle_s=10.0)
    assert report.totals.wrong == 0 and report.totals.verified == report.totals.acknowledged
    assert report.per_dc["south"].settled_s == 3.0


def test_a_view_that_stays_wrong_is_wrong(estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]) -> None:
    held, ledger = whole
    report = audited(estate, ledger, north=Session(held), south=Session(with_old_fold(held)), settle_s=7.0)
    assert (report.totals.wrong, report.per_dc["south"].wrong, report.totals.lost) == (1, 1, 0)
