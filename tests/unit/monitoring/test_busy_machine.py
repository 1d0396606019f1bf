"""A search that begins on a busy machine says so."""

import threading
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import HarnessError
from loadtests.monitoring.quiescence import BusyCores, machine_busy_cores, why_machine_busy
from meterstorm.display.progress import Silent
from meterstorm.jobs import find_max as job
from scenarios.spec import parse_scenario
from tests.support.synthetic_run import SCENARIO_TOML


def test_a_machine_that_others_keep_busy_is_told_with_its_numbers() -> None:
    assert why_machine_busy(0.6, 2) is None
    told = why_machine_busy(1.44, 2)
    assert told is not None and "other programs took 1.4 of 2 cores, 0.6 allowed" in told


def test_what_is_busy_is_seen() -> None:
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        assert machine_busy_cores(0.5).busy > 0.5
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [({2, 3}, (0.5, 2)), ({0, 1, 2, 3}, (2.5, 4)), ({0, 9}, (2.5, 4))],  # the last: numbered in another way
)
def test_only_cores_that_we_may_run_on_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], expected: tuple[float, int]
) -> None:
    """Two cores of others that we may not run on take nothing from us; nor is a quota the measure of a whole host."""
    each = [100.0, 100.0, 50.0, 0.0]

    def cpu_percent(interval: float, percpu: bool = False) -> float | list[float]:
        return each if percpu else sum(each) / len(each)

    monkeypatch.setattr("psutil.cpu_percent", cpu_percent)
    monkeypatch.setattr("psutil.cpu_count", lambda: len(each))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: allowed)
    monkeypatch.setattr("loadtests.cluster.cgroups.processors_granted", lambda: 1.0)
    assert machine_busy_cores() == expected


class Told(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def detail(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(("busy_cores", "warned"), [(99.0, True), (0.0, False)])
def test_a_search_warns_before_it_starts_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy_cores: float, warned: bool
) -> None:
    def stop(*given: Any, **named: Any) -> None:
        raise HarnessError("this test ends here")

    monkeypatch.setattr(job, "machine_busy_cores", lambda: BusyCores(busy_cores, 2))
    monkeypatch.setattr(job.LocalCluster, "start", stop)
    scenario = parse_scenario(SCENARIO_TOML.format(nodes=1, wall_s=40, warm_up_s=4, seed=1), "test")
    told = Told()
    with pytest.raises(HarnessError, match="ends here"):
        job.find_max(scenario, tmp_path / "max", job.SearchOptions(), progress=told)
    assert [line.startswith("warning: This machine was busy") for line in told.lines] == [True] * warned
