"""Prepayment in a scenario: what it says, and what is refused before anything starts."""

import re
from dataclasses import replace
from typing import Any

import pytest

from scenarios.spec import Scenario, ScenarioError, parse_scenario
from scenarios.tariffs import TariffError
from scenarios.tariffs.file import TariffSpec
from scenarios.tariffs.prepayment import FriendlySpan, PrepaymentPlan, top_up_upence
from scenarios.tariffs.text import tariffs_of, tariffs_text

PREPAYMENT: dict[str, Any] = {
    "emergency_pence": "500",
    "recovered_pence": "350.25",
    "recovered_each": "day",
    "friendly": [{"from": "18:00", "to": "10:00"}, {"from": "00:00", "to": "24:00", "days": ["weekend", "holiday"]}],
    "credit_pence": "1000",
    "debt_pence": "12000",
}
SOLD: dict[str, Any] = {
    "name": "pay as you go",
    "share": 1.0,
    "rates": {"all": {"electricity": "27.4159"}},
    "prepayment": PREPAYMENT,
}


def scenario_text(*, tariff: str = "prepayment = {}", estate: str = "", campaign: str = "", run: str = "") -> str:
    campaigns = f'[[campaigns]]\nname = "top_up"\nat_h = 8.0\n{campaign}\n' if campaign else ""
    return f"""
title = "Prepaid"
[estate]
premises = 10
{estate}
[[tariffs]]
name = "pay as you go"
share = 1.0
rates.all.electricity = "27.4159"
{tariff}
{campaigns}
[topology]
dcs = [{{ name = "one", nodes = 1, rf = 1 }}]
[run]
wall_s = 10
{run}
"""


def test_a_tariff_says_on_what_terms_its_homes_pay_before() -> None:
    spec = TariffSpec.model_validate(SOLD)
    assert spec.prepayment_plan() == PrepaymentPlan(
        emergency_upence=500_000_000,
        recovery_upence=350_250_000,
        is_recovered_weekly=False,
        friendly=(
            FriendlySpan(first_slot=36, end_slot=20, days=tuple(range(8))),
            FriendlySpan(first_slot=0, end_slot=48, days=(5, 6, 7)),
        ),
        credit_upence=1_000_000_000,
        debt_upence=12_000_000_000,
    )
    held = spec.tariff()
    assert held.is_prepaid and tariffs_of(tariffs_text([held])) == (held,)
    credit = TariffSpec.model_validate({**SOLD, "prepayment": None})
    assert credit.prepayment_plan() is None and not credit.tariff().is_prepaid
    assert "prepaid" not in tariffs_text([credit.tariff()])  # price lists of before are as they were


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vat_percent": "5"}, "give prices with VAT in them"),
        ({"demand": {"pence_per_kw_day": "13.7"}}, "no charge for demand"),
        ({"rounded_at": "line"}, "leave rounded_at at total"),
        (
            {"prepayment": {"emergency_pence": "2000.01"}},
            r"prepayment\.emergency_pence: 2000.01 p: 0 .. 2000 p are possible",
        ),
        ({"prepayment": {"recovered_pence": "-1"}}, r"prepayment\.recovered_pence: -1 p"),
        ({"prepayment": {"debt_pence": "1000000.01"}}, r"prepayment\.debt_pence: 1000000.01 p"),
        ({"prepayment": {"credit_pence": "1.0000001"}}, "has more than 6 decimals"),
        (
            {"prepayment": {"friendly": [{"from": "10:00", "to": "10:00"}]}},
            "friendly 1: from 10:00 to 10:00 is no time",
        ),
        ({"prepayment": {"friendly": [{"from": "10:15", "to": "11:00"}]}}, "friendly 1, from: '10:15' is no half-hour"),
        (
            {"prepayment": {"friendly": [{"from": "10:00", "to": "11:00", "days": ["sunday"]}]}},
            "there is no day 'sunday'",
        ),
        ({"prepayment": {"recovered_each": "month"}}, "Input should be 'day' or 'week'"),
    ],
)
def test_terms_that_can_not_be_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TariffSpec.model_validate({**SOLD, **change})


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"estate": "prepayment = 0.4"}, "estate.prepayment is the share of homes without accounts"),
        ({"run": "back_office = false"}, "a prepayment tariff needs run.back_office = true"),
        ({"campaign": 'kind = "top_up"\nprepayment_only = true'}, "with a prepayment tariff say pays_pence"),
        ({"campaign": 'kind = "top_up"\npays_pence = "10"'}, "pays_pence goes with"),
        ({"campaign": 'kind = "update_price"\nprepayment_only = true\npays_pence = "10"'}, "pays_pence goes with"),
        (
            {"tariff": "", "campaign": 'kind = "top_up"\nprepayment_only = true\npays_pence = "10"'},
            "pays_pence goes with",
        ),
        (
            {"campaign": 'kind = "top_up"\nprepayment_only = true\npays_pence = "0"'},
            "campaign 'top_up', pays_pence: 0 p: above 0",
        ),
        ({"campaign": 'kind = "top_up"\nprepayment_only = true\npays_pence = "ten"'}, "'ten' is no number of pence"),
    ],
)
def test_accounts_that_nobody_could_keep_are_refused(parts: dict[str, str], told: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(told)):
        parse_scenario(scenario_text(**parts), "prepaid")


def test_a_resolved_scenario_is_read_again_as_it_was() -> None:
    text = scenario_text(campaign='kind = "top_up"\nprepayment_only = true\npays_pence = "12.5"')
    scenario: Scenario = parse_scenario(text, "prepaid")
    assert Scenario.model_validate(scenario.model_dump(mode="json", exclude_none=True)) == scenario
    assert top_up_upence(scenario.campaigns[0]) == 12_500_000


def test_a_top_up_without_a_sum_stays_a_command_alone() -> None:
    text = scenario_text(tariff="", estate="prepayment = 0.4", campaign='kind = "top_up"\nprepayment_only = true')
    assert top_up_upence(parse_scenario(text, "prepaid").campaigns[0]) is None


def test_the_tariff_itself_refuses_what_no_account_could_take() -> None:
    with pytest.raises(TariffError, match="vat_percent = 0"):
        replace(TariffSpec.model_validate(SOLD).tariff(), vat_permille=200)
