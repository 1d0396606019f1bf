"""A run whose data centres are sites of their own, with distance between them, by the command; and one that forbids itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loadtests.sites.enclosure import obstacle
from reports.results.parts import Verdict
from reports.results.run import load_results
from tests.support.scenario_texts import SLOW_MACHINE
from tests.support.scraped import Scraper, free_port, wait_until_gone

SITES = """
title = "Two sites"
[estate]
premises = 60
fuels = ["electricity"]
upload_window_h = 24.0
[estate.read_schedules]
daily = 1.0
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }, { name = "south", nodes = 1, rf = 1 }]
[topology.wan]
delay_ms = 30.0
[topology.consistency.operations]
read_state = "EACH_QUORUM"
[run]
wall_s = 12
back_office = false
[[faults]]
kind = "partition"
target = "south"
at_s = 3.0
for_s = 3.0
[[faults]]
kind = "heap_pressure"
target = "south"
at_s = 7.0
for_s = 2.0
heap_share = 0.3
"""


def meterstorm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "meterstorm.cli.app", *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_sites_are_parted_in_a_storm_and_hold_the_same_in_the_end(tmp_path: Path) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"this machine forbids namespaces: {reason}")
    (tmp_path / "sites.toml").write_text(SITES.replace('read_state = "EACH_QUORUM"\n', "") + SLOW_MACHINE)
    port = free_port()
    with Scraper(port) as scraper:  # which is outside, in the machine's own network
        ran = meterstorm(
            *("run", str(tmp_path / "sites.toml"), "--out", str(tmp_path / "run"), "--json", "-q"),
            *("--metrics-port", str(port)),
        )
    wait_until_gone(port)
    assert ran.returncode == 0, ran.stderr + ran.stdout[-2_000:]
    results = load_results(tmp_path / "run")
    assert results.verdict is Verdict.PASS, results.reasons
    assert json.loads(ran.stdout)["topology"]["wan_emulated"] is True
    assert results.wan is not None and results.wan.no_room == 0
    by_pair = {link.between: link for link in results.wan.links}
    assert by_pair["north", "south"].quality == "30 ms"
    assert by_pair["north", "south"].cut > 0 == by_pair["field", "north"].cut
    assert all(link.packets > 0 for link in by_pair.values())
    for fault in results.faults:
        assert fault.effective_s is not None and fault.back_s is not None, fault.kind
    assert results.replication is not None
    (loss,) = results.replication.losses
    assert (loss.kind, loss.dc, loss.other) == ("partition", "south", "north") and loss.probes > 0
    for course in results.replication.courses:  # one way in peace, less what an acknowledgement takes; parted for 3 s
        assert course.lag_ms is not None and 15 < course.lag_ms.p50 < 3_000, course
        assert course.lag_ms.max > 3_000 or course.unseen > 0, (
            course
        )  # what hints had not brought yet has waited longer
    assert scraper.failed == [] and {*scraper.of("meterstorm_fault_active", kind="partition")} == {0.0, 1.0}
    lags_s = scraper.of("meterstorm_visibility_lag_seconds", from_dc="north", to_dc="south")
    assert 0.025 < min(lags_s) < 2 < max(lags_s)  # one way in peace, and until it is healed while they are parted
    assert results.audit is not None
    assert results.audit.acknowledged == results.audit.verified > 1_000
    assert not any("10.77." in " ".join(one.cmdline()) for one in psutil.process_iter() if one.status() != "zombie")


def test_a_run_that_the_emulated_wan_could_not_carry_starts_no_node(tmp_path: Path) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"this machine forbids namespaces: {reason}")
    (tmp_path / "much.toml").write_text(
        SITES.partition("[[faults]]")[0].replace("premises = 60", "premises = 26_000_000")
    )
    ran = meterstorm("run", str(tmp_path / "much.toml"), "--out", str(tmp_path / "run"), "-q")
    assert ran.returncode == 3
    assert "MB/s on this machine, and the run would send at least " in ran.stderr, ran.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["much.toml"]
