"""Prepayment as a property of a tariff: on what terms its homes pay before they use, and what a campaign's top-ups pay in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import ConfigDict, Field

from scenarios.domain import SLOTS_PER_DAY, CommandKind
from scenarios.parts.base import Part
from scenarios.parts.estate import Campaign, Estate
from scenarios.tariffs.model import DAY_NAMES, STANDING_UPENCE_MAX, TariffError, kinds_of_days, slot_of, upence_of

FRIENDLY_MAX = 20  # spans of friendly hours
SUM_UPENCE_MAX = 1_000_000_000_000  # ten thousand pounds: what is beyond was written in another unit

Price = str


@dataclass(frozen=True, slots=True, kw_only=True)
class FriendlySpan:
    """Half-hours of the clock on the wall in which supply goes on: up to `end_slot`, past midnight where that is smaller."""

    first_slot: int  # 0 .. 47
    end_slot: int  # 1 .. 48
    days: tuple[int, ...]  # kinds of days, indices into DAY_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaymentPlan:
    """On what terms the homes of a tariff pay before they use, and what each of their accounts begins with [upence]."""

    emergency_upence: int
    recovery_upence: int
    is_recovered_weekly: bool  # on Mondays; else each day
    friendly: tuple[FriendlySpan, ...]
    credit_upence: int  # of each fuel, as the scenario begins
    debt_upence: int


class FriendlySpec(Part):
    """Hours in which supply does not stop by itself."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    from_: str = Field(alias="from", description="a half-hour by the clock on the wall, 18:00 say")
    to: str = Field(description="where they end: an earlier time than `from` is past midnight")
    days: tuple[str, ...] = Field(default=DAY_NAMES, min_length=1, max_length=len(DAY_NAMES))


class PrepaymentSpec(Part):
    """A tariff's homes pay before they use: the terms of each fuel's account, and what it begins with."""

    emergency_pence: Price = Field(default="0", description="what may be used beyond the credit")
    recovered_pence: Price = Field(default="0", description="an instalment of the debt")
    recovered_each: Literal["day", "week"] = Field(default="week", description="when one is due; a week: on Mondays")
    friendly: tuple[FriendlySpec, ...] = Field(default=(), max_length=FRIENDLY_MAX)
    credit_pence: Price = Field(default="0", description="of each fuel, as the scenario begins")
    debt_pence: Price = Field(default="0", description="of each fuel, as the scenario begins")

    def plan(self, where: str) -> PrepaymentPlan:
        """Raises TariffError, naming `where`."""
        where = f"{where}, prepayment"
        return PrepaymentPlan(
            emergency_upence=_sum(self.emergency_pence, f"{where}.emergency_pence", STANDING_UPENCE_MAX),
            recovery_upence=_sum(self.recovered_pence, f"{where}.recovered_pence", STANDING_UPENCE_MAX),
            is_recovered_weekly=self.recovered_each == "week",
            friendly=tuple(_friendly(one, f"{where}.friendly {at}") for at, one in enumerate(self.friendly, 1)),
            credit_upence=_sum(self.credit_pence, f"{where}.credit_pence", SUM_UPENCE_MAX),
            debt_upence=_sum(self.debt_pence, f"{where}.debt_pence", SUM_UPENCE_MAX),
        )


def _friendly(spec: FriendlySpec, where: str) -> FriendlySpan:
    first = slot_of(spec.from_, f"{where}, from") % SLOTS_PER_DAY
    end = slot_of(spec.to, f"{where}, to") or SLOTS_PER_DAY
    if first == end:
        raise TariffError(f"{where}: from {spec.from_} to {spec.to} is no time; the whole day is from 00:00 to 24:00")
    return FriendlySpan(first_slot=first, end_slot=end, days=kinds_of_days(spec.days, f"{where}, days"))


def _sum(text: str, where: str, most_upence: int) -> int:
    upence = upence_of(text, where)
    if not 0 <= upence <= most_upence:
        raise TariffError(f"{where}: {text} p: 0 .. {most_upence // 1_000_000} p are possible")
    return upence


class Sold(Protocol):
    """What is asked of a tariff here."""

    @property
    def prepayment(self) -> PrepaymentSpec | None: ...


def require_prepayment(
    tariffs: Iterable[Sold], estate: Estate, campaigns: Iterable[Campaign], *, has_back_office: bool
) -> None:
    """Raises ValueError for prepaid homes that are named twice or served by nobody, and for sums that no account takes."""
    has_accounts = any(one.prepayment is not None for one in tariffs)
    if has_accounts and estate.prepayment != Estate.model_fields["prepayment"].default:
        raise ValueError(
            "estate.prepayment is the share of homes without accounts that pay before they use: with a prepayment tariff leave "
            "it out, its share says which homes do"
        )
    if has_accounts and not has_back_office:
        raise ValueError("a prepayment tariff needs run.back_office = true: the back office opens its accounts")
    for campaign in campaigns:
        if campaign.pays_pence is None:
            if has_accounts and campaign.kind is CommandKind.TOP_UP:
                raise ValueError(
                    f"campaign '{campaign.name}' tops accounts up: with a prepayment tariff say pays_pence, what each pays in"
                )
            continue
        if campaign.kind is not CommandKind.TOP_UP or not campaign.prepayment_only or not has_accounts:
            raise ValueError(
                f"campaign '{campaign.name}': pays_pence goes with kind = \"top_up\", prepayment_only = true and a tariff with "
                "prepayment, whose accounts are paid into"
            )
        top_up_upence(campaign)


def top_up_upence(campaign: Campaign) -> int | None:
    """What each command of a campaign pays in; None: it names no sum. Raises TariffError."""
    if campaign.pays_pence is None:
        return None
    where = f"campaign '{campaign.name}', pays_pence"
    upence = upence_of(campaign.pays_pence, where)
    if not 0 < upence <= SUM_UPENCE_MAX:
        raise TariffError(
            f"{where}: {campaign.pays_pence} p: above 0 and up to {SUM_UPENCE_MAX // 1_000_000} p are possible"
        )
    return upence
