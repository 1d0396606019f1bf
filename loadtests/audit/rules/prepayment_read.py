"""Prepaid accounts read back from each business DC, beside what must be in them by the seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from loadtests.audit.rules.customers import Checked
from loadtests.audit.rules.customers_read import HOMES_MAX, SettledCustomers, SettledDays, sample_text, settled_homes
from loadtests.audit.rules.prepayment import (
    Account,
    AccountKey,
    Row,
    ToldBalance,
    check_balances,
    check_log,
    check_taken,
)
from loadtests.audit.rules.weak_levels import in_doubt, why_hidden
from loadtests.backend.back_office import utc_months_of
from loadtests.backend.command_gateway import plan_of
from loadtests.recording.ledger import Ledger
from loadtests.workload.experiment import Experiment
from loadtests.workload.prepayment import opened_us, openings_of
from loadtests.workload.prices import book_of, price_lists_of
from scenarios.domain import DAY_US, CommandState, Operation
from sim.estate.commands import run_command
from sim.estate.homes import region_index
from sim.estate.lookup import FUEL_CODES, prepaid_homes, start_us_of, tariff_kinds_of, tariff_places_of
from sim.estate.model import EstateModel
from store.billing.energy import BillingViews
from store.billing.prepaid import packed_opening
from store.billing.prepayment import PrepaymentKind, PrepaymentLog
from store.billing.records import Bill
from store.cassandra import CassandraStore
from store.cassandra.session import Statements
from store.commands.port import ATTEMPTS_MAX
from store.customers.desk import Desk
from store.customers.port import OnceRunner
from store.operations import StoreOperation
from store.ports import LogEvent
from store.tariffs import MISSING_WH

SLOTS_COUNTED_MAX = 300_000  # some seconds' work
WRITES = (StoreOperation.RECORD_PREPAYMENT, Operation.INGEST_READING, Operation.INGEST_REVISION)
READS = (StoreOperation.READ_PREPAYMENT, Operation.READ_EVENTS, Operation.READ_INTERVALS_DAY, Operation.READ_BILLS)


def check_prepayment_rules(
    experiment: Experiment, ledger: Ledger, *, progress: Callable[[str], None], is_complete: bool, is_closed: bool
) -> list[Checked]:
    """Every account of a sample of prepaid homes, in each business DC: its log, its balance, and what its bills say.

    is_complete: no top-up was left open; is_closed: nothing stopped the back office. Raises HarnessError, StoreError.
    """
    estate, scenario = experiment.estate, experiment.scenario
    every = prepaid_homes(estate)
    if not len(every):
        return []
    homes_max = max(min(HOMES_MAX, SLOTS_COUNTED_MAX // (3 * estate.slot_count * len(estate.fuels))), 1)
    is_settled, step = settled_homes(estate, ledger), max(len(every) // homes_max, 1)
    homes = [home for home in every[::step].tolist() if is_settled(home)][:homes_max]
    progress(f"audit: the prepaid accounts of {len(homes)} homes, in each data centre")
    zone, prices, slot_us = ZoneInfo(estate.calendar.zone), price_lists_of(estate), estate.slot_us
    end_us = start_us_of(estate) + estate.day_count * DAY_US
    looks_us = (end_us - DAY_US // 2, end_us - 1_000)
    expected = {key: rows for key, rows in expected_rows(experiment).items() if key[0] in set(homes)}
    checks, told = list[Checked](), list[ToldBalance]()
    slots_wh, bills = dict[AccountKey, dict[int, int]](), list[Bill]()
    dc_of = dict(zip(homes, estate.home_dc_of(np.array(homes, np.int64)).tolist(), strict=True))
    kinds = dict(zip(homes, tariff_kinds_of(estate, np.array(homes, np.int64)).tolist(), strict=True))
    fuels = [FUEL_CODES[fuel] for fuel in estate.fuels]
    with ExitStack() as cleanup:
        for number, dc in enumerate(scenario.topology.business_dcs):
            session = cleanup.enter_context(experiment.through(dc.name).session())
            store = CassandraStore(session, experiment.schema, scenario.topology, book_of(estate))
            cleanup.callback(store.close)
            customers = _SettledAccounts(Statements(session, experiment.schema, scenario.topology))
            views = _SettledMonths(store)
            own = [home for home in homes if dc_of[home] == number]
            slots_wh |= {key: of_it for home in own for key, of_it in _slots_of(store, estate, home, fuels).items()}
            bills += [bill for home in own for bill in customers.bills(home)]
            found = {(home, fuel): _rows_of(customers.prepayments(home, fuel)) for home in homes for fuel in fuels}
            checks.append(check_log(expected, found, dc.name, zone, is_complete=is_complete and is_closed))
            for home in homes:
                desk = Desk(customers=customers, views=views, first_tariff=kinds[home], calendar=estate.calendar)
                told += _told_of(desk, home, fuels, looks_us, dc.name)
    accounts = _accounts_of(estate, homes, kinds, slots_wh, expected)
    if is_complete and is_closed:
        checks += [
            check_balances(told, accounts, prices, zone, slot_us),
            check_taken(bills, accounts, prices, zone, slot_us, end_us),  # as which the bills were issued
        ]
    sample = sample_text(len(homes), len(every), "prepaid homes")
    return in_doubt([replace(one, sample=sample) for one in checks], why_hidden(scenario.topology, WRITES, READS))


class _SettledAccounts(SettledCustomers):
    """Accounts into which nobody pays any more: a home's log is read once in each data centre."""

    def __init__(self, runner: OnceRunner) -> None:
        super().__init__(runner)
        self._logs = cache(super()._prepayments)

    def _prepayments(self, premises: int) -> list[Any]:
        return self._logs(premises)


