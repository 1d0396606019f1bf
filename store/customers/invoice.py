"""A bill as its customer gets it: in whole pence, with VAT. Pure, integers only.

A bill itself is in millionths of a penny. Where it becomes whole pence, and what becomes of half a penny, is a rule of each
tariff, as is its rate of VAT; both are those of the price list that a line names, so that another rate of VAT, or another rule,
comes into force with a new list and leaves what was billed before as it was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scenarios.tariffs import Half, RoundedAt, Tariff
from store.customers.port import Bill, Line
from store.tariffs import PriceList, list_of_version

UPENCE_A_PENNY = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VatGroup:
    """The lines of a bill with one rate of VAT and one rule of rounding."""

    vat_permille: int
    rounded_at: RoundedAt
    half: Half
    lines: tuple[Line, ...]
    line_pence: tuple[int, ...]  # of each line, before VAT, as printed; under TOTAL they need not add up to net_pence
    net_pence: int
    vat_pence: int

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
    groups: dict[tuple[int, RoundedAt, Half], list[Line]] = {}
    for line in bill.lines:
        plan = list_of_version(prices, line.tariff_version).plan(line.tariff)
        groups.setdefault(_rule(plan), []).append(line)
    return Invoice(bill=bill, groups=tuple(_group(*rule, lines) for rule, lines in sorted(groups.items())))


def _rule(plan: Tariff) -> tuple[int, RoundedAt, Half]:
    return plan.vat_permille, plan.rounded_at, plan.half


def _group(vat_permille: int, rounded_at: RoundedAt, half: Half, lines: Iterable[Line]) -> VatGroup:
    held = tuple(lines)
    line_pence = tuple(_rounded(line.cost_upence, UPENCE_A_PENNY, half) for line in held)
    if rounded_at is RoundedAt.LINE:
        net = sum(line_pence)
        vat = _rounded(net * vat_permille, 1_000, half)
    else:
        exact = sum(line.cost_upence for line in held)
        net = _rounded(exact, UPENCE_A_PENNY, half)
        vat = _rounded(exact * (1_000 + vat_permille), UPENCE_A_PENNY * 1_000, half) - net
    return VatGroup(
        vat_permille=vat_permille,
        rounded_at=rounded_at,
        half=half,
        lines=held,
        line_pence=line_pence,
        net_pence=net,
        vat_pence=vat,
    )


def _rounded(parts: int, of: int, half: Half) -> int:
    """parts / of as the nearest whole number."""
    whole, rest = divmod(abs(parts), of)
    is_up = 2 * rest > of or (2 * rest == of and (half is Half.UP or whole % 2 == 1))
    rounded = whole + is_up
    return rounded if parts >= 0 else -rounded
