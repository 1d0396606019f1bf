"""The main job on a real Cassandra, through the library and through the command, and what happens when it goes wrong."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import meterstorm
from loadtests.cluster.connect import Endpoint, connect
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.grafana.panels import PanelNeed
from reports.results.parts import Verdict
from reports.results.run import Results, Undone, load_results
from scenarios.domain import Operation, mpan_of, mprn_of, premises_of_mpxn
from scenarios.operations import operations_of
from scenarios.spec import Scenario, ScenarioError, load_scenario, parse_scenario
from sim.estate.lookup import prepaid_homes
from sim.estate.model import build_estate
from sim.virtual_time.summary import simulate
from tests.support.programs import require_programs
from tests.support.prometheus import AskedPrometheus, has_prometheus, prometheus_scraping, unanswered
from tests.support.scenario_texts import NIGHT_SAVER, READINGS_ANSWERED, SLOW_MACHINE, TWO_DCS, prices_of_days
from tests.support.scraped import Scraper, free_port, wait_until_gone

SMALL = """
title = "A small day"
[estate]
premises = 60
fuels = ["electricity", "gas"]
upload_window_h = 9.0
[estate.read_schedules]
daily = 0.9
half_hourly = 0.1
[[tariffs]]
name = "one rate"
share = 0.2
rates.all.electricity = "24.6789"
rates.all.gas = "6.0504"
rates.all.export = "15"
standing.electricity = "54.75"
blocks = [
    {{ fuel = "electricity", above_kwh = "1.5", rates = {{ all = "31.5053" }} }},
    {{ fuel = "electricity", above_kwh = "4.25", rates = {{ all = "9.9999" }} }},
    {{ fuel = "gas", above_kwh = "10", rates = {{ all = "5.4321" }} }},
]
{night_saver}[[tariffs]]
name = "before"
share = 0.2
rates.all.electricity = "27.4159"
rates.all.gas = "6.0504"
standing = {{ electricity = "54.75", gas = "29.11" }}
blocks = [{{ fuel = "electricity", above_kwh = "3", rates = {{ all = "31.5053" }} }}]
[tariffs.prepayment]
emergency_pence = "150"
recovered_pence = "12.5"
recovered_each = "day"
friendly = [{{ from = "18:00", to = "10:00", days = ["weekday"] }}]
credit_pence = "100"
debt_pence = "1200"
[[tariffs]]
name = "half hours"
share = 0.3
rates.all.electricity = "20"
rates.all.gas = "6.0504"
series.electricity = [{half_hours}]
[[caps]]
region = "north"
from = 2026-03-01
electricity = "28.0001"
standing.electricity = "50"
[[caps]]
region = "north"
from = 2026-03-30 # the second local day, within the UTC day
electricity = "27.5"
standing.electricity = "45"
[run]
start = 2026-03-29 # has 46 half-hours in London, and a day of BST begins at 23:00 UTC
wall_s = 8
warm_up_s = 1
warm_nodes_s = 0
"""


NODE_HELD_UP = """
[[faults]]
kind = "pause"
target = "north"
at_s = 5.0
for_s = 50.0
"""


def small_text(keyspace: str) -> str:
    """The small scenario; of its local days, of 46 and of 48 half-hours, one tariff has a price for each."""
    small = SMALL.format(night_saver=NIGHT_SAVER.format(share=0.3), half_hours=prices_of_days((46, 48)))
    return small + TWO_DCS.format(keyspace=keyspace) + SLOW_MACHINE + READINGS_ANSWERED


def small_scenario() -> Scenario:
    return parse_scenario(small_text(f"run_{uuid.uuid4().hex[:12]}"), "small")


@pytest.fixture
def endpoint(two_dc_cluster: LocalCluster) -> Endpoint:
    return two_dc_cluster.endpoint("north")


@pytest.fixture(scope="module")
def recorded(two_dc_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scenario, Results]:
    """A run of the small scenario on the shared cluster, for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("recorded") / "run"
    scenario = small_scenario()
    return folder, scenario, meterstorm.run(scenario, folder, endpoint=two_dc_cluster.endpoint("north"))


