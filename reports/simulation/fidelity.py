"""The fidelity table in words, for the terminal and the page. Pure."""

from typing import NamedTuple

from reports.results.simulation import FidelityRow
from scenarios.texts import wording


class FidelityLine(NamedTuple):
    """One published figure. `why_not` is empty where the simulation is near enough."""

    figure: str
    unit: str
    simulated: str
    published: str
    deviation: str
    source: str
    date: str
    why_not: str
    is_within: bool


NO_REASON = "no reason is given"


def fidelity_lines(rows: tuple[FidelityRow, ...]) -> list[FidelityLine]:
    """Each row in words."""
    return [_line(row) for row in rows]


def fidelity_told(rows: tuple[FidelityRow, ...]) -> str:
    """'7 of 9 published figures are within 5 %; each other one has its reason.'"""
    within = sum(row.is_within for row in rows)
    figures = wording.counted(len(rows), "published figure")
    told = f"{within} of {figures} {'is' if within == 1 else 'are'} within 5 %"
    without = sum(not row.is_within and row.why_not is None for row in rows)
    if without:
        return f"{told}; {wording.counted(without, 'other')} without a reason."
    return f"{told}." if within == len(rows) else f"{told}; each other one has its reason."


def _line(row: FidelityRow) -> FidelityLine:
    return FidelityLine(
        figure=row.figure.replace("_", " "),
        unit="" if row.unit == "share" else row.unit,
        simulated=wording.NO_FIGURE if row.simulated is None else _value(row.simulated, row.unit),
        published=_value(row.published, row.unit),
        deviation=wording.NO_FIGURE if row.deviation is None else _deviation(row.deviation),
        source=row.source,
        date=row.date,
        why_not="" if row.is_within else row.why_not or NO_REASON,
        is_within=row.is_within,
    )


def _value(value: float, unit: str) -> str:
    if unit == "share":
        return wording.percent(value)
    return f"{value:,.0f}" if value >= 1_000 else wording.significant(value)


def _deviation(share: float) -> str:
    """To a tenth of a per cent: the table is about 5 %."""
    sign = "+" if share > 0 else "−" if share < 0 else ""
    return f"{sign}{abs(share):.1%}".replace("%", " %")
