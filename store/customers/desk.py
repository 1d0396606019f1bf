"""What needs the customers' tables and the readings' views together: a display's answer, and a bill issued.

Each takes the steps in an order that a crash between any two of them leaves right: nothing is written but the bill itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scenarios.domain import DAY_US, ReadSchedule, TariffKind
from store.customers.bills import Charges, display, make_bill, months_to_adjust
from store.customers.port import Bill, CustomerStore, FuelDisplay
from store.customers.preferences import schedule_in_force, tariff_in_force
from store.ports import DayBill
from store.rejections import Refused


class BillingViews(Protocol):
    """The part of `store.ports.ReadingStore` that is billed from."""

    def billing(self, premises: int, month: int) -> list[DayBill]: ...
    def today(self, premises: int, day_start_us: int) -> list[DayBill]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Customers' questions about one home. `first_tariff` and `first_schedule` are of homes that have chosen nothing."""

    customers: CustomerStore
    views: BillingViews
    first_tariff: TariffKind = TariffKind.FLAT
    first_schedule: ReadSchedule = ReadSchedule.HALF_HOURLY  # the default in Great Britain since November 2022

    def schedule(self, premises: int, instant_us: int) -> ReadSchedule:
        """By which schedule a home is read at an instant [us since the Unix epoch]. Raises StoreError."""
        return schedule_in_force(self.customers.preferences(premises), instant_us, self.first_schedule)

    def tariff(self, premises: int, instant_us: int) -> TariffKind:
        """The kind of tariff that a home is on at an instant [us since the Unix epoch]. Raises StoreError."""
        return tariff_in_force(self.customers.preferences(premises), instant_us, self.first_tariff)

    def display(self, premises: int, fuels: Sequence[int], now_us: int) -> tuple[FuelDisplay, ...]:
        """What the home's display shows now. Raises StoreError; Refused before the first price list is in force."""
        today = self.views.today(premises, now_us // DAY_US * DAY_US)
        tariff = self.tariff(premises, now_us)
        return display(self.customers.price_lists(), tariff, today, fuels, now_us)

    def issue_bill(
        self, *, premises: int, month: int, number: int, supplied: Mapping[int, range], issued_us: int
    ) -> Bill:
        """Issue bill `number` of a home, for a month (yyyymm); the bill that stands, when it was issued already.

        supplied: fuel code -> days of the month that a standing charge is due for. Raises StoreError: whether the bill was
        issued is then in doubt, and asking again tells; Refused for a number of another month's bill or one left out.
        """
        earlier = self.customers.bills(premises)
        if number > len(earlier) + 1:
            raise Refused(f"bill {number} of home {premises}: {len(earlier) + 1} is next")
        if number <= len(earlier):
            return _of_month(earlier[number - 1], month)
        history = self.customers.preferences(premises)
        charges = Charges(
            months={one: self.views.billing(premises, one) for one in {month, *months_to_adjust(earlier, month)}},
            prices=self.customers.price_lists(),
            tariff_on=lambda day_start_us: tariff_in_force(history, day_start_us, self.first_tariff),
            supplied=supplied,
        )
        bill = make_bill(charges, earlier, premises=premises, month=month, issued_us=issued_us)
        return _of_month(self.customers.issue(bill), month)


def _of_month(bill: Bill, month: int) -> Bill:
    if bill.month != month:
        raise Refused(
            f"bill {bill.number} of home {bill.premises} is for {bill.month}, not {month}: take the next number"
        )
    return bill