def test_a_run_proves_that_nothing_is_lost(recorded: tuple[Path, Scenario, Results]) -> None:
    folder, scenario, results = recorded
    assert results.verdict is Verdict.PASS, results.reasons
    audit = results.audit
    assert audit is not None
    meters = scenario.estate.meter_count
    assert results.back_office is not None and results.back_office.exported > 0
    days = meters + results.back_office.exported  # each half-hour in two tables, a day in two views, a month in one
    assert audit.acknowledged == audit.verified == days * (48 + 48 + 1 + 1 + 1)
    assert (audit.lost, audit.wrong, audit.phantom, audit.duplicate, audit.indeterminate) == (0, 0, 0, 0, 0)
    billed = next(rule for rule in audit.rules if rule.rule == "bills add up to the half-hours")
    assert (
        billed.counted > 0 == billed.faults
    )  # blocks, caps that change at midnight and a price each half-hour among them
    assert set(audit.per_dc) == {"north", "south"}
    for counts in audit.per_dc.values():
        assert counts.acknowledged == audit.acknowledged and counts.coordinated > 0
    assert sum(counts.coordinated for counts in audit.per_dc.values()) == audit.acknowledged
    assert all(operation.ok == operation.offered for operation in results.operations.values())
    assert all(operation.ok > 0 for operation in results.operations.values())
    for name in ("results.json", "scenario.resolved.toml", "report.html", "junit.xml", "audits/0001.json"):
        assert (folder / name).stat().st_size > 0
    assert load_results(folder) == results
    assert load_scenario(folder / "scenario.resolved.toml") == scenario


def test_the_same_seed_is_the_same_trace_on_more_shards(
    recorded: tuple[Path, Scenario, Results], endpoint: Endpoint, tmp_path: Path
) -> None:
    _, scenario, results = recorded
    other = scenario.model_copy(
        update={"topology": scenario.topology.model_copy(update={"keyspace": f"run_{uuid.uuid4().hex[:12]}"})}
    )
    sharded = meterstorm.run(other, tmp_path / "run", endpoint=endpoint, shard_count=2)
    assert sharded.digest == results.digest
    assert sharded.verdict is Verdict.PASS, sharded.reasons
    for name in operations_of(scenario):
        assert sharded.operations[name].ok == results.operations[name].ok > 0, name
    assert sharded.audit is not None and results.audit is not None
    assert sharded.back_office is not None and results.back_office is not None
    exports = 99 * (
        sharded.back_office.exported - results.back_office.exported
    )  # which it gets round to is its own pace
    assert sharded.audit.acknowledged == sharded.audit.verified == results.audit.acknowledged + exports > 0


