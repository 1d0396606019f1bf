"""At LOCAL_ONE of three replicas a read may miss a command's step or end; what became of the command then counted as a fault."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.audit.rules import commands_read
from loadtests.audit.rules.commands import CommandAudit, Read, audit_commands
from loadtests.audit.rules.commands_read import COMMAND_RULES, TABLES, check_command_rules
from loadtests.audit.rules.customers import Checked
from loadtests.audit.rules.weak_levels import why_hidden_in
from reports.results.parts import Verdict
from reports.results.run import RuleCheck
from scenarios.domain import CommandKind, Fuel
from scenarios.spec import Topology
from store.commands.machine import CommandEvent, End, State, Step
from store.commands.port import CommandId, Device, DueIndex, Request
from store.commands.store import CommandStore
from store.memory.commands import MemoryCommandTables
from store.ports import StoreError
from store.schemas import SCHEMAS
from tests.unit.audit.rules.test_commands import (
    APPLIED,
    EXHAUSTED,
    EXPECTED,
    FIRST,
    REFUSED,
    SOUND,
    SPENT,
    STATES,
    THREE,
    changed,
    read_of,
)
from tests.unit.reports.verdict.test_run import audit, judged

SCHEMA = SCHEMAS["home_months"]
UNISSUED = read_of(THREE, FIRST, End(State.REJECTED, 60_000, 1), attempt=1, originator=8)
MISSED: dict[str, list[Read]] = {  # what a stale replica shows, by the rule that it breaks
    "recorded": [APPLIED, EXHAUSTED],
    "one_end": [APPLIED, EXHAUSTED, changed(REFUSED, end=None)],
    "legal": [APPLIED, Read(EXHAUSTED.command, SPENT[:-1]), REFUSED],
    "limit": [APPLIED, changed(EXHAUSTED, attempt=1), REFUSED],
    "outcome": [APPLIED, changed(EXHAUSTED, end=End(State.APPLIED, 240_000, 2)), REFUSED],
}


def topology(default: str = "LOCAL_QUORUM", **operations: str) -> Topology:
    return Topology.model_validate(
        {
            "dcs": [{"name": "north", "nodes": 3, "rf": 3}],
            "consistency": {"default": default, "operations": operations},
        }
    )


def checks_at(of: Topology, found: CommandAudit, monkeypatch: pytest.MonkeyPatch) -> dict[str, Checked]:
    monkeypatch.setattr(commands_read, "audit_stored_commands", lambda _experiment, is_complete: found)
    experiment: Any = SimpleNamespace(topology=of, schema=SCHEMA)
    told = {said: check for check, said in COMMAND_RULES.items()}
    return {told[one.check]: one for one in check_command_rules(experiment, is_complete=True)}


def verdict_of(checks: Sequence[Checked]) -> Verdict:
    rules = tuple(
        RuleCheck(rule=one.check, counted=one.counted, faults=one.faults, examples=one.examples, sample=one.sample)
        for one in checks
    )
    return judged(audit=audit(rules=rules)).verdict


@pytest.mark.parametrize("check", MISSED)
def test_what_a_read_may_have_missed_is_not_held_against_the_cluster(
    check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = audit_commands(MISSED[check], STATES, EXPECTED, is_complete=True)
    assert found.faults[check] > 0 == found.certain[check]
    strong = checks_at(topology(), found, monkeypatch)
    assert strong[check].faults == found.faults[check]
    assert verdict_of([*strong.values()]) is Verdict.FAIL
    weak = checks_at(topology("LOCAL_ONE"), found, monkeypatch)
    assert (weak[check].counted, weak[check].faults, weak[check].examples) == (0, 0, ())
    assert "LOCAL_ONE a read at LOCAL_ONE may not show" in str(weak[check].sample)
    assert verdict_of([*weak.values()]) is Verdict.INCONCLUSIVE


def test_a_state_that_a_read_may_have_missed_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    found = audit_commands(SOUND, STATES[1:], EXPECTED, is_complete=True)
    assert checks_at(topology(), found, monkeypatch)["reported"].faults == 1
    assert checks_at(topology("LOCAL_ONE"), found, monkeypatch)["reported"].is_right is None


def test_what_is_sound_passes_at_any_level(monkeypatch: pytest.MonkeyPatch) -> None:
    found = audit_commands(SOUND, STATES, EXPECTED, is_complete=True)
    checks = checks_at(topology("LOCAL_ONE"), found, monkeypatch)
    assert all(one.is_right and one.counted == 3 for one in checks.values())


def test_what_no_missing_write_explains_is_a_fault_at_any_level(monkeypatch: pytest.MonkeyPatch) -> None:
    unrecorded = [changed(APPLIED, open_state=State.APPLIED), UNISSUED]  # two of the campaign's are not there
    found = audit_commands(unrecorded, STATES, EXPECTED, is_complete=True)
    assert (found.faults["recorded"], found.certain["recorded"]) == (3, 1)
    weak = checks_at(topology("LOCAL_ONE"), found, monkeypatch)
    assert (weak["recorded"].faults, weak["recorded"].sample) == (1, None)
    assert weak["recorded"].examples == (f"{UNISSUED.command.id} was issued by nobody",)
    assert weak["one_end"].faults == 1 and "second end" in weak["one_end"].examples[0]
    assert verdict_of([*weak.values()]) is Verdict.FAIL


@pytest.mark.parametrize(
    ("of", "is_shown"),
    [
        (topology(), True),
        (topology("LOCAL_ONE"), False),
        (topology(find_due="LOCAL_ONE"), False),  # of what is scheduled by a quorum
        (topology(create_command="LOCAL_ONE"), False),
        (topology("ALL", create_command="LOCAL_ONE", find_due="LOCAL_ONE"), True),  # no due entry is created so
        (topology(ingest_reading="LOCAL_ONE", read_events="LOCAL_ONE"), True),  # no command's
    ],
)
def test_levels_are_held_against_one_another_table_by_table(of: Topology, is_shown: bool) -> None:
    assert (why_hidden_in(of, SCHEMA, TABLES) is None) == is_shown


class Stale(MemoryCommandTables):
    """Its compare-and-set reads replicas that have not heard of the command yet."""

    def end(self, ends: Sequence[tuple[CommandId, End]]) -> list[End | None]:
        return [None for _ in ends]


def test_a_compare_and_set_that_does_not_find_its_command_is_the_stores_error_and_no_defect() -> None:
    index = DueIndex(first_shard=0, shard_count=1, bucket_us=60_000_000)
    device = Device(fuel=Fuel.GAS)
    store = CommandStore(Stale(), find_device=lambda _: device, index=index, since_us=0)
    asked = Request(
        id=CommandId(7, 100, 1),
        kind=CommandKind.ENABLE_SUPPLY,  # refused at once
        value=1,
        created_us=1_000,
        send_us=1_000,
        attempts_max=2,
        timeout_us=100_000,
        backoff_us=50_000,
    )
    with pytest.raises(StoreError, match="consistency levels"):
        store.create([asked])
    legal = Request(
        id=CommandId(7, 100, 2),
        kind=CommandKind.UPDATE_PRICE,
        value=1,
        created_us=1_000,
        send_us=1_000,
        attempts_max=2,
        timeout_us=100_000,
        backoff_us=50_000,
    )
    store.create([legal])
    with pytest.raises(StoreError, match="consistency levels"):
        store.cancel(legal.id, 2_000, "not wanted")
    assert store.tables.steps([legal.id])[0] == [Step(1_000, CommandEvent.CREATE, 0)]
