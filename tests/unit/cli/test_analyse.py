"""`meterstorm analyse`: jobs on a warehouse as a person asks for them, and what is refused before anything is read."""

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from meterstorm.cli import app as cli
from meterstorm.cli.insights import fuel_name
from meterstorm.jobs.analytics.arguments import require_warehouse_of
from meterstorm.jobs.run_folder import LOCAL_NODES, write_resolved
from reports.results.parts import Verdict
from scenarios.spec import ScenarioError, parse_scenario
from store.analytics.warehouse import MANIFEST, Manifest
from store.memory import MemoryStore
from store.tariffs import ELECTRICITY, EXPORT, GAS
from tests.support.synthetic_run import write_synthetic_run
from tests.unit.store.analytics.test_billing_check import Estate, of_a_total_that_is_another
from tests.unit.store.analytics.test_warehouse import UPLOADS, exported, store_with

TWO_DCS = """
title = "small"
[estate]
premises = 50
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }DCS]
[run]
wall_s = 10
"""
ANALYTICS = ', { name = "warehouse", role = "analytics", nodes = 1, rf = 1 }'
NOBODY = ("--contact-points", "127.0.0.1", "--port", "1")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["analyse", *arguments])


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warehouse")
    store: MemoryStore = store_with(UPLOADS)
    exported(store, folder)
    return folder


def test_the_first_rows_are_shown_and_all_are_written_where_asked(warehouse: Path, tmp_path: Path) -> None:
    shown = invoke("run", "load_duration", str(warehouse))
    rows = list(csv.DictReader(io.StringIO(shown.stdout), delimiter="\t"))
    assert shown.exit_code == 0 and len(rows) == 20 and rows[0]["wh"] == str(47 * 3)
    assert {row["fuel"] for row in rows} == {"electricity"}
    assert "76 rows more: --out FILE or --json has them all" in shown.stderr
    for name in ("loads.parquet", "loads.csv"):
        assert invoke("run", "load_duration", str(warehouse), "--out", str(tmp_path / name)).exit_code == 0
    assert pq.read_table(tmp_path / "loads.parquet").num_rows == 96
    assert len((tmp_path / "loads.csv").read_text().splitlines()) == 97 and len(list(tmp_path.iterdir())) == 2
    told = json.loads(invoke("run", "load_duration", str(warehouse), "--json").stdout)
    assert len(told) == 96 and {row["fuel"] for row in told} == {0}


def test_fuels_have_the_names_of_their_codes() -> None:
    assert {fuel_name(code): code for code in range(3)} == {"electricity": ELECTRICITY, "gas": GAS, "export": EXPORT}
    assert fuel_name(None) is None