class _SettledMonths(SettledDays):
    """Months that balances are folded from: each is read once, not at each look."""

    def __init__(self, views: BillingViews) -> None:
        super().__init__(views)
        self.intervals_of_month = cache(views.intervals_of_month)


def expected_rows(experiment: Experiment) -> dict[AccountKey, list[Row]]:
    """What must be in the log of each account: its opening, and the payments of top-ups that their meters acknowledged.

    By the seed alone: when which attempt is acknowledged is drawn.
    """
    scenario, estate = experiment.scenario, experiment.estate
    rows: dict[AccountKey, list[Row]] = {}
    p, room = estate.packed, (np.empty(ATTEMPTS_MAX, np.int64), np.empty((ATTEMPTS_MAX, 2), np.int64))
    for dc in range(len(scenario.topology.business_dcs)):
        for home, fuel, opening in openings_of(estate, dc):
            amounts = tuple(packed_opening(opening))
            rows[home, fuel] = [(opening.at_us, int(PrepaymentKind.OPENED), 0, amounts)]
        plan = plan_of(scenario, estate, dc)
        for command in plan.commands:
            id_ = plan.id_of(command)
            if plan.payment(id_, 0) is None:
                continue
            premises = command.meter // p.fuel_count
            end = run_command(p, command.campaign, premises, region_index(p, premises), command.meter, *room)
            payment = plan.payment(id_, plan.start_us + int(end.ended_us))
            if CommandState(end.state) is CommandState.APPLIED and payment is not None:
                paid = payment.paid
                row = paid.at_us, int(PrepaymentKind.PAID), paid.reference, (paid.upence,)
                rows[payment.premises, payment.fuel].append(row)
    return rows


def _rows_of(log: PrepaymentLog) -> list[Row]:
    opened = [(one.at_us, int(PrepaymentKind.OPENED), 0, tuple(packed_opening(one))) for one in log.openings]
    opened += [(at_us, int(PrepaymentKind.CLOSED), 0, ()) for at_us in log.closed_us]
    return opened + [(one.at_us, int(PrepaymentKind.PAID), one.reference, (one.upence,)) for one in log.top_ups]


def _slots_of(
    store: CassandraStore, estate: EstateModel, home: int, fuels: Sequence[int]
) -> dict[AccountKey, dict[int, int]]:
    """The home's slots by its log, each as its highest revision has it: fuel by fuel, start of the slot -> Wh."""
    found: dict[AccountKey, dict[int, int]] = {(home, fuel): {} for fuel in fuels}
    events = [event for month in utc_months_of(estate) for event in store.events(home, month)]
    for event in sorted(events, key=lambda one: one.revision):
        if event.fuel in fuels:
            found[home, event.fuel] |= dict(_known(event, estate.slot_us))
    return found


def _known(event: LogEvent, slot_us: int) -> Iterator[tuple[int, int]]:
    for at, wh in enumerate(event.values_wh):
        if wh != MISSING_WH:
            yield event.interval_start_us + at * slot_us, wh


def _told_of(desk: Desk, home: int, fuels: Sequence[int], looks_us: Sequence[int], dc: str) -> Iterator[ToldBalance]:
    """What a home's display shows, and its balance at the last look."""
    for at_us in looks_us:
        for shown in desk.display(home, fuels, at_us):
            yield ToldBalance(
                premises=home,
                fuel=shown.fuel,
                at_us=at_us,
                credit_upence=shown.credit_upence,
                debt_upence=shown.debt_upence,
                is_supplied=shown.is_supplied,
                where=f"on its display in {dc}",
            )
    for fuel in fuels:
        if desk.customers.prepayments(home, fuel).openings:
            held = desk.prepaid_balance(home, fuel, looks_us[-1])
            yield ToldBalance(
                premises=home,
                fuel=fuel,
                at_us=looks_us[-1],
                credit_upence=held.credit_upence,
                debt_upence=held.debt_upence,
                is_supplied=held.is_supplied,
                where=f"its balance in {dc}",
            )


def _accounts_of(
    estate: EstateModel,
    homes: Sequence[int],
    kinds: Mapping[int, int],
    slots_wh: Mapping[AccountKey, Mapping[int, int]],
    expected: Mapping[AccountKey, Sequence[Row]],
) -> dict[AccountKey, Account]:
    places = dict(zip(homes, tariff_places_of(estate, np.array(homes, np.int64)).tolist(), strict=True))
    accounts = {}
    for (home, fuel), rows in expected.items():
        plan = estate.prepayment[places[home]]
        assert plan is not None, "a home that is not prepaid"
        accounts[home, fuel] = Account(
            premises=home,
            fuel=fuel,
            tariff=kinds[home],
            plan=plan,
            opened_us=opened_us(estate),
            payments=sorted((at_us, amounts[0]) for at_us, kind, _, amounts in rows if kind),
            slots_wh=slots_wh[home, fuel],
        )
    return accounts