EVERYTHING = """
title = "A little of everything"
[estate]
premises = 300
fuels = ["electricity", "gas"]
upload_window_h = 9.0
schedule_changes = [{ to = "half_hourly", share = 0.1, from_h = 2.0, until_h = 20.0 }]
[estate.read_schedules]
daily = 0.839
half_hourly = 0.1
monthly = 0.06
ten_second = 0.001
[estate.meter_types]
register_only = 0.1
profile = 0.8
ten_second = 0.05
import_export = 0.05
[reads]
gap_share = 0.01
duplicate_share = 0.02
settlement_runs = [{ name = "sf", after_days = 1, share = 0.01 }]
[alerts]
per_hub_day = 0.3
[traffic]
bill_per_premises_day = 0.2
ihd_refresh_per_premises_day = 0.2
comparison_per_premises_day = 0.2
[[campaigns]]
name = "price"
kind = "update_price"
share = 0.3
at_h = 1.0
over_h = 4.0
effective_h = 12.0
success = 0.95
refusal = 0.02
duplicate = 0.1
timeout_s = 120.0
backoff_s = 60.0
attempts_max = 3
[[campaigns]]
name = "top_up"
kind = "top_up"
prepayment_only = true
pays_pence = "150"
at_h = 2.0
over_h = 9.0
success = 0.8
attempts_max = 3
timeout_s = 120.0
backoff_s = 60.0
duplicate = 0.2
[[tariffs]]
name = "credit"
share = 0.9
rates.all = { electricity = "24.6789", gas = "6.0504", export = "15" }
[[tariffs]]
name = "before"
share = 0.1
rates.all = { electricity = "27.4159", gas = "6.0504", export = "15" }
standing = { electricity = "54.75", gas = "29.11" }
prepayment = { recovered_pence = "12.5", recovered_each = "day", credit_pence = "60", debt_pence = "1200" }
[run]
start = 2026-06-30 # July begins in London at 23:00 UTC
wall_s = 12
warm_up_s = 1
warm_nodes_s = 0
[[faults]] # what every client of the store lives through
kind = "schema_change"
target = "events_by_home"
at_s = 2.0
for_s = 4.0
[[faults]]
kind = "kill_gateway"
target = "north"
at_s = 1.0
for_s = 1.5
"""


@dataclasses.dataclass(frozen=True)
class WatchedRun:
    """A run of a little of everything, what its metrics said meanwhile, and a Prometheus that has them all."""

    scenario: Scenario
    results: Results
    scraper: Scraper
    prometheus: AskedPrometheus | None
    span_s: tuple[float, float]  # of the epoch


@pytest.fixture(scope="module")
def watched(two_dc_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedRun]:
    folder, port = tmp_path_factory.mktemp("watched"), free_port()
    topology = TWO_DCS.format(keyspace=f"run_{uuid.uuid4().hex[:12]}")
    scenario = parse_scenario(EVERYTHING + topology + SLOW_MACHINE, "everything")
    with contextlib.ExitStack() as running:
        prometheus = None
        if has_prometheus():
            prometheus = running.enter_context(prometheus_scraping(port, folder / "prometheus"))
        started_s = time.time()
        with Scraper(port) as scraper:
            results = meterstorm.run(
                scenario,
                folder / "run",
                endpoint=two_dc_cluster.endpoint("north"),
                metrics_port=port,
                monitor=has_prometheus(),
            )
            wait_until_gone(port)
        yield WatchedRun(scenario, results, scraper, prometheus, (started_s, time.time()))


def test_every_kind_of_message_is_carried_and_audited(watched: WatchedRun) -> None:
    scenario, results = watched.scenario, watched.results
    assert results.verdict is Verdict.PASS, results.reasons
    sent = set(operations_of(scenario)) | {
        Operation.CREATE_COMMAND,
        Operation.SEND_COMMAND,
        Operation.END_COMMAND,
        Operation.POLL_INBOX,
        Operation.FIND_DUE,
    }
    for operation in sent:
        assert results.operations[operation].ok > 0, operation
    assert results.audit is not None and results.audit.acknowledged == results.audit.verified > 50_000
    for table in ("ten_seconds_by_home", "alerts_by_home", "preferences_by_home"):
        assert results.audit.tables[table].verified > 0
    assert {rule.faults for rule in results.audit.rules} == {0} and all(rule.counted for rule in results.audit.rules)
    # the devices' draws decide how each command ends: the store must have it so
    simulated = simulate(scenario).campaigns
    assert results.commands is not None
    names = sum((Counter({state.name: count for state, count in one.states.items()}) for one in simulated), Counter())
    assert Counter({state: count for state, count in results.commands.states.items() if count}) == names
    attempts = sum(one.attempts for one in simulated)
    assert results.commands.attempts == attempts > sum(one.targets for one in simulated)
    # an account of each fuel of each prepaid home, and a payment of each top-up that its meter acknowledged
    homes = len(prepaid_homes(build_estate(scenario)))
    paid = {state.name: count for state, count in simulated[1].states.items()}["APPLIED"]
    rules = {rule.rule: rule for rule in results.audit.rules}
    for dc in ("north", "south"):
        assert rules[f"prepaid accounts hold each payment once, in {dc}"].counted == 2 * homes + paid > 2 * homes > 0
    for came in results.faults:
        assert came.effective_s is not None and came.back_s is not None
    assert results.commands.setbacks > 0  # the gateway died in a call, and went on from what the store held


