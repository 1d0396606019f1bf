"""A bill as its customer gets it: in whole pence, with VAT. Pure, integers only.

A bill itself is in millionths of a penny. Where it becomes whole pence, and what becomes of half a penny, is a rule of each
tariff, as is its rate of VAT; both are those of the price list that a line names, so that another rate of VAT, or another rule,
comes into force with a new list and leaves what was billed before as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.tariffs import Half, RoundedAt, Tariff
from store.billing.records import ALL_RATES, OF_ENERGY, Bill, Line
from store.tariffs import PriceList, list_of_version

UPENCE_A_PENNY = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedLine:
    """A line as its customer reads it: what was used, at which price, and what that comes to.

    What is used times its price is the cost but for the rounding of each half-hour to a millionth of a penny.
    """

    line: Line
    rate_name: str | None  # of energy at one price; where all rates cost the same, the tariff's
    block: int  # 0: the first, or a tariff without blocks
    wh: int
    npence_per_wh: int | None  # None: the line has several prices, or none
    price_count: int  # how many prices it has: of a series those of its day, which the price list tells; 0: none
    cost_upence: int
    pence: int  # before VAT, as printed; where a bill is rounded at its total these need not add up to it, and costs do


@dataclass(frozen=True, slots=True, kw_only=True)
class VatGroup:
    """The lines of a bill with one rate of VAT and one rule of rounding."""

    vat_permille: int
    rounded_at: RoundedAt
    half: Half
    lines: tuple[PrintedLine, ...]
    net_pence: int
    vat_pence: int

    @property
    def rounding_upence(self) -> int:
        """What rounding to whole pence added to the costs of the lines: with it they come to `net_pence` exactly."""
        return self.net_pence * UPENCE_A_PENNY - sum(line.cost_upence for line in self.lines)

    @property
    def gross_pence(self) -> int:
        return self.net_pence + self.vat_pence


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A bill in whole pence."""

    bill: Bill
    groups: tuple[VatGroup, ...]

    @property
    def net_pence(self) -> int:
        return sum(group.net_pence for group in self.groups)

    @property
    def vat_pence(self) -> int:
        return sum(group.vat_pence for group in self.groups)

    @property
    def gross_pence(self) -> int:
        """What the customer pays; below zero: is paid."""
        return self.net_pence + self.vat_pence


def invoice(bill: Bill, prices: Sequence[PriceList]) -> Invoice:
    """The bill with VAT, by the tariffs that its lines name. Raises Refused for a price list or tariff that there is not."""
    groups: dict[tuple[int, RoundedAt, Half], list[PrintedLine]] = {}
    for line in bill.lines:
        plan = list_of_version(prices, line.tariff_version).plan(line.tariff)
        groups.setdefault(_rule(plan), []).append(_printed(line, plan))
    return Invoice(bill=bill, groups=tuple(_group(*rule, lines) for rule, lines in sorted(groups.items())))


def _rule(plan: Tariff) -> tuple[int, RoundedAt, Half]:
    return plan.vat_permille, plan.rounded_at, plan.half


def _printed(line: Line, plan: Tariff) -> PrintedLine:
    has_price = line.rate != ALL_RATES
    prices = {plan.prices_of(rate, line.fuel) for rate in range(len(plan.rates))}
    name = plan.name if len(prices) == 1 else plan.rates[line.rate].name
    return PrintedLine(
        line=line,
        rate_name=name if has_price else None,
        block=line.block,
        wh=line.low_wh + line.standard_wh + line.peak_wh,
        npence_per_wh=plan.prices_of(line.rate, line.fuel)[line.block] if has_price else None,
        price_count=1 if has_price else len({one for each in prices for one in each}) if line.kind in OF_ENERGY else 0,
        cost_upence=line.cost_upence,
        pence=_rounded(line.cost_upence, UPENCE_A_PENNY, plan.half),
    )


def _group(vat_permille: int, rounded_at: RoundedAt, half: Half, lines: Sequence[PrintedLine]) -> VatGroup:
    if rounded_at is RoundedAt.LINE:
        net = sum(line.pence for line in lines)
        vat = _rounded(net * vat_permille, 1_000, half)
    else:
        exact = sum(line.cost_upence for line in lines)
        net = _rounded(exact, UPENCE_A_PENNY, half)
        vat = _rounded(exact * (1_000 + vat_permille), UPENCE_A_PENNY * 1_000, half) - net
    return VatGroup(
        vat_permille=vat_permille,
        rounded_at=rounded_at,
        half=half,
        lines=tuple(lines),
        net_pence=net,
        vat_pence=vat,
    )


def _rounded(parts: int, of: int, half: Half) -> int:
    """parts / of as the nearest whole number."""
    whole, rest = divmod(abs(parts), of)
    is_up = 2 * rest > of or (2 * rest == of and (half is Half.UP or whole % 2 == 1))
    rounded = whole + is_up
    return rounded if parts >= 0 else -rounded
