"""Campaigns through the real Cassandra, over two home DCs: each command ends as the simulator says, and the audit is content."""

import threading
import time
import uuid

import pytest

from loadtests.audit.rules.commands import audit_commands
from loadtests.audit.rules.commands_read import audit_stored_commands, expected_outcomes, read_commands
from loadtests.audit.rules.scanned_answers import ScannedStatements
from loadtests.backend.command_control import SimulatedMeters, StoreControl, work_stride
from loadtests.backend.command_gateway import due_index, plan_of, run_gateway
from loadtests.backend.command_plan import Registry
from loadtests.backend.timed_statements import RequestLog
from loadtests.cluster.connect import connect
from loadtests.recording.history import read_history
from loadtests.workload.experiment import Experiment
from scenarios.domain import Operation
from scenarios.spec import Scenario
from sim.control.closed_loop import Responder
from sim.estate.model import build_estate
from store.cassandra import create_schema
from store.cassandra.commands import CassandraCommandTables
from store.cassandra.session import Statements
from store.commands.store import CommandStore
from store.operations import StoreOperation
from store.schemas import SCHEMAS

SCHEMA = "home_months"
PRICE = {
    "name": "price",
    "kind": "update_price",
    "at_h": 1.0,
    "over_h": 2.0,
    "effective_h": 12.0,
    "attempts_max": 3,
    "timeout_s": 120.0,
    "backoff_s": 60.0,
    "success": 0.95,
    "refusal": 0.02,
    "duplicate": 0.1,
}
SILENT = PRICE | {"name": "firmware", "kind": "update_firmware", "effective_h": None, "share": 0.2, "success": 0.4}
COMMAND_OPERATIONS = {
    Operation.CREATE_COMMAND,
    Operation.SEND_COMMAND,
    StoreOperation.WAIT_COMMAND,
    Operation.POLL_INBOX,
    Operation.ANSWER_COMMAND,
    Operation.END_COMMAND,
    StoreOperation.READ_COMMAND,
    StoreOperation.READ_ATTEMPTS,
    StoreOperation.SCHEDULE_DUE,
    Operation.FIND_DUE,
    StoreOperation.CLEAR_DUE,
    StoreOperation.READ_DUE_CLEARED,
    StoreOperation.REPORT_STATE,
    StoreOperation.READ_METER_STATE,
}


def scenario_of(keyspace, premises=150):
    return Scenario.model_validate(
        {
            "title": "commands",
            "estate": {"premises": premises},
            "campaigns": [PRICE, SILENT],
            "topology": {
                "keyspace": keyspace,
                "dcs": [{"name": "north", "nodes": 1, "rf": 1}, {"name": "south", "nodes": 1, "rf": 1}],
            },
            "run": {"wall_s": 8, "warm_up_s": 0},
        }
    )


@pytest.fixture
def scenario(session):
    made = scenario_of(f"gateway_{uuid.uuid4().hex[:12]}")
    create_schema(session, SCHEMAS[SCHEMA], made.topology)
    yield made
    session.execute(f"DROP KEYSPACE {made.topology.keyspace}", timeout=60)


def test_a_run_of_campaigns_ends_every_command_in_one_state(scenario, two_dc_cluster, tmp_path):
    estate = build_estate(scenario)
    experiment = Experiment(scenario=scenario, estate=estate, endpoint=two_dc_cluster.endpoint())
    log, zero_ns = RequestLog(), time.monotonic_ns()
    result = run_gateway(experiment, zero_ns=zero_ns, log=log, stop=threading.Event())
    expected = {}
    for dc in range(2):
        expected |= expected_outcomes(plan_of(scenario, estate, dc), estate)
    assert result.states.total() == len(expected) > 150
    assert set(result.states) == {"APPLIED", "REJECTED", "EXHAUSTED"}
    assert result.drifts == result.mending_states.total() == result.states["REJECTED"] + result.states["EXHAUSTED"]
    assert result.replays > 0
    assert result.illegal == 0
    audit = audit_stored_commands(experiment, is_complete=True)
    assert audit.examples == []
    assert audit.commands == len(expected) + result.drifts
    assert set(log.counts()) == COMMAND_OPERATIONS
    assert all(one["failed"] == one["indeterminate"] == 0 for one in log.counts().values())
    log.write(tmp_path / "part", zero_ns)
    history = read_history(tmp_path / "part")
    sent = history.counts[Operation.SEND_COMMAND]["ok"].sum()
    assert sent == log.counts()[Operation.SEND_COMMAND]["ok"] > result.attempts  # those that mend come on top
    assert result.attempts == sum(outcome.attempts for outcome in expected.values())


def test_a_gateway_that_is_started_anew_every_hour_goes_on(scenario, two_dc_cluster):
    estate = build_estate(scenario)
    plan, meters = plan_of(scenario, estate, 0), SimulatedMeters(Responder(parameters=estate.packed))
    driver, session = connect(two_dc_cluster.endpoint())
    try:
        tables = CassandraCommandTables(Statements(session, SCHEMAS[SCHEMA], scenario.topology))
        for until_h in range(1, 6):
            index = due_index(scenario, 0)
            store = CommandStore(tables, find_device=Registry(estate), index=index, since_us=plan.start_us)
            meters.redeliver(store.cleared_us() - plan.start_us)
            control = StoreControl(store, plan)
            for until_us in range(600_000_000, until_h * 3_600_000_000 + 1, 600_000_000):
                if until_us > control.next_us:
                    work_stride(control, meters, until_us)
        devices = sorted({id_.target for id_ in plan.ids()})
        reads, states = read_commands(tables, devices)
        scans = ScannedStatements(session, SCHEMAS[SCHEMA], scenario.topology, devices=devices)
        assert read_commands(CassandraCommandTables(scans), devices) == (reads, states)
        some = ScannedStatements(session, SCHEMAS[SCHEMA], scenario.topology, devices=devices[3:5])
        asked = read_commands(tables, devices[3:5])
        assert read_commands(CassandraCommandTables(some), devices[3:5]) == asked and asked[0]
    finally:
        driver.shutdown()
    audit = audit_commands(reads, states, expected_outcomes(plan, estate), is_complete=True)
    assert audit.examples == []
    assert audit.commands > 80


def test_a_gateway_that_is_stopped_leaves_open_what_is_open(scenario, two_dc_cluster):
    experiment = Experiment(scenario=scenario, estate=build_estate(scenario), endpoint=two_dc_cluster.endpoint())
    stop = threading.Event()
    stop.set()
    result = run_gateway(experiment, zero_ns=time.monotonic_ns(), log=RequestLog(), stop=stop)
    assert result.states.total() == 0
    audit = audit_stored_commands(experiment, is_complete=True)
    assert set(audit.faults) == {"recorded"}  # as it is, a run that was interrupted may not be judged as a whole one
