"""The campaigns of a scenario as requests to the store, and the names that simulator and store have for the same command.

Devices are named by the number of their meter, so any process finds a name from the seed alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from loadtests.workload.prices import price_lists_of
from scenarios.domain import CommandKind, Fuel
from scenarios.spec import Scenario
from scenarios.tariffs.prepayment import top_up_upence
from sim.control.closed_loop import AnswerBatch, CommandBatch
from sim.control.plane import SimulatedCommand as SimulatedCommand
from sim.estate.lookup import FUEL_CODES, start_us_of
from sim.estate.model import EstateModel
from store.billing.prepayment import TopUp
from store.commands.machine import CommandEvent, Step
from store.commands.port import ASPECT_OF, CommandId, Device, DeviceAnswer, DeviceState, Request, Standing
from store.commands.store import RecordedAttempt

OUI = 0x00_1D_B7 << 40  # of all devices' EUI-64: their meter's number follows it
SUPPLIER = OUI + 0xFF_FF_00_00_00
AT_ONCE_VALUE = 1_000  # and the campaign's number: a price or tariff that no instant brings into force
MENDING_ATTEMPT = 1_000  # mending attempts draw from here on, apart from those of the campaign


def device_of(meter: int) -> int:
    """The EUI-64 of a meter."""
    return OUI + meter


def meter_of(device: int) -> int:
    return device - OUI


def values_of(scenario: Scenario, estate: EstateModel) -> list[int]:
    """What each campaign sets its devices to: the version of the prices or of the firmware, the read schedule, the supply,
    or what it pays in [upence]."""
    records = estate.parameters.campaigns
    versions = {one.effective_us - start_us_of(estate): one.version for one in price_lists_of(estate)}
    values = []
    for number, campaign in enumerate(scenario.campaigns):
        match campaign.kind:
            case CommandKind.UPDATE_PRICE | CommandKind.UPDATE_TARIFF:
                value = versions.get(int(records[number]["effective_us"]), AT_ONCE_VALUE + number)
            case CommandKind.CHANGE_SCHEDULE:
                value = int(records[number]["schedule"])
            case CommandKind.UPDATE_FIRMWARE:
                value = int(records[number]["firmware"])
            case CommandKind.ENABLE_SUPPLY | CommandKind.DISABLE_SUPPLY | CommandKind.ARM_SUPPLY:
                value = _SUPPLY[campaign.kind]
            case CommandKind.TOP_UP:
                paid_upence = top_up_upence(campaign)
                value = number if paid_upence is None else paid_upence
            case _:
                value = number
        values.append(value)
    return values


_SUPPLY = {CommandKind.DISABLE_SUPPLY: 0, CommandKind.ENABLE_SUPPLY: 1, CommandKind.ARM_SUPPLY: 2}


class Registry:
    """The estate's meters as an asset register: none was ever removed."""

    def __init__(self, estate: EstateModel) -> None:
        self._estate = estate

    def __call__(self, device: int) -> Device | None:
        meter = meter_of(device)
        if not 0 <= meter < self._estate.meter_count:
            return None
        return Device(fuel=Fuel(self._estate.fuels[meter % len(self._estate.fuels)]))


class Wire(NamedTuple):
    """What the simulated meters know a command by; their draws are of attempt `offset` + attempt."""

    sim_id: int
    campaign: int
    meter: int
    offset: int


class Payment(NamedTuple):
    """A top-up of the account of a home's fuel code."""

    premises: int
    fuel: int
    paid: TopUp


