"""A replication matrix on real nodes: two data centres of one node, stopped for real; and one that is interrupted."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loadtests.sites.enclosure import obstacle
from meterstorm.display.progress import Silent
from meterstorm.jobs.matrix import Asked, matrix
from reports.results.matrix import OutcomeCounts, load_matrix
from reports.results.parts import Verdict
from scenarios.domain import ConsistencyLevel
from scenarios.spec import parse_scenario

TEXT = """
title = "A small matrix"
[estate]
premises = 1_000
fuels = ["electricity"]
slots_per_hour = 4
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }, { name = "south", nodes = 1, rf = 1 }]
[run]
wall_s = 10
"""
SCENARIO = parse_scenario(TEXT, "test")


def is_all_ok(counts: OutcomeCounts) -> bool:
    return 0 < counts.ok == counts.count


def nodes_in(folder: Path) -> list[int]:
    """Processes whose command line names a folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in process.info["cmdline"] or ())
    ]


@pytest.mark.timeout(900)
@pytest.mark.long
def test_two_levels_on_two_dcs_and_what_a_lost_dc_refuses(tmp_path: Path) -> None:
    out = tmp_path / "matrix"
    levels = (ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.EACH_QUORUM)
    asked = Asked(rfs=(1, 32), levels=levels, dc_counts=(2,), repeats=2, seconds=2.0, rate_per_s=100.0)
    results = matrix(SCENARIO, asked, out)
    assert not results.is_partial, results.trouble
    assert load_matrix(out) == results
    assert (out / "report.html").exists()
    assert nodes_in(out) == [] and not list(out.glob("cluster-*/*/data"))  # nothing runs, nothing is left but logs
    assert [(cell.rf, cell.write_level, cell.read_level) for cell in results.cells] == [
        (1, "LOCAL_ONE", "LOCAL_ONE"),
        (1, "EACH_QUORUM", "LOCAL_QUORUM"),
    ]
    assert {(cell.rf, cell.level) for cell in results.refused} == {(32, str(level)) for level in levels}
    for cell in results.cells:
        assert cell.trials == 2 and cell.errors == {}
        for figure in (cell.throughput_per_s, cell.write_p99_ms, cell.read_p99_ms, cell.cpu_us_per_operation):
            assert figure is not None and figure.mean > 0 and figure.low is not None
        # a day of quarter-hours is 96 values of 4 bytes and their lengths in the log and in the intervals: it can't weigh less
        assert cell.disk_bytes_per_write is not None and 2 * 96 < cell.disk_bytes_per_write < 5_000
        # every write goes to the other DC too, a daily upload of some hundred bytes
        assert cell.wan_bytes_per_operation is not None and 100 < cell.wan_bytes_per_operation.mean < 5_000
        assert cell.staleness is not None and cell.staleness.probes > 0 and cell.staleness.unseen == 0
        if cell.write_level == "EACH_QUORUM":  # acknowledged once the other DC has it: never stale there
            assert cell.staleness.stale_share == 0
        (outage,) = cell.outages
        assert outage.down == "dc"
        assert is_all_ok(outage.writes_after) and is_all_ok(outage.reads_after)
        assert outage.reads.ok > 0 == outage.reads.unavailable  # both levels read in one DC
    local, each = (cell.outages[0].writes for cell in results.cells)
    assert local.ok > 0 == local.unavailable
    assert each.ok == 0 and each.unavailable == each.count > 0


@pytest.mark.timeout(900)
@pytest.mark.long
def test_a_level_that_waits_for_the_other_dc_pays_for_the_distance(tmp_path: Path) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"this machine forbids namespaces: {reason}")
    file, out = tmp_path / "small.toml", tmp_path / "matrix"
    file.write_text(TEXT)
    options = ("--dcs", "2", "--rf", "1", "--cl", "LOCAL_QUORUM,EACH_QUORUM", "--wan-ms", "0,60")
    size = ("--repeats", "2", "--seconds", "3", "--rate", "50")
    subprocess.run(
        [sys.executable, "-m", "meterstorm.cli.app", "matrix", str(file), *options, *size, "--out", str(out), "-q"],
        timeout=800,
        check=True,
    )
    cells = {(cell.write_level, cell.wan_ms): cell for cell in load_matrix(out).cells}
    assert len(cells) == 4
    p50_ms = {key: cell.write_p50_ms.mean for key, cell in cells.items() if cell.write_p50_ms is not None}
    assert p50_ms["EACH_QUORUM", 60] - p50_ms["EACH_QUORUM", 0] > 100  # a round trip
    assert p50_ms["LOCAL_QUORUM", 60] < 60
    stale = {
        key: cell.staleness.stale_ms.p50 for key, cell in cells.items() if cell.staleness and cell.staleness.stale_ms
    }
    assert stale["LOCAL_QUORUM", 60] > 30 > stale["LOCAL_QUORUM", 0]  # one way, less a local acknowledgement
    assert stale["EACH_QUORUM", 60] == stale["EACH_QUORUM", 0] == 0
    assert all(cell.outages for cell in cells.values())
    assert "What a level costs by distance" in (out / "report.html").read_text()


class InterruptsAt(Silent):
    """Presses Ctrl-C when a text is told for the second time."""

    def __init__(self, text: str) -> None:
        self.text, self.seen = text, 0

    def detail(self, text: str) -> None:
        self.seen += self.text in text
        if self.seen == 2:
            self.seen += 1
            raise KeyboardInterrupt


@pytest.mark.timeout(600)
@pytest.mark.long
def test_an_interrupt_leaves_what_was_measured_and_no_node(tmp_path: Path) -> None:
    out = tmp_path / "matrix"
    asked = Asked(
        rfs=(1,),
        levels=(ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.ONE),
        dc_counts=(1,),
        repeats=1,
        seconds=1.0,
        rate_per_s=50.0,
    )
    results = matrix(SCENARIO, asked, out, progress=InterruptsAt("block 1 of 1"))
    assert results.is_partial and "interrupted" in results.trouble[0] and results.verdict is Verdict.INCONCLUSIVE
    assert sorted(cell.trials for cell in results.cells) == [0, 1]
    assert load_matrix(out) == results
    assert "The matrix was interrupted." in (out / "report.html").read_text()
    assert nodes_in(out) == []