def test_a_folder_of_another_job_is_told_and_a_run_whose_nodes_are_gone(tmp_path: Path) -> None:
    """Seen: a simulation was answered with the advice to add --from-business, and only then that it has no nodes."""
    write_resolved(parse_scenario(TWO_DCS.replace("DCS", ""), "small"), tmp_path)
    (tmp_path / "results.json").write_text('{"kind": "simulation"}')
    for command in (("export", str(tmp_path), "--out", str(tmp_path / "new")), ("home", str(tmp_path), "99")):
        done = invoke(*command)
        assert done.exit_code == 2 and "is a simulation's; name the folder of a run" in done.stderr
    results = write_synthetic_run(tmp_path / "run", wall_s=3)
    topology = results.topology.model_copy(update={"where": LOCAL_NODES})
    results.model_copy(update={"topology": topology}).write(tmp_path / "run")
    for options in ((), ("--from-business",), ("--dc", "north")):
        done = invoke("export", str(tmp_path / "run"), "--out", str(tmp_path / "new"), *options)
        assert done.exit_code == 2 and "--keep" in done.stderr and "--from-business" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "peeks", "WAREHOUSE"), "there is no job 'peeks'; there are settlement, profiles"),
        (("run", "peaks", "WAREHOUSE", "--out", "peaks.xlsx"), "its name must end with .parquet or .csv"),
        (("run", "peaks", "EMPTY"), "holds no warehouse: there is no warehouse.json in it"),
        (("run", "peaks", "WAREHOUSE/warehouse.json"), "warehouse.json is a file: name the folder of an export"),
        (("run", "peaks", "WAREHOUSE", "--out", "nowhere/peaks.csv"), "there is no folder nowhere"),
        (("replay", "EMPTY", "--out", "nowhere/rows.csv"), "there is no folder nowhere"),
        (("verify", "EMPTY"), "holds no warehouse"),
        (("export", "EMPTY", "--out", "new"), "EMPTY"),
        (("export", "EMPTY", "--out", "new", "--port", "9000"), ""),
        (("export", "EMPTY", "--out", "new", "--changed"), "EMPTY"),
        (("replay", "EMPTY"), "EMPTY"),
        (("replay", "EMPTY", "--out", "rows.xlsx"), "its name must end with .parquet or .csv"),
        (("mend", "EMPTY", "WAREHOUSE"), "EMPTY"),
        (("publish", "EMPTY", "WAREHOUSE"), "EMPTY"),
        (("home", "EMPTY", "1"), "EMPTY"),
    ],
)
def test_what_can_not_be_done_is_said(
    arguments: tuple[str, ...], said: str, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    done = invoke(*(one.replace("WAREHOUSE", str(warehouse)) for one in arguments))
    assert done.exit_code == 2 and said in done.stderr.replace("\n", " ") and done.stderr.startswith("meterstorm: ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "RUN", "--out", "RUN"), "--out RUN is the run's own folder, or its nodes'"),
        (("export", "RUN", "--out", "RUN/cluster/new"), "is the run's own folder, or its nodes'"),
        (("export", "RUN", "--out", "RUN/history"), "holds something that is no warehouse"),
        (("export", "RUN", "--out", "file"), "--out file is a file"),
        (("export", "RUN", "--out", "file/new"), "file is a file; name another folder"),
        (("export", "RUN", "--out", "WAREHOUSE"), "and this export is of keyspace meterstorm, estate small, seed"),
        (("export", "RUN", "--out", "new", "--changed"), "new holds no warehouse"),
        (("replay", "RUN", "--view", "nosuch"), "--view nosuch: there is no such view; there are "),
        (("publish", "RUN", "EMPTY"), "EMPTY holds no warehouse"),
        (("publish", "RUN", "WAREHOUSE"), "holds the estate "),
        (("mend", "RUN", "WAREHOUSE"), "campaigns: the scenario has none"),
        (("home", "RUN", "50"), "home 50: there are 0 to 49"),
    ],
)
def test_arguments_are_looked_at_before_the_nodes_are(
    arguments: tuple[str, ...], said: str, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "RUN" / "history").mkdir(parents=True)
    (tmp_path / "RUN" / "history" / "one.hlog").touch()
    write_resolved(parse_scenario(TWO_DCS.replace("DCS", ANALYTICS), "small"), tmp_path / "RUN")
    done = invoke(*(one.replace("WAREHOUSE", str(warehouse)) for one in arguments))
    assert done.exit_code == 2 and said in done.stderr.replace("\n", " "), done.stderr
    assert not (tmp_path / "new").exists()


