"""Scenario files: what ships is sound, what is wrong is named, and the docs know every field."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from scenarios.domain import (
    RUN_OPERATIONS,
    ConsistencyLevel,
    Operation,
    export_mpan_of,
    mpan_of,
    mprn_of,
    premises_of_mpxn,
)
from scenarios.operations import GATEWAY_OPERATIONS, measured_operations_of
from scenarios.spec import Scenario, ScenarioError, load_scenario, parse_scenario

ROOT = Path(__file__).parents[3]
MINIMAL = """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 3, rf = 2 }]
[run]
wall_s = 60
"""
IN_BRAZIL = 'time_zone = "America/Sao_Paulo"\n[topology]'  # its last summer time ended in February 2019


@pytest.mark.parametrize(
    "path",
    sorted([*(ROOT / "scenarios").glob("*.toml"), *(ROOT / "scenarios" / "faults").glob("*.toml")]),
    ids=lambda path: path.stem,
)
def test_a_shipped_scenario_is_sound_and_says_what_it_asks(path: Path) -> None:
    scenario = load_scenario(path)
    assert path.read_text().startswith("# Question: ")
    assert scenario.question and scenario.slo
    assert f"| `{path.stem}` |" in (ROOT / "docs" / "scenarios.md").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[estate]", "[estate]\ncolour = 3"), "small: estate.colour: unknown field"),
        (("premises = 10", "premises = -1"), "small: estate.premises = -1: Input should be greater than or equal to 1"),
        (
            ("premises = 10", "premises = 1_000_000_000"),
            "estate.premises = 1000000000: .* less than or equal to 60000000",
        ),
        (("premises = 10", "premises = 'many'"), "estate.premises = 'many'"),
        (
            ("premises = 10", 'premises = 10\ntime_zone = "Europe/Londn"'),
            "small: estate.time_zone: unknown time zone 'Europe/Londn'",
        ),
        (
            (MINIMAL, MINIMAL.replace("[topology]", IN_BRAZIL) + "start = 2018-12-01\ndays = 60"),
            "America/Sao_Paulo changed its rules between 2018 and 2019",
        ),
        (("[run]", "[run]\nstart = 2099-12-20\ndays = 30"), "Europe/London: no rules are known after 2099"),
        (("rf = 2", "rf = 4"), "rf 4 needs at least 4 nodes in DC 'north', which has 3"),
        (("[run]", "[topology.consistency]\ndefault = 'THREE'\n[run]"), "'default' = THREE needs 3 replicas, .* has 2"),
        (("[run]", "[topology.consistency]\ndefault = 'MOST'\n[run]"), "topology.consistency.default = 'MOST'"),
        (("[run]", "[topology.consistency]\noperations = { sing = 'ONE' }\n[run]"), "sing"),
        (('name = "north"', 'name = "north", role = "analytics"'), "at least one DC must have role 'business'"),
        (("[topology]", "[estate.read_schedules]\ndaily = 0.7\n[topology]"), "must add up to 1, not 0.7"),
        (("wall_s = 60", "wall_s = 60\nwarm_up_s = 60"), "warm_up_s 60 must be less than run.wall_s 60"),
        (("wall_s = 60", "wall_s = inf"), "run.wall_s"),
        (("wall_s = 60", ""), "run.wall_s: is missing"),
        (("premises = 10", 'premises = "10"'), "estate.premises = '10': .* valid integer"),
        (("wall_s = 60", "wall_s = 60\nstart = 9999-12-31"), "run.start"),
        (("[run]", "[run"), "small: not valid TOML"),
        (
            (
                "[run]",
                "[traffic]\nstate_per_premises_day = 0\n[[slo]]\noperation = 'read_state'\nresponse_ms_max = 5\n[run]",
            ),
            "slo names read_state, which this scenario never sends; it sends ingest_reading, read_usage_month",
        ),
        (("wall_s = 60", "wall_s = 60\nreplay_from_h = 48.0"), "replay_from_h 48 is beyond the end of the span, 27 h"),
        (
            ("wall_s = 60", "wall_s = 60\nshed_after_s = { find_due = 1.0 }"),
            "run.shed_after_s names find_due, which no sender of this scenario sends; they send ingest_reading, read_usage_month",
        ),
        (("wall_s = 60", "wall_s = 60\nshed_after_s = { ingest_reading = 0.0 }"), "ingest_reading = 0.0"),
        (("wall_s = 60", "wall_s = 60\nretry_share_max = 0.0"), "run.retry_share_max = 0.0"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], said: str) -> None:
    text = MINIMAL.replace(*change)
    assert text != MINIMAL
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(text, "small")


@pytest.mark.parametrize("operation", RUN_OPERATIONS)
def test_an_objective_is_taken_on_what_is_sent_and_on_nothing_else(operation: Operation) -> None:
    objective = f"[[slo]]\noperation = '{operation}'\nresponse_ms_max = 5\n[run]"
    text = MINIMAL.replace("[run]", objective)
    if operation in measured_operations_of(parse_scenario(MINIMAL, "small")):
        assert parse_scenario(text, "small").slo[0].operation is operation
    else:
        with pytest.raises(
            ScenarioError, match=f"slo names {operation}, which this scenario never sends; it sends ing"
        ):
            parse_scenario(text, "small")


def test_a_campaign_brings_the_gateways_operations() -> None:
    small = parse_scenario(MINIMAL, "small")
    assert not set(GATEWAY_OPERATIONS) & set(measured_operations_of(small))
    commanded = parse_scenario(MINIMAL.replace("[run]", CAMPAIGN + "'top_up'\n[run]"), "small")
    assert set(GATEWAY_OPERATIONS) <= set(measured_operations_of(commanded))


CAMPAIGN = "[[campaigns]]\nname = 'one'\nat_h = 1.0\nkind = "
OUTAGES = "[[wan.outages]]\nregion = {}\nat_h = 1.0\nfor_h = 4.0\n[[wan.outages]]\nregion = {}\nat_h = {}\nfor_h = 1.0"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("[estate.tariffs]\nflat = 0.9", "estate.tariffs: flat .* must add up to 1, not 1.1"),
        ("[estate.meter_types]\nregister_only = 0.2", "estate.meter_types: register_only .* must add up to 1, not 1.2"),
        ("[[estate.regions]]\nname = 'one'\nshare = 0.5", "the shares of the regions must add up to 1, not 0.5"),
        (
            "[[estate.regions]]\nname = 'one'\nshare = 1.0\n[[estate.regions]]\nname = 'one'\nshare = 1.0",
            "two regions have the same name",
        ),
        (
            "[[estate.schedule_changes]]\nto = 'daily'\nshare = 0.6\nuntil_h = 9.0\n" * 2,
            "shares of schedule_changes add up to more than 1",
        ),
        (
            "[[estate.schedule_changes]]\nto = 'daily'\nshare = 0.6\nfrom_h = 9.0\nuntil_h = 9.0",
            "until_h 9 must be after from_h 9",
        ),
        ("[[estate.schedule_changes]]\nto = 'hourly'\nshare = 0.6\nuntil_h = 9.0", "schedule_changes.0.to = 'hourly'"),
        ("[estate.rollout]\nover_days = 0", "estate.rollout.over_days = 0: .* greater than or equal to 1"),
        ("[estate.rollout]\nstart_share = 1.5\nover_days = 9", "estate.rollout.start_share = 1.5"),
        ("[estate.rollout]\nstart_share = 0.5", "estate.rollout.over_days: is missing"),
        ("[wan.cellular]\ndelay_ms_min = 9.0", "wan.cellular: delay_ms_max 0 is below delay_ms_min 9"),
        ("[wan.long_range_radio]\nloss = 0.6", "wan.long_range_radio.loss = 0.6"),
        ("[wan]\nhub_outage_h_max = 24.0", "wan.hub_outage_h_max = 24.0"),
        ("[wan]\ncatch_up_speed = 1", "wan.catch_up_speed = 1"),
        ("[[wan.outages]]\nat_h = 1.0\nfor_h = 0.0", "wan.outages.0.for_h = 0.0"),
        (
            "[[wan.outages]]\nregion = 'mars'\nat_h = 1.0\nfor_h = 1.0",
            "wan.outages names region 'mars'; there are central",
        ),
        (OUTAGES.format("'north'", "'north'", "5.0"), "at_h 5 begins before an earlier one .* caught up"),
        ("[reads]\ngap_share = -0.1", "reads.gap_share = -0.1"),
        ("[[reads.settlement_runs]]\nname = 'ii'\nafter_days = 0\nshare = 0.1", "settlement_runs.0.after_days = 0"),
        ("[[reads.settlement_runs]]\nname = 'II'\nafter_days = 1\nshare = 0.1", "settlement_runs.0.name = 'II'"),
        ("[alerts]\nper_hub_day = 21.0", "alerts.per_hub_day = 21.0"),
        ("[[alerts.storms]]\nregion = 'mars'\nat_h = 1.0", "alerts.storms names region 'mars'"),
        ("[[traffic.bursts]]\nat_h = 1.0\nshare = 1.1", "traffic.bursts.0.share = 1.1"),
        (
            (CAMPAIGN + "'top_up'").replace("at_h = 1.0", "at_h = 900.0"),
            "campaigns: at_h 900 is beyond the end of the simulated span, 27 h",
        ),
        ("[[wan.outages]]\nat_h = 500.0\nfor_h = 1.0", "wan.outages: at_h 500 is beyond the end"),
        ("[[alerts.storms]]\nat_h = 27.0", "alerts.storms: at_h 27 is beyond the end"),
        ("[[traffic.bursts]]\nat_h = 27.5\nshare = 0.5", "traffic.bursts: at_h 27.5 is beyond the end"),
        (CAMPAIGN + "'dance'", "campaigns.0.kind = 'dance'"),
        (CAMPAIGN + "'top_up'\nregion = 'mars'", "campaigns names region 'mars'"),
        (CAMPAIGN + "'top_up'\nfuel = 'gas'", "campaign 'one' is for gas, which estate.fuels lacks"),
        (CAMPAIGN + "'enable_supply'\nfuel = 'gas'", "enable_supply is illegal for gas: .* only be armed"),
        (CAMPAIGN + "'disable_supply'\nfuel = 'gas'", "disable_supply is illegal for gas"),
        (CAMPAIGN + "'top_up'\nsilent_for_h = 9.0", "silent_for_h goes with silent"),
        (CAMPAIGN + "'update_firmware'\neffective_h = 9.0", "effective_h goes with .* not update_firmware"),
        (
            CAMPAIGN + "'change_schedule'",
            "campaigns.0: change_schedule needs `to`, the schedule that it sets: monthly, daily, half_hourly, ten_second",
        ),
        (CAMPAIGN + "'top_up'\nto = 'daily'", "campaigns.0: to goes with change_schedule, not top_up"),
        (CAMPAIGN + "'update_firmware'\nto = 'daily'", "to goes with change_schedule, not update_firmware"),
        (CAMPAIGN + "'change_schedule'\nto = 'hourly'", "campaigns.0.to = 'hourly': .*'half_hourly'"),
        (CAMPAIGN + "'top_up'\nwaves = 2\nover_h = 30.0", "wave_every_h 24 must be at least over_h 30"),
        (CAMPAIGN + "'top_up'\nattempts_max = 32", "campaigns.0.attempts_max = 32"),
        (f"{CAMPAIGN}'top_up'\n{CAMPAIGN}'arm_supply'", "two campaigns have the same name"),
    ],
)
def test_what_is_wrong_with_the_estate_is_named(part: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(f"{MINIMAL}\n{part}", "small")


def test_outages_of_a_region_wait_until_the_one_before_is_caught_up() -> None:
    # worked by hand: from 1 h to 5 h, the last hub's turn at 6 h, and its 5 h of backlog are gone at 1 + 5 * 20 / 19 h
    again = 1 + 5 * 20 / 19
    for first, second in (("'north'", "'north'"), ("'north'", None), (None, "'north'"), (None, None)):
        text = MINIMAL + OUTAGES.format(first, second, "AGAIN").replace("region = None\n", "")
        parse_scenario(text.replace("AGAIN", str(again + 0.001)), "small")
        with pytest.raises(ScenarioError, match="begins before an earlier one"):
            parse_scenario(text.replace("AGAIN", str(again - 0.001)), "small")
    parse_scenario(MINIMAL + OUTAGES.format("'north'", "'south'", "1.0"), "small")


def test_a_gas_supply_can_be_armed() -> None:
    text = MINIMAL.replace("premises = 10", "premises = 10\nfuels = ['electricity', 'gas']")
    assert parse_scenario(f"{text}\n{CAMPAIGN}'arm_supply'\nfuel = 'gas'", "small").campaigns[0].fuel == "gas"


def test_the_span_ends_when_the_wan_has_brought_what_it_may() -> None:
    wan = "[wan.cellular]\ndelay_ms_max = 1_000.0\n[wan.long_range_radio]\nloss = 0.1\nretry_s = 60.0\n"
    reads = "[reads]\nduplicate_share = 0.1\nduplicate_after_s = 20.0"
    # worked by hand: a day, 3 h of uploads, 1 s of delay, eight losses of a minute, and the repetition
    assert parse_scenario(f"{MINIMAL}\n{wan}{reads}", "small").span_us == (27 * 3_600 + 1 + 8 * 60 + 20) * 1_000_000
    # the estimates come 12 h after the day and take an hour: that is later
    assert parse_scenario(f"{MINIMAL}\n{wan}{reads}\ngap_share = 0.1", "small").span_us == 37 * 3_600_000_000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.toml: no such scenario file"):
        load_scenario(tmp_path / "nowhere.toml")


def test_every_fault_of_a_file_is_told_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(MINIMAL.replace("premises = 10", "premises = 0").replace("wall_s = 60", "wall_s = -1"), "small")
    assert len(str(caught.value).splitlines()) == 2


def test_one_wrong_dc_is_one_error() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(MINIMAL.replace("rf = 2", "rf = 9"), "small")
    assert len(str(caught.value).splitlines()) == 1


def fields_below(model: type[BaseModel]) -> set[str]:
    names = {field.alias or name for name, field in model.model_fields.items()}
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                names |= fields_below(part)
    return names


CHANGES = """
[estate.metering]
smart = 0.5
[[estate.schedule_changes]]
to = "half_hourly"
share = 0.5
until_h = 48.0
per_day_max = {cap}
"""


@pytest.mark.parametrize(("cap", "until_h"), [(25_000, "72"), (17_000, "96"), (12_500, "120")])
def test_a_migration_above_its_daily_cap_is_refused_with_the_span_that_is_enough(cap: int, until_h: str) -> None:
    """50,000 of the 100,000 smart meters change within two days: 25,000 a day in the mean, and sometimes more."""
    text = MINIMAL.replace("premises = 10", "premises = 200_000")
    said = f"50,000 meters within 2 days are 25,000 a day, .* per_day_max {cap:,} or above it; until_h = {until_h} is enough"
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(text.replace("[topology]", CHANGES.format(cap=cap) + "[topology]"), "small")
    parse_scenario(text.replace("[topology]", CHANGES.format(cap=26_000) + "[topology]"), "small")


def test_a_change_of_a_fuel_that_nobody_has_is_refused() -> None:
    change = '[[estate.schedule_changes]]\nto = "monthly"\nfuel = "gas"\nshare = 0.1\nuntil_h = 2\n[topology]'
    with pytest.raises(ScenarioError, match="schedule_changes name gas, which fuels lacks"):
        parse_scenario(MINIMAL.replace("[topology]", change), "small")


def test_the_docs_show_every_field_and_their_example_is_sound() -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text()
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    shown = set(re.findall(r"^\[*(?:\w+\.)*(\w+)\]* ?(?:=|$|#| )", example[1], re.MULTILINE))
    assert fields_below(Scenario) - shown == set()
    assert Scenario.model_validate(tomllib.loads(example[1])).run.seed == 1
    for operation in RUN_OPERATIONS:
        assert operation in example[1]
    for level in ConsistencyLevel:
        assert level in example[1]


def test_metering_point_numbers_have_sound_check_digits_and_lead_back() -> None:
    premises = np.array([0, 1, 9, 12_345, 29_999_999], np.int64)
    for make, digits in ((mpan_of, 13), (export_mpan_of, 13), (mprn_of, 10)):
        numbers = make(premises)
        assert [len(str(number)) for number in numbers] == [digits] * len(premises)
        back = premises_of_mpxn(numbers)
        assert back.premises.tolist() == premises.tolist() and set(back.is_gas.tolist()) == {digits == 10}
        assert set(back.is_export.tolist()) == {make is export_mpan_of}
        assert set(premises_of_mpxn(numbers[:4] + 1).premises.tolist()) == {-1}  # the check digits differ
    numbers = np.concatenate([mpan_of(premises), export_mpan_of(premises)])
    assert len(set(numbers.tolist())) == len(numbers)
    # worked by hand: 1 0 0 0 0 0 0 0 0 0 0 9 by 3 5 7 13 17 19 23 29 31 37 41 43 is 3 + 387 = 390; 390 mod 11 is 5
    assert mpan_of(np.array([9]))[0] == 1_000_000_000_095
