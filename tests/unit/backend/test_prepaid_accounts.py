"""What a gateway pays into prepaid accounts: each top-up once, also where it failed between a command's end and its payment."""

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.backend.command_plan import CommandPlan, Payment
from loadtests.backend.prepaid_accounts import PrepaidAccounts
from loadtests.workload.prepayment import opened_us, openings_of
from scenarios.spec import Scenario
from sim.control.plane import commands_of
from sim.estate.lookup import prepaid_homes
from sim.estate.model import EstateModel, build_estate
from store.billing.prepayment import TopUp
from store.commands.machine import End, State
from store.commands.port import Command, CommandId, CommandTables
from store.memory.customers import MemoryCustomers
from store.ports import StoreError
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, GAS


def scenario(pays: str | None = "20") -> Scenario:
    tariff = {"name": "before", "share": 1.0, "rates": {"all": {"electricity": "24.5"}}, "prepayment": {}}
    top_up = {"name": "gas_top_up", "kind": "top_up", "fuel": "gas", "prepayment_only": True, "at_h": 8.0}
    firmware = {"name": "firmware", "kind": "update_firmware", "at_h": 8.0, "fuel": "gas"}
    return Scenario.model_validate(
        {
            "title": "prepaid",
            "estate": {"premises": 6, "fuels": ["electricity", "gas"]},
            "tariffs": [tariff] if pays else [],
            "campaigns": [firmware, top_up | ({"pays_pence": pays} if pays else {})],
            "topology": {
                "dcs": [{"name": "north", "nodes": 1, "rf": 1}, {"name": "south", "nodes": 1, "rf": 1}],
            },
            "run": {"wall_s": 8, "warm_up_s": 0},
        }
    )


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


def plan_of(estate: EstateModel, pays: str | None = "20") -> CommandPlan:
    return CommandPlan(scenario(pays), estate, commands_of(estate.packed))


def tables_of(plan: CommandPlan, ends: dict[CommandId, End]) -> CommandTables:
    """Commands that have ended so."""

    def read(ids: Sequence[CommandId]) -> list[Command | None]:
        return [cast(Command, SimpleNamespace(id=id_, end=ends.get(id_))) for id_ in ids]

    return cast(CommandTables, SimpleNamespace(read=read))


def paid_into(customers: MemoryCustomers) -> list[TopUp]:
    paid = [one for home in range(6) for one in customers.prepayments(home, GAS).top_ups]
    return sorted(paid, key=lambda one: one.at_us)


def test_what_a_top_up_pays_in_has_its_commands_number_and_counts_from_its_acknowledgement(estate: EstateModel) -> None:
    plan = plan_of(estate)
    for id_ in plan.ids():
        wire = plan.simulated(id_)
        payment = plan.payment(id_, plan.start_us + 1_234_567)
        if wire.campaign == 0:
            assert payment is None  # firmware
        else:
            due = TopUp(at_us=plan.start_us + 1_234_000, upence=20_000_000, reference=2)
            assert payment == Payment(wire.meter // 2, GAS, due)
            command = next(one for one in plan.commands if plan.id_of(one) == id_)
            assert plan.request(command).value == 20_000_000


def test_each_is_paid_once_and_what_was_missed_is_made_up(estate: EstateModel) -> None:
    plan, customers = plan_of(estate), MemoryCustomers(SCHEMAS["home_months"])
    top_ups = [id_ for id_ in plan.ids() if plan.payment(id_, 0) is not None]
    ends = {id_: End(State.APPLIED, plan.start_us + at * 1_000_000, 1) for at, id_ in enumerate(top_ups)}
    ends[top_ups[0]] = End(State.EXHAUSTED, plan.start_us, 4)
    del ends[top_ups[1]]  # is open
    accounts = PrepaidAccounts(customers)
    first = plan.payment(top_ups[2], ends[top_ups[2]].at_us)
    assert first is not None
    accounts.pay([first, first])
    accounts.settle(tables_of(plan, ends), plan, threading.Event())
    PrepaidAccounts(customers).settle(
        tables_of(plan, ends), plan, threading.Event()
    )  # another gateway, after a restart
    assert len(top_ups) == 6
    assert paid_into(customers) == [
        TopUp(at_us=plan.start_us + at * 1_000_000, upence=20_000_000, reference=2) for at in range(2, 6)
    ]


def test_a_gateway_that_stops_leaves_the_rest_and_one_that_fails_says_so(estate: EstateModel) -> None:
    plan, customers, stop = plan_of(estate), MemoryCustomers(SCHEMAS["home_months"]), threading.Event()
    ends = {id_: End(State.APPLIED, plan.start_us, 1) for id_ in plan.ids()}
    stop.set()
    PrepaidAccounts(customers).settle(tables_of(plan, ends), plan, stop)
    assert paid_into(customers) == []

    class Failing(MemoryCustomers):
        def top_up(self, premises: int, fuel: int, paid: TopUp) -> None:
            if paid_into(self):
                raise StoreError("record_prepayment timed out")
            super().top_up(premises, fuel, paid)

    failing = Failing(SCHEMAS["home_months"])
    with pytest.raises(StoreError):
        PrepaidAccounts(failing).settle(tables_of(plan, ends), plan, threading.Event())
    assert len(paid_into(failing)) == 1


def test_top_ups_without_a_sum_pay_nothing_in(estate: EstateModel) -> None:
    plan = plan_of(build_estate(scenario(None)), None)
    assert all(plan.payment(id_, 0) is None for id_ in plan.ids())


def test_each_fuel_of_each_prepaid_home_has_an_account_from_the_first_local_day_on(estate: EstateModel) -> None:
    opened = [(home, fuel, one.at_us) for dc in range(2) for home, fuel, one in openings_of(estate, dc)]
    assert sorted(opened) == [
        (home, fuel, opened_us(estate)) for home in prepaid_homes(estate).tolist() for fuel in (ELECTRICITY, GAS)
    ]
    homes = prepaid_homes(estate)
    for dc in range(2):
        its = homes[estate.home_dc_of(homes) == dc].tolist()
        assert sorted({home for home, _, _ in openings_of(estate, dc)}) == its != []