def test_metrics_of_a_run_are_what_its_results_say(watched: WatchedRun) -> None:
    results, scraper = watched.results, watched.scraper
    assert len(scraper.looks) > 20 and scraper.failed == [] == scraper.fell()
    for name, one in results.operations.items():
        loop = "open" if one.is_open_loop else "closed"
        told = {
            outcome: scraper.last("meterstorm_operations_total", operation=name, loop=loop, outcome=outcome)
            for outcome in ("ok", "failed", "indeterminate")
        }
        if one.is_open_loop:
            assert told == {"ok": one.ok, "failed": one.failed, "indeterminate": one.indeterminate}, name
            assert scraper.last("meterstorm_operations_offered_total", operation=name, loop=loop) == one.offered
            assert scraper.last("meterstorm_response_seconds_count", operation=name, loop=loop) == one.ok + one.failed
            assert scraper.last_sum("meterstorm_dc_operations_total", operation=name, outcome="ok") == one.ok
        else:  # what was asked before the storm's start is no part of the results
            assert told["ok"] >= one.ok > 0
    assert results.audit is not None and results.back_office is not None and results.commands is not None
    assert scraper.last("meterstorm_audit_facts", verdict="verified") == results.audit.verified
    assert scraper.last("meterstorm_audit_facts", verdict="lost") == 0
    for dc, counts in results.audit.per_dc.items():
        assert scraper.last("meterstorm_audit_dc_facts", dc=dc, verdict="verified") == counts.verified
    assert sum(scraper.looks[-1][one] for one in scraper.looks[-1] if one[0] == "meterstorm_rule_faults") == 0
    assert scraper.last("meterstorm_bills_issued_total") == results.back_office.bills > 0
    states = {
        state: sum(scraper.last("meterstorm_commands", dc=dc, state=state.lower()) for dc in ("north", "south"))
        for state in results.commands.states
    }
    assert states == results.commands.states
    assert {scraper.last("meterstorm_commands_oldest_due_seconds", dc=dc) for dc in ("north", "south")} == {0.0}


def test_metrics_show_faults_and_what_they_do_while_they_last(watched: WatchedRun) -> None:
    scraper = watched.scraper
    for kind, target in (("schema_change", "events_by_home"), ("kill_gateway", "north")):
        seen = scraper.of("meterstorm_fault_active", kind=kind, target=target)
        assert 1.0 in seen and seen[0] == 0.0 == seen[-1]
    assert max(scraper.of("meterstorm_commands_oldest_due_seconds", dc="north")) > 1.0  # while it was dead
    for pair in (("north", "south"), ("south", "north")):
        lags = scraper.of("meterstorm_visibility_lag_seconds", from_dc=pair[0], to_dc=pair[1])
        assert lags and 0 < min(lags) < 5
    phases = [
        [dict(labels)["phase"] for (name, labels), value in look.items() if name == "meterstorm_run_phase" and value]
        for look in scraper.looks
    ]
    told = list(dropwhile(lambda one: not one, phases))  # it may be looked at before the first begins
    assert all(len(one) == 1 for one in told) and {"storm", "audit"} <= {name for one in told for name in one}
    shares = scraper.of("meterstorm_settlement_completeness_ratio")
    assert 0 <= min(shares) < 0.5 < max(shares) <= 1
    assert 0 < scraper.last("meterstorm_readings_estimated_ratio") < 0.2
    assert 1.0 in scraper.of("meterstorm_settlement_deadline_passed")


