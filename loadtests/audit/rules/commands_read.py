"""A run's commands read back through their home DCs, beside what the simulator says must have become of each."""

from collections.abc import Sequence

import numpy as np

from loadtests.audit.rules.commands import CommandAudit, ExpectedOutcome, Read, audit_commands
from loadtests.audit.rules.customers import Checked
from loadtests.audit.rules.scanned_answers import ScannedStatements
from loadtests.audit.rules.weak_levels import in_doubt, why_hidden_in
from loadtests.backend.command_gateway import plan_of
from loadtests.backend.command_plan import CommandPlan
from loadtests.workload.experiment import Experiment
from scenarios.domain import CommandState
from sim.estate.commands import run_command
from sim.estate.homes import region_index
from sim.estate.model import EstateModel
from store.cassandra.commands import CassandraCommandTables
from store.commands.port import ATTEMPTS_MAX, CommandId, CommandTables, DeviceState
from store.roles import TableRole

CHUNK = 500  # devices that are read at once


def audit_stored_commands(experiment: Experiment, *, is_complete: bool) -> CommandAudit:
    """Read the commands of every business DC's homes through it and judge them. Raises HarnessError, StoreError."""
    scenario, estate = experiment.scenario, experiment.estate
    reads: list[Read] = []
    states: list[DeviceState] = []
    expected: dict[CommandId, ExpectedOutcome] = {}
    for number, dc in enumerate(scenario.topology.business_dcs):
        plan = plan_of(scenario, estate, number)
        expected |= expected_outcomes(plan, estate)
        devices = sorted({id_.target for id_ in plan.ids()})
        with experiment.through(dc.name).session() as session:
            statements = ScannedStatements(session, experiment.schema, scenario.topology, devices=devices)
            some_reads, some_states = read_commands(CassandraCommandTables(statements), devices)
        reads += some_reads
        states += some_states
    return audit_commands(reads, states, expected, is_complete=is_complete)


def read_commands(tables: CommandTables, devices: Sequence[int]) -> tuple[list[Read], list[DeviceState]]:
    """All commands of devices with their logs, and all that is desired and reported of the devices."""
    reads: list[Read] = []
    states: list[DeviceState] = []
    for start in range(0, len(devices), CHUNK):
        part = devices[start : start + CHUNK]
        commands = [command for inbox in tables.poll(part) for command in inbox]
        logs = tables.steps([command.id for command in commands])
        reads += [Read(command, steps) for command, steps in zip(commands, logs, strict=True)]
        states += [state for held in tables.states(part) for state in held]
    return reads, states


def expected_outcomes(plan: CommandPlan, estate: EstateModel) -> dict[CommandId, ExpectedOutcome]:
    """What becomes of each command of a plan, by the array form of the simulator."""
    p = estate.packed
    room = np.empty(ATTEMPTS_MAX, np.int64), np.empty((ATTEMPTS_MAX, 2), np.int64)
    found = {}
    for command in plan.commands:
        premises = command.meter // p.fuel_count
        region = region_index(p, premises)
        end = run_command(p, command.campaign, premises, region, command.meter, *room)
        found[plan.id_of(command)] = ExpectedOutcome(CommandState(end.state), int(end.attempts))
    return found


COMMAND_RULES = {
    "recorded": "each command is recorded once",
    "one_end": "each command has one terminal state",
    "legal": "each step of a command is a legal transition",
    "limit": "no command was sent more often than its limit",
    "outcome": "each command ended as its device did it",
    "reported": "what devices report agrees with their commands",
}


# What a gateway decides by, and what is read back: a read that misses something makes another course of a command.
TABLES = (
    TableRole.COMMANDS,
    TableRole.COMMAND_STEPS,
    TableRole.DEVICE_STATE,
    TableRole.DUE_INDEX,
    TableRole.DUE_CLEARED,
)


def check_command_rules(experiment: Experiment, *, is_complete: bool) -> list[Checked]:
    """Every command of the campaigns, from its home DC. is_complete: the storm was not stopped before they had ended.

    Raises HarnessError, StoreError.
    """
    found = audit_stored_commands(experiment, is_complete=is_complete)
    why = why_hidden_in(experiment.topology, experiment.schema, TABLES)
    return in_doubt(checks_of(found, is_complete=is_complete), why)


def checks_of(found: CommandAudit, *, is_complete: bool) -> list[Checked]:
    """A check of each rule; examples that stand whatever a read has missed come first."""
    examples = sorted(found.examples, key=lambda one: not one.is_certain)
    return [
        Checked(
            check=said,
            counted=found.commands if is_complete or check not in ("one_end", "outcome") else found.ended,
            faults=found.faults[check],
            certain=found.certain[check],
            examples=tuple(f"{one.what} {one.said}" for one in examples if one.check == check),
        )
        for check, said in COMMAND_RULES.items()
    ]
