"""Every alert, held by Prometheus' own tool against series worked by hand: one course in which it fires, and one in which not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from loadtests.prometheus.alerts import PLANNED_FAULT, Severity
from loadtests.prometheus.objectives import FAST, SLOW, windows_s
from loadtests.prometheus.rules import RECORDED, alerts_for, duration, rules_yaml
from scenarios.spec import Scenario
from tests.support.programs import require_programs, said

# A run of 300 s: what is owed to customers is late after 60 s. 1 % of ingest_reading may fail, or take longer than 100 ms.
SCENARIO = Scenario.model_validate(
    {
        "title": "small",
        "estate": {"premises": 50},
        "topology": {"dcs": [{"name": "north", "nodes": 2, "rf": 2}]},
        "run": {"wall_s": 300.0},
        "slo": [{"operation": "ingest_reading", "response_ms_max": 100.0, "error_share_max": 0.01}],
    }
)
ALERTS = {(alert.name, alert.severity): alert for alert in alerts_for(SCENARIO, 1.0)}
OBJECTIVE = {"operation": "ingest_reading", "objective": "p99 100 ms"}


class Course(NamedTuple):
    """Series as promtool writes them ('1x9': 1 ten times, '0+5x9': 0, 5, ... 45), one value a second, and what fires at one."""

    alert: str
    series: Mapping[str, str]
    at_s: int
    fires: Sequence[tuple[Mapping[str, str], str]] = ()  # labels of its own and summary
    severity: Severity = Severity.PAGE


def node(name: str, metric: str = "up", **labels: str) -> str:
    every = {"job": "cassandra", "dc": "north", "node": name, "instance": f"{name}:9404", **labels}
    told = ", ".join(f'{key}="{value}"' for key, value in every.items())
    return f"{metric}{{{told}}}"


NORTH_1 = {"dc": "north", "node": "north-1", "instance": "north-1:9404", "job": "cassandra"}
SERVES = {node("north-1"): "1x60", node("north-1", "cassandra_client_connections"): "3x60"}
ALSO_SERVES = {node("north-2"): "1x60", node("north-2", "cassandra_client_connections"): "3x60"}
READS = 'meterstorm_probes_total{dc="north", action="read", outcome="%s"}'
SENT = 'meterstorm_operations_total{operation="ingest_reading", loop="open", outcome="%s"}'
ANSWERED = 'meterstorm_response_seconds_%s{operation="ingest_reading", loop="open"%s}'
DISK = 'meterstorm_node_disk_%s_bytes{dc="north", node="north-1", job="meterstorm"}'
DISK_LABELS = {"dc": "north", "node": "north-1", "job": "meterstorm"}

CLOCK = 'meterstorm_clock_ahead_seconds{dc="north", node="%s", job="meterstorm"}'

COURSES = [
    # It answers for 5 s and no more; told 5 s later.
    Course(
        "CassandraNodeDown",
        {
            node("north-1"): "1x5 0x60",
            node("north-1", "cassandra_client_connections"): "3x5 stale _x60",
            **ALSO_SERVES,
        },
        11,
        [(NORTH_1, "Node north-1 of data centre north does not serve.")],
    ),
    Course(
        "CassandraNodeDown",
        {
            node("north-1"): "1x5 0x1 1x60",  # two scrapes failed
            node("north-1", "cassandra_client_connections"): "3x5 stale stale 3x60",
        },
        7,
    ),
    # Its agent answers, and the node does not take clients yet.
    Course(
        "CassandraNodeDown",
        {node("north-1"): "1x60"},
        9,
        [(NORTH_1, "Node north-1 of data centre north does not serve.")],
    ),
    Course(
        "DataCentresApart",
        {**SERVES, **ALSO_SERVES, node("north-1", "cassandra_endpoints", state="Up"): "2x9 1x60"},
        50,
        [({"dc": "north"}, "Nodes of data centre north don't hear others, which serve.")],
    ),
    Course(  # north-2 serves again since 19 s ago, and north-1 has not heard of it yet
        "DataCentresApart",
        {
            **SERVES,
            node("north-2"): "0x20 1x60",
            node("north-2", "cassandra_client_connections"): "_x20 3x60",
            node("north-1", "cassandra_endpoints", state="Up"): "1x60",
        },
        40,
    ),
    Course(  # north-2 is down itself
        "DataCentresApart",
        {**SERVES, node("north-2"): "0x60", node("north-1", "cassandra_endpoints", state="Up"): "2x9 1x60"},
        50,
    ),
    Course(  # north-3 has left: it is no target any more, and to the others it is down
        "DataCentresApart",
        {
            **SERVES,
            **ALSO_SERVES,
            node("north-1", "cassandra_endpoints", state="Up"): "3x9 2x60",
            node("north-1", "cassandra_endpoints", state="Down"): "0x9 1x60",
        },
        50,
    ),
    Course(
        "DataCentreUnavailable",
        {READS % "ok": "0+1x9 9x60", READS % "failed": "0x9 0+1x60"},
        40,
        [({"dc": "north", "action": "read"}, "Most read probes in data centre north fail.")],
    ),
    Course("DataCentreUnavailable", {READS % "ok": "0+3x60", READS % "failed": "0+1x60"}, 40),
    Course(
        "RequestsUnavailable",
        {node("north-1", "cassandra_client_request_unavailables_total", request="Read"): "0x9 0+4x60"},
        20,
        [({"dc": "north", "request": "Read"}, "Data centre north refuses Read requests: too few replicas are up.")],
    ),
    Course(
        "RequestsUnavailable",
        {node("north-1", "cassandra_client_request_unavailables_total", request="Read"): "7x60"},
        20,
    ),
    Course(  # the counter of a peer begins with its first
        "HintsNotStored",
        {node("north-1", "cassandra_hints_not_stored_total", peer="10.0.0.2"): "_x30 5x60"},
        40,
        [
            (
                {"dc": "north", "node": "north-1"},
                "Node north-1 has stopped keeping what another node lacks: that one needs repair.",
            )
        ],
    ),
    Course("HintsNotStored", {node("north-1", "cassandra_hints_not_stored_total", peer="10.0.0.2"): "5x400"}, 390),
    # 40 of 1,000 MB are free.
    Course(
        "DiskFull",
        {DISK % "free": "40000000x60", DISK % "size": "1000000000x60"},
        10,
        [(DISK_LABELS, "The disk of node north-1 is full, or will be within four hours.")],
    ),
    # 100 kB go a second, 1.4 GB in four hours: a burst of half a minute says nothing of them, ten minutes of it do.
    Course("DiskFull", {DISK % "free": "250000000-100000x60", DISK % "size": "1000000000x60"}, 30),
    Course(
        "DiskFull",
        {DISK % "free": "310000000-100000x660", DISK % "size": "1000000000x660"},
        640,
        [(DISK_LABELS, "The disk of node north-1 is full, or will be within four hours.")],
    ),
    Course("DiskFull", {DISK % "free": "250000000x60", DISK % "size": "1000000000x60"}, 30),
    Course(
        "CompactionDebt",
        {node("north-1", "cassandra_compaction_pending_tasks"): "101x90"},
        70,
        [(NORTH_1, "Node north-1 has 101 compactions to do.")],
        Severity.WARN,
    ),
    Course(
        "CompactionDebt", {node("north-1", "cassandra_compaction_pending_tasks"): "100x90"}, 70, severity=Severity.WARN
    ),
    Course(
        "MessagesDropped",
        {node("north-1", "cassandra_dropped_messages_total", message="MUTATION_REQ"): "0x9 0+1x60"},
        20,
        [({"dc": "north", "node": "north-1"}, "Node north-1 drops messages that have waited too long.")],
        Severity.WARN,
    ),
    Course(
        "MessagesDropped",
        {node("north-1", "cassandra_dropped_messages_total", message="MUTATION_REQ"): "8x60"},
        20,
        severity=Severity.WARN,
    ),
    Course(
        "ClockSkew",
        {CLOCK % "north-1": "0x9 -0.6x60", CLOCK % "north-2": "0.4x60"},
        20,
        [({"dc": "north", "node": "north-1", "job": "meterstorm"}, "The clock of node north-1 is wrong by 600ms.")],
        Severity.WARN,
    ),
    Course(  # put right within 5 s
        "ClockSkew",
        {CLOCK % "north-1": "0x9 60x3 0x60"},
        15,
        severity=Severity.WARN,
    ),
    Course(
        "GeneratorLate",
        {'meterstorm_lateness_seconds_bucket{le="0.1"}': "0+98x60", "meterstorm_lateness_seconds_count": "0+100x60"},
        40,
        [({}, "More than 1 % of requests leave later than the run bears: its figures are the generator's.")],
        Severity.WARN,
    ),
    Course(
        "GeneratorLate",
        {'meterstorm_lateness_seconds_bucket{le="0.1"}': "0+199x60", "meterstorm_lateness_seconds_count": "0+200x60"},
        40,
        severity=Severity.WARN,
    ),
    Course(
        "FactsLost",
        {'meterstorm_audit_dc_facts{dc="south", verdict="lost"}': "0x5 2x60"},
        10,
        [({"dc": "south"}, "Data centre south lacks 2 facts that were acknowledged.")],
    ),
    Course("FactsLost", {'meterstorm_audit_dc_facts{dc="south", verdict="verified"}': "7x60"}, 10),
    Course(
        "CommandTerminalTwice",
        {"meterstorm_commands_terminal_twice_total": "0x5 1x60"},
        10,
        [({}, "1 commands have ended twice.")],
    ),
    Course("CommandTerminalTwice", {"meterstorm_commands_terminal_twice_total": "0x60"}, 10),
    Course(
        "CommandsOverdue",
        {'meterstorm_commands_oldest_due_seconds{dc="north"}': "0+1x90"},
        61,
        [({"dc": "north"}, "A command of data centre north has been due for 1m 1s.")],
    ),
    Course("CommandsOverdue", {'meterstorm_commands_oldest_due_seconds{dc="north"}': "0+1x90"}, 60),
    Course(
        "BackOfficeStopped",
        {"meterstorm_back_office_round_age_seconds": "0+1x90"},
        61,
        [({}, "The back office's last round was 1m 1s ago.")],
    ),
    Course("BackOfficeStopped", {"meterstorm_back_office_round_age_seconds": "0+1x90"}, 60),
    Course(
        "PriceStale",
        {"meterstorm_price_stale_seconds": "0+1x90"},
        61,
        [({}, "A display lacks the price in force, for 1m 1s.")],
    ),
    Course("PriceStale", {"meterstorm_price_stale_seconds": "60x90"}, 61),
    Course(
        "SettlementIncomplete",
        {
            f'meterstorm_settlement_{what}{{settlement_date="2026-01-15", settlement_period="7"}}': values
            for what, values in (("completeness_ratio", "0.98x60"), ("deadline_passed", "0x9 1x60"))
        },
        30,
        [
            (
                {"settlement_date": "2026-01-15"},
                "1 settlement periods of 2026-01-15 are not complete after their deadline.",
            )
        ],
    ),
    Course(
        "SettlementIncomplete",
        {
            f'meterstorm_settlement_{what}{{settlement_date="2026-01-15", settlement_period="7"}}': values
            for what, values in (("completeness_ratio", "0.98x60"), ("deadline_passed", "0x9 1x60"))
        },
        29,
    ),
    Course(
        "ViewLag",
        {"meterstorm_view_lag_seconds": "61x60"},
        10,
        [({}, "A view is 1m 1s behind the event log.")],
        Severity.WARN,
    ),
    Course("ViewLag", {"meterstorm_view_lag_seconds": "60x60"}, 10, severity=Severity.WARN),
    Course(
        "EstimatedShare",
        {"meterstorm_readings_estimated_ratio": "0.25x60"},
        10,
        [({}, "25% of readings are estimates.")],
        Severity.WARN,
    ),
    Course("EstimatedShare", {"meterstorm_readings_estimated_ratio": "0.1x60"}, 10, severity=Severity.WARN),
    Course(
        "RejectedShare",
        {'meterstorm_readings_rejected_total{reason="UNIT"}': "0+1x90", "meterstorm_readings_total": "0+3x90"},
        80,
        [({}, "25% of readings are rejected.")],
        Severity.WARN,
    ),
    Course(
        "RejectedShare",
        {'meterstorm_readings_rejected_total{reason="UNIT"}': "0+1x90", "meterstorm_readings_total": "0+9x90"},
        80,
        severity=Severity.WARN,
    ),
    Course(  # a storm is over since a minute ago, and a back office still refuses a row every other second
        "RejectedShare",
        {
            'meterstorm_readings_rejected_total{reason="UNIT"}': "0+0.5x150",
            "meterstorm_readings_total": "0+30x60 1800x100",
        },
        125,
        severity=Severity.WARN,
    ),
    # 15 of 100 fail: more than 14.4 %, in 12 s and in 4 s, and more than 6 % in 24 s.
    Course(
        "ErrorBudgetBurn",
        {SENT % "ok": "0+85x60", SENT % "failed": "0+10x60", SENT % "indeterminate": "0+5x60"},
        40,
        [
            (
                {**OBJECTIVE},
                "15% of ingest_reading fail or end in doubt: more than 14.40% in 12 s and in 4 s.",
            )
        ],
    ),
    # They failed, and do no more for 5 s.
    Course("ErrorBudgetBurn", {SENT % "ok": "0+50x60", SENT % "failed": "0+50x34 1700x60"}, 40),
    Course(
        "ErrorBudgetBurn",
        {SENT % "ok": "0+90x60", SENT % "failed": "0+10x60"},
        40,
        [
            (
                {**OBJECTIVE},
                "10% of ingest_reading fail or end in doubt: more than 6.00% in 24 s and in 4 s.",
            )
        ],
        Severity.WARN,
    ),
    Course("ErrorBudgetBurn", {SENT % "ok": "0+95x60", SENT % "failed": "0+5x60"}, 40, severity=Severity.WARN),
    Course(
        "ResponseBudgetBurn",
        {ANSWERED % ("bucket", ', le="0.1"'): "0+75x60", ANSWERED % ("count", ""): "0+100x60"},
        40,
        [
            (
                {**OBJECTIVE},
                "25% of ingest_reading take longer than 100 ms: more than 14.40% in 12 s and in 4 s.",
            )
        ],
    ),
    Course(
        "ResponseBudgetBurn",
        {ANSWERED % ("bucket", ', le="0.1"'): "0+90x60", ANSWERED % ("count", ""): "0+100x60"},
        40,
    ),
    Course(
        "ResponseBudgetBurn",
        {ANSWERED % ("bucket", ', le="0.1"'): "0+90x60", ANSWERED % ("count", ""): "0+100x60"},
        40,
        [
            (
                {**OBJECTIVE},
                "10% of ingest_reading take longer than 100 ms: more than 6.00% in 24 s and in 4 s.",
            )
        ],
        Severity.WARN,
    ),
    Course(
        "ResponseBudgetBurn",
        {ANSWERED % ("bucket", ', le="0.1"'): "0+95x60", ANSWERED % ("count", ""): "0+100x60"},
        40,
        severity=Severity.WARN,
    ),
    Course(  # healed 10 s ago
        PLANNED_FAULT,
        {'meterstorm_fault_active{kind="kill", target="north-1"}': "0x5 1x10 0x60"},
        25,
        [({"kind": "kill", "target": "north-1"}, "A planned fault is active: kill of north-1.")],
        Severity.NONE,
    ),
    Course(
        PLANNED_FAULT,
        {'meterstorm_fault_active{kind="kill", target="north-1"}': "0x5 1x10 0x60"},
        45,
        severity=Severity.NONE,
    ),
]


def as_tested(course: Course) -> dict[str, Any]:
    """A course as promtool reads it. Only the alert's own severity is looked at: others of its name have other labels."""
    alert = ALERTS[course.alert, course.severity]
    rule = {"severity": alert.severity.value, "audience": alert.audience.value, **alert.labels}
    if alert.is_muted_by_faults:
        rule["planned_fault"] = "muted"
    expected = [
        {"exp_labels": {**rule, **own}, "exp_annotations": {"summary": summary, "runbook": alert.runbook}}
        for own, summary in course.fires
    ]
    return {
        "interval": "1s",
        "name": f"{course.alert} at {course.at_s} s",
        "input_series": [{"series": name, "values": values} for name, values in course.series.items()],
        "alert_rule_test": [{"eval_time": f"{course.at_s}s", "alertname": course.alert, "exp_alerts": expected}],
    }


