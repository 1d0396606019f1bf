"""`meterstorm simulate --replications`: intervals worked by hand, and N replications that are N single simulations."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from meterstorm.cli import app as cli
from meterstorm.jobs.replicate import part, replication_seeds
from reports.results.simulation import FigureEstimate, ReplicationsResult, SimulationResults, load_simulation
from reports.simulation.headlines import Replication, estimate_rows, replication_of
from reports.simulation.replications import replications_of
from scenarios.spec import Scenario, ScenarioError, parse_scenario, with_seed
from tests.unit.reports.run.test_page import outline

T_4 = 2.7764  # 97.5 % quantile of Student's t with 4 degrees of freedom, from a printed table
SCENARIO = """
title = "a price [every display]"
[estate]
premises = 300
[[wan.outages]]
region = "south"
at_h = 24.5
for_h = 1.0
[[campaigns]]
name = "spring"
kind = "update_price"
at_h = 2.0
over_h = 1.0
effective_h = 3.5
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
seed = 11
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse_scenario(SCENARIO, "test")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "price.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def made(path: Path) -> Path:
    folder = path.parent / "made"
    result = invoke("simulate", str(path), "--replications", "3", "--out", str(folder), "--quiet")
    assert result.exit_code == 0, result.output
    assert "Over 3 replications, seeds 11 to 13 (above: seed 11)" in result.output
    assert "drained within [min]" in result.output
    return folder


@pytest.fixture(scope="module")
def results(made: Path) -> SimulationResults:
    return load_simulation(made)


def replications(results: SimulationResults) -> ReplicationsResult:
    assert results.replications is not None
    return results.replications


def single(path: Path, seed: int) -> SimulationResults:
    return SimulationResults.model_validate_json(
        invoke("simulate", str(path), "--json", "--quiet", "--seed", str(seed)).stdout
    )


def altered(results: SimulationResults, seed: int, share: float | None = None, **south: int | None) -> Replication:
    """A replication whose region south, and share of displays, are as given."""
    backlog = {**results.backlog, "south": results.backlog["south"].model_copy(update=south)}
    ihd = {"spring": results.ihd["spring"].model_copy(update={"share_at_effective": share})}
    return replication_of(results.model_copy(update={"seed": seed, "backlog": backlog, "ihd": ihd}))


def test_replications_are_so_many_single_simulations(path: Path, results: SimulationResults) -> None:
    singles = [single(path, seed) for seed in (11, 12, 13)]
    assert results.model_copy(update={"replications": None}) == singles[0]
    found = replications(results)
    assert (found.seeds, found.digests) == ((11, 12, 13), tuple(each.digest for each in singles))
    assert len(set(found.digests)) == 3
    for name, figure in found.figures.items():
        assert figure.values == tuple(replication_of(each).figures[name] for each in singles), name
    assert found.figures["campaigns.spring.applied"].values[0] == results.campaigns["spring"].applied
    assert found.figures["ihd.spring.share_at_effective"].values[0] == results.ihd["spring"].share_at_effective
    assert found.figures["offered.all.peak_per_s"].values[0] == results.offered["all"].peak_per_s
    assert set(found.figures["readings"].values) == {300 * 48}


def test_the_interval_by_hand(results: SimulationResults) -> None:
    """Peaks 10 to 18 have a variance of 40 / 4."""
    runs = [altered(results, seed, peak=peak) for seed, peak in enumerate((10, 12, 14, 16, 18))]
    found = replications_of(runs).figures["backlog.south.peak"]
    half = T_4 * (10 / 5) ** 0.5
    assert found.mean == 14
    assert (found.low, found.high) == pytest.approx((14 - half, 14 + half), abs=1e-3)


def test_an_interval_ends_where_figures_end(results: SimulationResults) -> None:
    """Of peaks 0, 0, 0, 0, 5 it would reach from -1.8; of shares 1, 1, 1, 1, 0.9 to 1.04."""
    pairs = zip((0, 0, 0, 0, 5), (1.0, 1.0, 1.0, 1.0, 0.9), strict=True)
    figures = replications_of(
        [altered(results, seed, peak=peak, share=share) for seed, (peak, share) in enumerate(pairs)]
    ).figures
    peak, share = figures["backlog.south.peak"], figures["ihd.spring.share_at_effective"]
    assert (peak.mean, peak.low) == (1, 0) and peak.high == pytest.approx(1 + T_4, abs=1e-3)
    assert share.high == 1 and share.low == pytest.approx(0.98 - T_4 * 0.02, abs=1e-4)


def test_a_backlog_that_once_does_not_drain_has_no_mean(results: SimulationResults) -> None:
    runs = [altered(results, seed, drain_s=drain_s) for seed, drain_s in enumerate((60, None, 120))]
    found = replications_of(runs)
    drain = found.figures["backlog.south.drain_s"]
    assert drain == FigureEstimate(values=(60, None, 120), mean=None, low=None, high=None)
    (row,) = estimate_rows({"backlog.south.drain_s": drain})
    assert (row.mean, row.interval) == ("–", "not by the end in 1 of 3")
    others = [altered(results, seed, drain_s=0) for seed in range(3)]
    differences = replications_of(runs, others).against
    assert differences is not None
    assert differences.differences["backlog.south.drain_s"].values == (60, None, 120)