class CommandPlan:
    """The campaigns' commands as requests, and which of the simulator's commands each of the store's is."""

    def __init__(self, scenario: Scenario, estate: EstateModel, commands: Iterable[SimulatedCommand]) -> None:
        self.start_us = start_us_of(estate)
        plain = [_plain(one) for one in commands]
        self.commands = sorted(plain, key=lambda one: (one.first_us, one.id))
        self._pays = [top_up_upence(campaign) for campaign in scenario.campaigns]
        self._fuels = [FUEL_CODES[campaign.fuel] for campaign in scenario.campaigns]
        self._fuel_count = len(estate.fuels)
        self._kinds = [campaign.kind for campaign in scenario.campaigns]
        self._values = values_of(scenario, estate)
        self._policies = estate.parameters.campaigns
        self._wires = {self.id_of(one): Wire(one.id, one.campaign, one.meter, 0) for one in self.commands}
        self._asked: dict[int, list[int]] = defaultdict(list)
        for one in self.commands:
            self._asked[one.meter].append(one.campaign)
        self._ids = {wire.sim_id: (id_, wire) for id_, wire in self._wires.items()}
        self._next_sim_id = 1 + max((one.id for one in self.commands), default=0)

    def id_of(self, command: SimulatedCommand) -> CommandId:
        return CommandId(SUPPLIER, device_of(int(command.meter)), command.campaign + 1)

    def ids(self) -> list[CommandId]:
        """All commands, those that mend included."""
        return list(self._wires)

    def simulated(self, id_: CommandId) -> Wire:
        return self._wires[id_]

    def request(self, command: SimulatedCommand) -> Request:
        """A command that is created at the instant at which it is to be sent, so that its creation may be repeated."""
        policy = self._policies[command.campaign]
        send_us = self.start_us + command.first_us
        return Request(
            id=self.id_of(command),
            kind=self._kinds[command.campaign],
            value=self._values[command.campaign],
            created_us=send_us,
            send_us=send_us,
            attempts_max=int(policy["attempts_max"]),
            timeout_us=int(policy["timeout_us"]),
            backoff_us=int(policy["backoff_us"]),
        )

    def wire(self, request: Request) -> Wire:
        """How the simulated meters know a command: one that mends gets its own number, and draws of its own."""
        if request.id not in self._wires:
            meter = meter_of(request.id.target)
            campaign = self._campaign_of(request, meter)
            wire = Wire(self._next_sim_id, campaign, meter, MENDING_ATTEMPT + 32 * self._next_sim_id)
            self._next_sim_id += 1
            self._wires[request.id] = wire
            self._ids[wire.sim_id] = (request.id, wire)
        return self._wires[request.id]

    def _campaign_of(self, request: Request, meter: int) -> int:
        """The campaign whose command to a meter asked the same: its devices' behaviour is that of the mending command."""
        asked = (request.kind, request.value)
        return next(one for one in self._asked[meter] if (self._kinds[one], self._values[one]) == asked)

    def batch(self, attempts: Sequence[RecordedAttempt]) -> CommandBatch:
        wires = [self.wire(one.command.request) for one in attempts]
        return CommandBatch(
            command_id=np.array([one.sim_id for one in wires], np.int64),
            meter=np.array([one.meter for one in wires], np.int64),
            campaign=np.array([one.campaign for one in wires], np.int32),
            attempt=np.array([wire.offset + one.attempt for wire, one in zip(wires, attempts, strict=True)], np.int32),
            sent_us=np.array([one.sent_us - self.start_us for one in attempts], np.int64),
        )

    def answers(self, batch: AnswerBatch) -> list[DeviceAnswer]:
        columns = (batch.command_id, batch.attempt, batch.is_refusal, batch.at_us)
        found = []
        for sim_id, attempt, is_refusal, at_us in zip(*(column.tolist() for column in columns), strict=True):
            id_, wire = self._ids[sim_id]
            event = CommandEvent.REFUSE if is_refusal else CommandEvent.APPLY
            found.append(DeviceAnswer(id_, Step(self.start_us + at_us, event, attempt - wire.offset)))
        return found

    def payment(self, id_: CommandId, applied_us: int) -> Payment | None:
        """What a command has paid in that its meter acknowledged at an instant [us since the Unix epoch]; None: it names no sum.

        It is told apart from other payments by the number of its command.
        """
        wire = self._wires[id_]
        upence = self._pays[wire.campaign]
        if upence is None:
            return None
        paid = TopUp(at_us=applied_us // 1_000 * 1_000, upence=upence, reference=id_.counter)
        return Payment(wire.meter // self._fuel_count, self._fuels[wire.campaign], paid)

    def reported(self, answer: DeviceAnswer) -> DeviceState | None:
        """What a device that has applied a command says of itself; None where the command leaves nothing behind."""
        wire = self._wires[answer.id]
        aspect = ASPECT_OF.get(self._kinds[wire.campaign])
        if aspect is None:
            return None
        return DeviceState(
            device=answer.id.target,
            aspect=aspect,
            standing=Standing.REPORTED,
            value=self._values[wire.campaign],
            at_us=answer.step.at_us,
            cause=answer.id,
        )


def _plain(command: SimulatedCommand) -> SimulatedCommand:
    """With Python's integers, where kernels have left NumPy's: those of the store outgrow 64 bits while they are hashed."""
    return SimulatedCommand(
        id=int(command.id),
        campaign=int(command.campaign),
        meter=int(command.meter),
        first_us=int(command.first_us),
    )