def test_a_warehouse_that_lacks_what_a_job_reads_is_refused_before_the_nodes_start(
    warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(warehouse, tmp_path / "lacks")
    held = Manifest.model_validate_json((warehouse / MANIFEST).read_text())
    text = held.model_copy(update={"data_sets": ("half_hours",), "files": held.of("half_hours")}).model_dump_json()
    (tmp_path / "lacks" / MANIFEST).write_text(text)
    monkeypatch.setattr("loadtests.workload.warehouse.identity_of", lambda _: held.source.estate)
    scenario = parse_scenario(TWO_DCS.replace("DCS", ANALYTICS), "small")
    require_warehouse_of(scenario, tmp_path / "lacks", ("settlement",))
    with pytest.raises(ScenarioError, match=r"has no .*: it was exported without"):
        require_warehouse_of(scenario, tmp_path / "lacks", ("reconcile",))


def test_bytes_that_changed_end_verify_with_one(tmp_path: Path) -> None:
    exported(store_with(UPLOADS), tmp_path)
    path = next(tmp_path.rglob("part-*.parquet"))
    path.write_bytes(bytes(path.stat().st_size))
    done = invoke("verify", str(tmp_path))
    assert done.exit_code == Verdict.FAIL.exit_code and f"{path} is not the file" in done.stderr.replace("\n", " ")


def test_a_check_that_finds_something_wrong_ends_with_one(tmp_path: Path) -> None:
    estate = Estate()
    of_a_total_that_is_another(estate)
    estate.checked(tmp_path / "warehouse")
    done = invoke("run", "billing_check", str(tmp_path / "warehouse"))
    rows = list(csv.DictReader(io.StringIO(done.stdout), delimiter="\t"))
    assert done.exit_code == Verdict.FAIL.exit_code and [row["verdict"] for row in rows[:2]] == ["wrong", "right"]
    assert f"billing_check: 1 of {len(rows)} rows are wrong" in done.stderr
    told = json.loads(invoke("run", "billing_check", str(tmp_path / "warehouse"), "--json").stdout)
    assert [row["verdict"] for row in told] == [row["verdict"] for row in rows]


def test_a_file_that_is_there_is_left(warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    done = invoke("run", "peaks", str(warehouse), "--out", str(tmp_path / "mine.csv"))
    assert done.exit_code == 2 and "is there already" in done.stderr and (tmp_path / "mine.csv").read_text() == "mine"


def test_spark_that_is_not_there_is_told_with_the_way_to_it(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    done = invoke("run", "peaks", str(warehouse), "--engine", "spark")
    assert done.exit_code == 2 and "uv sync --extra spark" in done.stderr.replace("\n", " ")


def test_another_spark_than_the_connectors_is_refused(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace(__version__="4.1.0"))
    done = invoke("run", "peaks", str(warehouse), "--engine", "spark")
    assert done.exit_code == 2 and "pyspark 4.1.0 is installed" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("dcs", "options", "said"),
    [
        ("", (), "the topology has no data centre with role 'analytics'"),
        (
            ANALYTICS,
            ("--dc", "north"),
            "north is a business data centre, .* one of role 'analytics' .warehouse., or add",
        ),
        ("", ("--dc", "north"), "north is a business data centre"),
        (ANALYTICS, ("--dc", "south"), "there is no data centre 'south'; there are north, warehouse"),
    ],
)
def test_a_business_data_centre_is_not_read_by_accident(
    dcs: str, options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    from meterstorm.jobs.analytics.source import chosen_dc

    topology = parse_scenario(TWO_DCS.replace("DCS", dcs), "small").topology
    with pytest.raises(ScenarioError, match=said):
        chosen_dc(topology, options[1] if options else None, from_business=False)
    (tmp_path / "small.toml").write_text(TWO_DCS.replace("DCS", dcs))
    done = invoke("export", str(tmp_path / "small.toml"), "--out", str(tmp_path / "new"), *NOBODY, *options)
    assert done.exit_code == 2 and not (tmp_path / "new").exists()


def test_the_analytics_one_is_read_where_there_is_one_and_business_where_asked() -> None:
    from meterstorm.jobs.analytics.source import chosen_dc

    topology = parse_scenario(TWO_DCS.replace("DCS", ANALYTICS), "small").topology
    assert chosen_dc(topology, None, from_business=False) == "warehouse"
    assert chosen_dc(topology, None, from_business=True) == chosen_dc(topology, "north", from_business=True) == "north"


def test_estates_are_told_apart_by_what_their_readings_depend_on() -> None:
    from loadtests.workload.warehouse import homes_of, identity_of
    from scenarios.spec import parse_scenario
    from sim.estate.model import build_estate

    small = parse_scenario(TWO_DCS.replace("DCS", ""), "small")
    other = parse_scenario(TWO_DCS.replace("DCS", "").replace("50", "51"), "small")
    slower = parse_scenario(TWO_DCS.replace("DCS", ANALYTICS).replace("wall_s = 10", "wall_s = 20"), "small")
    assert identity_of(small) == identity_of(slower) != identity_of(other)
    estate = build_estate(small)
    [batch] = homes_of(estate)
    assert batch.num_rows == 50 and set(batch.column("region").to_pylist()) <= set(estate.regions)