def test_a_run_on_an_existing_cluster_is_watched_through_cql(watched: WatchedRun) -> None:
    if watched.prometheus is None:
        require_programs("prometheus")
    told = watched.results.monitoring
    assert told is not None and told.trouble is None
    assert told.missing == ()


NOT_HERE = {PanelNeed.NODE_EXPORTER, PanelNeed.LOCAL_NODES}  # the shared cluster is an existing one


def test_every_expression_of_the_dashboards_has_an_answer_in_prometheus(watched: WatchedRun) -> None:
    if watched.prometheus is None:
        require_programs("prometheus")
    prometheus = watched.prometheus
    assert prometheus is not None
    asked, empty = unanswered(prometheus, watched.span_s, lambda panel: not NOT_HERE & set(panel.needs))
    assert asked > 35 and empty == []
    assert prometheus.values("meterstorm_nothing", *watched.span_s) == []  # as a name that there is not would be


SENDER_KILLED = """
[[faults]]
kind = "kill_sender"
target = "sender-2"
at_s = 3.0
for_s = 1.0
"""


@pytest.mark.long
def test_a_run_that_loses_a_sender_says_so_and_is_inconclusive(endpoint: Endpoint, tmp_path: Path) -> None:
    scenario = parse_scenario(small_text(f"run_{uuid.uuid4().hex[:12]}") + SENDER_KILLED, "small")
    with pytest.raises(ScenarioError, match="there is no sender-2: --shards 1 has so many"):
        meterstorm.run(scenario, tmp_path / "run", endpoint=endpoint)
    results = meterstorm.run(scenario, tmp_path / "run", endpoint=endpoint, shard_count=2)
    assert results.verdict is Verdict.INCONCLUSIVE
    assert results.trouble == (
        "A fault of the scenario killed sender 2: what it had still to send was not sent, and what was under way is in doubt.",
    )
    assert Undone.STORM in results.undone
    audit, reading = results.audit, results.operations[Operation.INGEST_READING]
    assert audit is not None and audit.acknowledged == audit.verified > 0 == audit.lost
    assert reading.ok > 0 and results.faults[0].effective_s is not None
    assert nodes_below(tmp_path) == []


ALTERATIONS = {
    "events_by_home": ("UPDATE {t} SET register_wh = 1", "DELETE FROM {t}"),
    "intervals_by_home": ("UPDATE {t} SET values_wh = [1]", "DELETE FROM {t}"),
    "usage_by_fuel": ("UPDATE {t} SET usage_wh = 1", "DELETE FROM {t}"),
    "billing_by_home": ("UPDATE {t} SET cost_upence = 1", "DELETE FROM {t}"),
    "latest_by_home": ("UPDATE {t} SET register_wh = 1", "DELETE FROM {t}"),
}


@pytest.fixture(scope="module")
def tampered(
    recorded: tuple[Path, Scenario, Results], two_dc_cluster: LocalCluster
) -> tuple[Results, dict[str, set[int]]]:
    """What an audit says after a row of each table was altered and another deleted by hand, and the homes of both by table."""
    folder, scenario, _ = recorded
    endpoint, keyspace = two_dc_cluster.endpoint("north"), scenario.topology.keyspace
    driver, session = connect(endpoint)
    homes = {}
    try:
        for table, statements in ALTERATIONS.items():
            key = [column.name for column in driver.metadata.keyspaces[keyspace].tables[table].primary_key]
            rows = list(session.execute(f"SELECT * FROM {keyspace}.{table} LIMIT 2"))
            for statement, row in zip(statements, rows, strict=True):
                where = " AND ".join(f"{column} = %s" for column in key)
                text = f"{statement.format(t=f'{keyspace}.{table}')} WHERE {where}"
                session.execute(text, [getattr(row, column) for column in key])
            homes[table] = {row.premises for row in rows}
        accounts = f"{keyspace}.prepayment_by_home"
        lost, paid = session.execute(f"SELECT * FROM {accounts} LIMIT 2")
        key = "premises = %s AND fuel = %s AND at = %s AND kind = %s AND reference = %s"
        session.execute(f"DELETE FROM {accounts} WHERE {key}", lost[:5])
        into = "(premises, fuel, at, kind, reference, amounts) VALUES (%s, %s, %s, 1, 9, [1000000])"
        session.execute(f"INSERT INTO {accounts} {into}", paid[:3])  # another one has paid, or the same one twice
    finally:
        driver.shutdown()
    return meterstorm.audit(folder, endpoint=endpoint, settle_s=0), homes


