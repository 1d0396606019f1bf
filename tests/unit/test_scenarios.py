"""Scenario files: what ships is sound, what is wrong is named, and the docs know every field."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from scenarios.domain import ConsistencyLevel, Operation, mpan_of, mprn_of, premises_of_mpxn
from scenarios.spec import Scenario, ScenarioError, load_scenario, parse_scenario

ROOT = Path(__file__).parent.parent.parent
MINIMAL = """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 3, rf = 2 }]
[run]
wall_s = 60
"""


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_scenario_is_sound_and_says_what_it_asks(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.question and scenario.slo
    assert path.stem in (ROOT / "docs" / "scenarios.md").read_text()


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
            "slo names read_state, whose rate in .traffic. is 0",
        ),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], said: str) -> None:
    text = MINIMAL.replace(*change)
    assert text != MINIMAL
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(text, "small")


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
    names = set(model.model_fields)
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                names |= fields_below(part)
    return names


def test_the_docs_show_every_field_and_their_example_is_sound() -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text()
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    shown = set(re.findall(r"^\[*(?:\w+\.)*(\w+)\]* ?(?:=|$|#| )", example[1], re.MULTILINE))
    assert fields_below(Scenario) - shown == set()
    data = tomllib.loads(example[1])
    data["estate"]["regions"] = [{"name": "all", "share": 1.0}]
    assert Scenario.model_validate(data).run.seed == 1
    for operation in Operation:
        assert operation in example[1]
    for level in ConsistencyLevel:
        assert level in example[1]


def test_metering_point_numbers_have_sound_check_digits_and_lead_back() -> None:
    premises = np.array([0, 1, 9, 12_345, 29_999_999], np.int64)
    for numbers, digits in ((mpan_of(premises), 13), (mprn_of(premises), 10)):
        assert [len(str(number)) for number in numbers] == [digits] * len(premises)
        back, is_gas = premises_of_mpxn(numbers)
        assert back.tolist() == premises.tolist() and set(is_gas.tolist()) == {digits == 10}
        assert set(premises_of_mpxn(numbers[:4] + 1)[0].tolist()) == {-1}  # the check digits differ
    # worked by hand: 1 0 0 0 0 0 0 0 0 0 0 9 by 3 5 7 13 17 19 23 29 31 37 41 43 is 3 + 387 = 390; 390 mod 11 is 5
    assert mpan_of(np.array([9]))[0] == 1_000_000_000_095
