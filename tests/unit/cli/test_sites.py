"""Which commands take a distance between sites, and which refuse it in words, before anything is started."""

from pathlib import Path
from typing import NoReturn

import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.sites import enclosure
from meterstorm.cli.app import main
from meterstorm.cli.sites import enter_sites
from scenarios.spec import Scenario, ScenarioError, parse_scenario

TWO = """
title = "Two sites"
[estate]
premises = 10
[estate.read_schedules]
daily = 1.0
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }, { name = "south", nodes = 1, rf = 1 }]
[run]
wall_s = 60
"""
WAN = "[topology.wan]\ndelay_ms = 20.0\n"
DISK_FULL = '[[faults]]\nkind = "disk_full"\ntarget = "north"\nat_s = 10.0\nfor_s = 5.0\n'
KILL = DISK_FULL.replace("disk_full", "kill")
ELSEWHERE = Endpoint(contact_points=("10.0.0.1",), local_dc="north")


def scenario(*parts: str) -> Scenario:
    return parse_scenario(TWO + "".join(parts), "two")


class Entered(Exception):
    """Raised instead of becoming another process."""


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """In no namespaces of our own, with jars that are there."""

    def enter(command: object) -> NoReturn:
        raise Entered(command)

    monkeypatch.delenv(enclosure.OUTSIDE, raising=False)
    monkeypatch.setattr(enclosure, "start_again_inside", enter)
    monkeypatch.setattr("loadtests.cluster.jars.ready_jars", lambda jars, told: ())


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("part", [WAN, DISK_FULL])
def test_a_command_starts_itself_again_where_its_scenario_needs_namespaces(part: str) -> None:
    with pytest.raises(Entered):
        enter_sites(scenario(part))


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("part", ["", KILL])
def test_it_stays_where_it_is_otherwise(part: str) -> None:
    enter_sites(scenario(part))


@pytest.mark.usefixtures("outside")
def test_a_matrix_over_distances_needs_them_whatever_its_scenario_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.toml").write_text(TWO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["meterstorm", "matrix", "two.toml", "--wan-ms", "20,80"])
    with pytest.raises(SystemExit):
        main()
    assert "meterstorm: Entered: " in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["meterstorm", "matrix", "two.toml", "--wan-ms", "20;80"])
    with pytest.raises(SystemExit):  # before anything is started
        main()
    assert "--wan-ms 20;80: '20;80' is not a whole number" in capsys.readouterr().err


def test_inside_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(enclosure.OUTSIDE, "1 0.0")
    enter_sites(scenario(WAN))


@pytest.mark.usefixtures("outside")
def test_an_existing_cluster_is_as_far_away_as_it_is() -> None:
    with pytest.raises(ScenarioError, match="distance is emulated between local nodes alone"):
        enter_sites(scenario(WAN), ELSEWHERE)
    enter_sites(scenario(DISK_FULL), ELSEWHERE)  # the job refuses these


def test_a_machine_that_forbids_it_is_told_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(enclosure.OUTSIDE, raising=False)
    monkeypatch.setattr("loadtests.cluster.jars.ready_jars", lambda jars, told: ())
    monkeypatch.setattr(enclosure, "obstacle", lambda: "Operation not permitted")
    with pytest.raises(HarnessError, match=r"can't be made: Operation not permitted; run as root, or allow user"):
        enter_sites(scenario(WAN))


@pytest.mark.parametrize(
    "command",
    [
        ["cluster", "up"],
        ["schemas", "compare", "--variants", "folded,deltas"],
        ["gate", "--baseline", "run.seed=1", "--candidate", "run.seed=1"],
        ["run", "--workers", "1", "--listen", "127.0.0.1:5557"],
    ],
)
def test_other_jobs_refuse_it_in_one_sentence(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.toml").write_text(TWO + WAN)
    words = 2 if command[0] in ("cluster", "schemas") else 1
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["meterstorm", *command[:words], "two.toml", *command[words:]])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "topology.wan: a " in capsys.readouterr().err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["two.toml"]