@pytest.mark.parametrize("table", ALTERATIONS)
def test_a_row_altered_or_deleted_by_hand_is_found_and_named(
    tampered: tuple[Results, dict[str, set[int]]], table: str
) -> None:
    audited, homes = tampered
    assert audited.verdict is Verdict.FAIL
    assert audited.audit is not None
    kinds = {example.kind for example in audited.audit.examples if example.table == table}
    assert "lost" in kinds and kinds & {"wrong", "phantom"}
    lost = next(example for example in audited.audit.examples if example.table == table and example.kind == "lost")
    assert premises_of_mpxn(np.array([lost.mpxn]))[0].tolist()[0] in homes[table]
    assert lost.slot is not None and lost.slot_start is not None


def test_an_account_that_is_gone_and_a_payment_that_nobody_made_are_found(
    tampered: tuple[Results, dict[str, set[int]]],
) -> None:
    audit = tampered[0].audit
    assert audit is not None
    rules = {rule.rule: rule for rule in audit.rules}
    for dc in ("north", "south"):
        found = rules[f"prepaid accounts hold each payment once, in {dc}"]
        assert found.faults == 2 and {
            " in the account" in one or "nobody made it" in one for one in found.examples
        } == {True}
    assert rules["prepaid balances are what was paid and used"].faults > 0


def test_a_folder_that_holds_a_run_is_refused(recorded: tuple[Path, Scenario, Results], endpoint: Endpoint) -> None:
    folder, scenario, _ = recorded
    with pytest.raises(ScenarioError, match="already holds something; name a new folder"):
        meterstorm.run(scenario, folder, endpoint=endpoint)


def test_a_keyspace_with_rows_is_refused(
    recorded: tuple[Path, Scenario, Results], endpoint: Endpoint, tmp_path: Path
) -> None:
    _, scenario, _ = recorded
    with pytest.raises(HarnessError, match=r"already holds rows.*name a new keyspace"):
        meterstorm.run(scenario, tmp_path / "run", endpoint=endpoint)


def test_dcs_that_the_cluster_lacks_are_named(endpoint: Endpoint, tmp_path: Path) -> None:
    scenario = small_scenario()
    dcs = tuple(dc.model_copy(update={"name": f"{dc.name}_x"}) for dc in scenario.topology.dcs)
    other = scenario.model_copy(update={"topology": scenario.topology.model_copy(update={"dcs": dcs})})
    with pytest.raises(HarnessError, match="north_x"):
        meterstorm.run(other, tmp_path / "run", endpoint=dataclasses.replace(endpoint, local_dc="north_x"))


def command(*arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "meterstorm.cli.app", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(meterstorm.__file__).parent.parent)},
        **options,
    )