def test_differences_are_of_pairs(results: SimulationResults) -> None:
    """The replications lie far apart, their differences 1, 2, 3, 4, 5 do not."""
    runs = [altered(results, seed, peak=peak) for seed, peak in enumerate((10, 112, 1_014, 116, 18))]
    others = [altered(results, seed, peak=peak) for seed, peak in enumerate((9, 110, 1_011, 112, 13))]
    against = replications_of(runs, others).against
    assert against is not None
    found = against.differences["backlog.south.peak"]
    assert (found.values, found.mean) == ((1, 2, 3, 4, 5), 3)
    assert (found.low, found.high) == pytest.approx((3 - T_4 * 0.5**0.5, 3 + T_4 * 0.5**0.5), abs=1e-3)
    assert against.figures["backlog.south.peak"].values == (9, 110, 1_011, 112, 13)
    with pytest.raises(AssertionError, match="same seed"):
        replications_of(runs, others[::-1])


@pytest.mark.parametrize(
    ("path", "values", "interval", "said"),
    [
        ("readings", (4.0, 4.0), (4, 4, 4), ("readings", "", "4", "the same in each")),
        ("backlog.south.peak", (0, 9), (4.5, 0, 1234.5), ("highest backlog", "south", "4", "0 to 1,234")),
        ("backlog.my_town.drain_s", (60, 120), (90, 87, 93), ("drained within [min]", "my town", "1.500", "1.450 to 1.550")),
        ("ihd.sun.share_at_effective", (1, 0.9), (0.95, 0.94, 0.96), ("correct in time [%]", "sun", "95.0", "94.0 to 96.0")),
        ("campaigns.spring.applied", (-1, 0.5), (-0.25, -1.05, 0.55), ("commands applied", "spring", "−0.25", "−1.05 to 0.55")),
        ("offered.all.peak_per_s", (2.5, 2.5), (2.5, 2.5, 2.5), ("peak load [1/s]", "all", "2.50", "the same in each")),
    ],
)  # fmt: skip
def test_estimates_in_words(
    path: str, values: tuple[float, ...], interval: tuple[float, float, float], said: tuple[str, ...]
) -> None:
    mean, low, high = interval
    assert estimate_rows({path: FigureEstimate(values=values, mean=mean, low=low, high=high)}) == [said]


def test_what_is_always_zero_has_no_line() -> None:
    zero = FigureEstimate(values=(0, 0), mean=0, low=0, high=0)
    assert estimate_rows({"backlog.south.peak": zero, "offered.alert.peak_per_s": zero}) == []


def test_against_another_scenario_the_homes_are_the_same(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "impatient.toml"
    other.write_text(SCENARIO.replace('name = "spring"', 'name = "spring"\nattempts_max = 1').replace("11", "900"))
    result = invoke("simulate", str(path), "--replications", "2", "--against", str(other), "--json", "--quiet")
    assert result.exit_code == 0, result.output
    found = SimulationResults.model_validate_json(result.stdout).replications
    assert found is not None and found.against is not None
    assert found.against.figures["readings"] == found.figures["readings"]
    assert set(found.against.digests).isdisjoint(found.digests)
    differences = found.against.differences
    assert (
        max(differences["campaigns.spring.exhausted"].values) < 0 < min(differences["campaigns.spring.applied"].values)
    )
    assert differences["offered.upload_day.peak_per_s"].values == (0, 0)


def test_against_itself_nothing_differs(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    arguments = ("--replications", "2", "--against", str(path), "--quiet", "--out", str(out))
    result = invoke("simulate", str(path), *arguments)
    assert "Difference from: a price [every display] (same seeds): none in any figure" in " ".join(
        result.output.split()
    )
    found = replications(load_simulation(out))
    assert found.against is not None and found.against.digests == found.digests
    assert "No figure differs from those of: a price [every display]." in (out / "report.html").read_text()


def test_the_report_has_the_estimates(made: Path, results: SimulationResults) -> None:
    text = outline((made / "report.html").read_text(encoding="utf-8")).text
    assert "Over 3 replications, seeds 11 to 13" in text
    assert "95 % interval" in text
    for row in estimate_rows(replications(results).figures):
        assert row.mean in text and row.interval in text
    assert "of seed 11 alone" in text


def test_one_simulation_has_no_estimates(path: Path) -> None:
    printed = invoke("simulate", str(path), "--json", "--quiet").stdout
    assert json.loads(printed)["replications"] is None


@pytest.mark.parametrize("count", [-3, 0, 1, 1_001])
def test_a_count_without_an_interval_is_wrong_usage(path: Path, tmp_path: Path, count: int) -> None:
    result = invoke("simulate", str(path), "--replications", str(count), "--out", str(tmp_path / "new"))
    assert result.exit_code == 2
    assert f"--replications {count}: give 2 to 1,000; an interval needs two or more" in " ".join(result.output.split())
    assert not (tmp_path / "new").exists()


def test_a_pair_needs_replications(path: Path) -> None:
    result = invoke("simulate", str(path), "--against", str(path))
    assert result.exit_code == 2
    assert "--against goes with --replications" in " ".join(result.output.split())


def test_seeds_follow_each_other_and_begin_again(scenario: Scenario) -> None:
    assert replication_seeds(scenario, 3) == (11, 12, 13)
    last = with_seed(scenario, 2**32 - 1)
    assert replication_seeds(last, 2) == (2**32 - 1, 0)
    with pytest.raises(ScenarioError):
        replication_seeds(scenario, 1)


def test_progress_goes_on_over_all_replications() -> None:
    told: list[float] = []
    for first, end in ((0, 1), (1, 4)):
        for share in (0.0, 0.5, 1.0):
            part(told.append, first, end, 4)(share)
    assert told == [0.0, 0.125, 0.25, 0.25, 0.625, 1.0]