@pytest.fixture(scope="module", params=list(Severity))
def rules_of_one_severity(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Severity]:
    """promtool knows alerts by their names alone, and some have two severities: each is tested by itself."""
    require_programs("promtool")
    severity: Severity = request.param
    rules = yaml.safe_load(rules_yaml(SCENARIO, 1.0))
    for group in rules["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule.get("labels", {}).get("severity") == severity.value]
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [one for one in rules["groups"] if one["rules"]]}))
    return folder, severity


def test_alerts_fire_when_they_must_and_not_else(rules_of_one_severity: tuple[Path, Severity]) -> None:
    folder, severity = rules_of_one_severity
    tests = [as_tested(course) for course in COURSES if course.severity is severity]
    assert tests
    text = yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1s", "tests": tests})
    (folder / "test.yml").write_text(text)
    assert "SUCCESS" in said("promtool", "test", "rules", folder / "test.yml")


def test_every_alert_has_a_course_in_which_it_fires_and_one_in_which_not() -> None:
    for fires in (True, False):
        assert {(one.alert, one.severity) for one in COURSES if bool(one.fires) is fires} == set(ALERTS)


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    require_programs("promtool")
    (tmp_path / "rules.yml").write_text(rules_yaml(SCENARIO, 1.0))
    assert f"{len(ALERTS) + len(RECORDED)} rules found" in said("promtool", "check", "rules", tmp_path / "rules.yml")


def test_windows_are_those_of_the_book_for_a_month_and_scrapes_for_a_minute() -> None:
    month_s = 30 * 86_400.0
    assert windows_s(FAST, month_s, 15.0) == (3_600, 300)
    assert windows_s(SLOW, month_s, 15.0) == (6 * 3_600, 1_800)
    assert windows_s(FAST, 60.0, 1.0) == (12, 4) and windows_s(SLOW, 60.0, 1.0) == (24, 4)


def test_an_objective_of_a_median_alerts_before_all_are_slow() -> None:
    """Its budget is a half: 14.4 times that is never reached."""
    slow = {"operation": "ingest_reading", "response_ms_max": 100.0, "percentile": 50.0}
    alerts = alerts_for(SCENARIO.model_copy(update={"slo": (type(SCENARIO.slo[0]).model_validate(slow),)}), 1.0)
    assert "> 0.5" in next(one for one in alerts if one.name == "ResponseBudgetBurn").expression


def test_times_as_prometheus_writes_them() -> None:
    assert (duration(15), duration(1.5), duration(1.0)) == ("15s", "1500ms", "1s")