def nodes_below(folder: Path) -> list[psutil.Process]:
    """JVMs and senders whose command line or working files lie in the folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]


def await_line(process: subprocess.Popen[str], words: str, timeout_s: float) -> None:
    assert process.stderr is not None
    deadline = time.monotonic() + timeout_s
    for line in process.stderr:
        if words in line:
            return
        assert time.monotonic() < deadline, f"no {words!r} within {timeout_s} s"
    raise AssertionError(f"the command ended without {words!r}")


def await_none_below(folder: Path, timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while left := nodes_below(folder):
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.2)


@pytest.mark.long
@pytest.mark.timeout(900)  # four starts of two nodes, on whatever machine
def test_keep_alter_audit_through_the_command(tmp_path: Path) -> None:
    """The tale of the README: run --keep, a row altered by hand while the nodes are up, audit finds it and exits 1."""
    (tmp_path / "small.toml").write_text(small_text("meterstorm"))
    run = command("run", "small.toml", "--out", "kept", "--keep", "--json", "--quiet", cwd=tmp_path)
    out, errors = run.communicate(timeout=400)
    assert run.returncode == 0, errors
    assert json.loads(out)["verdict"] == "pass"
    await_none_below(tmp_path)

    again = command("audit", "kept", "--json", cwd=tmp_path)
    out, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert json.loads(out)["audit"]["verified"] == json.loads(out)["audit"]["acknowledged"]
    assert (tmp_path / "kept" / "audits" / "0002.json").exists()

    with LocalCluster.restart(tmp_path / "kept" / "cluster") as cluster:
        driver, session = connect(cluster.endpoint())
        row = session.execute("SELECT * FROM meterstorm.intervals_by_home LIMIT 1").one()
        session.execute(
            "DELETE FROM meterstorm.intervals_by_home WHERE premises = %s AND month = %s AND fuel = %s "
            "AND interval_start = %s AND slot_count = %s",
            [row.premises, row.month, row.fuel, row.interval_start, row.slot_count],
        )
        driver.shutdown()
    altered = command("audit", "kept", "--settle-s", "0", cwd=tmp_path)
    out, errors = altered.communicate(timeout=300)
    assert altered.returncode == 1, errors
    mpxn = (mpan_of, mprn_of)[row.fuel](np.array([row.premises]))[0]
    assert f"meter {mpxn}" in out and "lost" in out
    await_none_below(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_end_in_the_middle_of_the_storm_leaves_nothing_running(tmp_path: Path, how: signal.Signals) -> None:
    """Nor does it while the only node is held up by a fault of the scenario, which Ctrl-C heals first; nor Prometheus."""
    text = small_text("meterstorm").replace("wall_s = 8", "wall_s = 60")
    text = text.replace(', { name = "south", nodes = 1, rf = 1 }', "") + NODE_HELD_UP
    (tmp_path / "small.toml").write_text(text)
    require_programs("prometheus")
    port = free_port()
    run = command("run", "small.toml", "--monitor", "--out", "out", "--metrics-port", str(port), cwd=tmp_path)
    with Scraper(port) as scraper:
        await_line(run, "60 s:", 200)
        time.sleep(8)  # some hours of the simulated day: half-hourly meters have pushed
        give_up_s = time.monotonic() + 60
        while not any(scraper.of("meterstorm_probes_total", dc="north", action="write", outcome="failed")):
            assert time.monotonic() < give_up_s, "no probe has failed, and the only node is held up"
            time.sleep(0.2)
        run.send_signal(how)
        run.communicate(timeout=300)
    await_none_below(tmp_path)
    wait_until_gone(port)
    assert scraper.failed == [] == scraper.fell() and max(scraper.of("meterstorm_fault_active", kind="pause")) == 1
    assert max(scraper.of("meterstorm_node_cpu_cores", node="north-1", dc="north")) > 0
    assert scraper.last("meterstorm_node_disk_free_bytes", node="north-1", dc="north") > 2**20
    if how is signal.SIGINT:
        assert run.returncode == 4
        results = load_results(tmp_path / "out")
        assert results.verdict is Verdict.INCONCLUSIVE
        assert any("interrupted" in reason for reason in results.reasons)
        assert results.audit is not None and results.audit.acknowledged > 0 and results.audit.lost == 0
        (held_up,) = results.faults
        assert held_up.effective_s is not None and held_up.back_s is not None
        assert 5.0 <= held_up.effective_s <= held_up.back_s < 55.0
        assert results.monitoring is not None and results.monitoring.trouble is None
        assert results.monitoring.unexpected == ()
