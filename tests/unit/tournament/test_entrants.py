"""Who takes part, and in which order: from files and names, refused in a sentence before anything is started."""

import shutil
from pathlib import Path

import pytest

from loadtests.tournament.entrants import ENTRANTS_MAX, entrants_of, round_order
from scenarios.domain import Operation
from scenarios.spec import Scenario, ScenarioError, parse_scenario
from scenarios.variant_file import PLAIN, SHIPPED, new_variant, shipped_variants, variants_named
from store.roles import TableRole

TINY = parse_scenario(
    """
title = "tiny"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
""",
    "test",
)


@pytest.fixture
def tiny() -> Scenario:
    return TINY


def written(path: Path, alteration: str) -> Path:
    path.write_text(f'title = "mine"\n[store]\nalterations = ["{alteration}"]\n')
    return path


def test_each_has_the_load_of_all_and_a_keyspace_of_its_own(tiny: Scenario) -> None:
    entrants = entrants_of(tiny, variants_named("zstd,lcs"))
    assert list(entrants) == [PLAIN, "zstd", "lcs"]
    assert entrants[PLAIN].scenario.store == tiny.store
    keyspaces = {one.scenario.topology.keyspace for one in entrants.values()}
    assert len(keyspaces) == 3 and all(len(each) <= 48 for each in keyspaces)
    loads = {one.scenario.model_dump_json(exclude={"store", "topology"}) for one in entrants.values()}
    assert len(loads) == 1


def test_all_that_ship_can_take_part(tiny: Scenario) -> None:
    shipped = shipped_variants()
    assert len(shipped) >= 10 and all(each.question.endswith("?") for each in shipped.values())
    names = list(shipped)
    for first in range(0, len(names), ENTRANTS_MAX - 1):
        chosen = names[first : first + ENTRANTS_MAX - 1]
        assert set(entrants_of(tiny, variants_named(",".join(chosen)))) == {PLAIN, *chosen}


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("zst", "did you mean zstd"),
        ("zstd,,lcs", "a name is missing between two commas"),
        ("zstd,zstd", "'zstd' is named twice"),
        ("plain", "always takes part"),
        ("nothere.toml", "there is no such file"),
        ("Bad-Name.toml", "is no name"),
        ("nothing", "there is no variant 'nothing'; those that ship are"),
        ("here/nothing", "queries.toml: there is no such file; a design is a folder"),
        ("/etc/passwd\x1b[31m", "is no name"),
        ("mine.cql", "a file that ends in .toml, or a folder"),
    ],
)
def test_what_is_named_wrong_is_refused_in_a_sentence(named: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told) as refused:
        variants_named(named)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = 'x'\n", "store: is missing"),
        ("title = ''\n[store]\n", "title"),
        ("title = 'x'\n[store]\nspeed = 1\n", "store.speed: there is no such field"),
        ("title = 'x'\n[store]\nalterations = ['DROP TABLE {keyspace}.events_by_home']\n", "must be ALTER TABLE"),
        ("title = ", "not valid TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_field(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=told):
        variants_named(str(path))


def test_a_variant_of_a_table_that_is_not_there_is_refused_by_its_name(tiny: Scenario, tmp_path: Path) -> None:
    path = written(tmp_path / "mine.toml", "ALTER TABLE {keyspace}.nowhere WITH comment = 'x'")
    with pytest.raises(ScenarioError, match=r"variant mine: .*nowhere"):
        entrants_of(tiny, variants_named(str(path)))
    with pytest.raises(ScenarioError, match="at least one variant"):
        entrants_of(tiny, {})


def test_the_new_file_is_a_variant_as_it_is(tiny: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for file, text in new_variant(path).items():
        file.write_text(text)
    (variant,) = variants_named(str(path)).values()
    assert variant.title.startswith("mine") and "mine" in entrants_of(tiny, {"mine": variant})
    with pytest.raises(ScenarioError, match="is no name"):
        new_variant(tmp_path / "Not A Name.toml")


def test_a_design_of_a_folder_has_a_table_of_its_own_in_the_scenarios_store(tiny: Scenario) -> None:
    textbook = entrants_of(tiny, variants_named("textbook"))["textbook"]
    assert textbook.scenario.store == tiny.store and len(textbook.changes) == 3
    assert textbook.schema.table(TableRole.INTERVALS).name == "half_hours_by_meter"
    assert textbook.answers[Operation.READ_INTERVALS_DAY] == {"interval_start": "interval_start", "wh": "wh"}


def test_a_design_of_a_folder_alters_the_tables_that_stay(tiny: Scenario, tmp_path: Path) -> None:
    before = "ALTER TABLE {keyspace}.latest_by_home WITH comment = 'of the scenario'"
    scenario = tiny.model_copy(update={"store": tiny.store.model_copy(update={"alterations": (before,)})})
    lean = entrants_of(scenario, variants_named("lean"))["lean"]
    assert lean.scenario.store.alterations[0] == before and len(lean.scenario.store.alterations) == 4
    assert set(lean.scenario.store.alterations[1:]) < set(lean.changes)
    folder = tmp_path / "mine"
    shutil.copytree(SHIPPED / "lean", folder)
    queries = folder / "queries.toml"
    for table in ("nowhere", "usage_by_fuel"):  # one that is nobody's, and one that the design does without
        queries.write_text((SHIPPED / "lean" / "queries.toml").read_text().replace(".latest_by_home", f".{table}"))
        with pytest.raises(ScenarioError, match=rf"queries.toml: alterations: statement 3 is of table {table}, which"):
            entrants_of(scenario, variants_named(str(folder)))
    queries.write_text((SHIPPED / "lean" / "queries.toml").read_text().replace("ALTER TABLE", "DROP TABLE"))
    with pytest.raises(ScenarioError, match=r"alterations: .*must be ALTER TABLE"):
        variants_named(str(folder))


def test_rounds_come_in_opposite_orders_from_the_seed() -> None:
    names = ["a", "b", "c", "d"]
    orders = [round_order(names, number, 7) for number in range(20)]
    assert all(one == other[::-1] for one, other in zip(orders[::2], orders[1::2], strict=True))
    assert all(sorted(each) == names for each in orders) and len(set(orders)) > 4
    assert orders == [round_order(names, number, 7) for number in range(20)]
    assert orders != [round_order(names, number, 8) for number in range(20)]
