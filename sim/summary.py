"""A simulation in virtual time alone: how many messages, when, how much energy, and the digest. No store, no waiting."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOTS_PER_DAY, Fuel
from scenarios.spec import Scenario
from sim import scan
from sim.digest import trace_digest
from sim.estate import EstateModel, build_estate
from sim.kernels import kernel
from sim.messages import KIND_BITS, KIND_SHIFT, MessageKind
from sim.parameters import IntArray, KernelParameters
from sim.profiles.faults import ImportReport
from sim.sweep import Progress, sweep
from sim.values import register_wh_kernel
from sim.windows import expected_before

MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a scenario's estate does in its span.

    `offered` int64[5, minute]: messages that fall due in each simulated minute, by MessageKind.
    """

    premises_count: int
    meter_count: int
    slot_count: int
    messages: dict[MessageKind, int]
    offered: NDArray[np.int64]
    energy_wh: dict[Fuel, int]
    digest: str
    profile_name: str
    profile_report: ImportReport | None

    @property
    def message_count(self) -> int:
        return sum(self.messages.values())

    @property
    def reading_count(self) -> int:
        """Half-hourly readings that the messages bring."""
        return self.messages[MessageKind.PUSH_HALF_HOUR] + SLOTS_PER_DAY * self.messages[MessageKind.UPLOAD_DAY]


def simulate(
    scenario: Scenario,
    *,
    estate: EstateModel | None = None,
    folder: Path | None = None,
    thread_count: int | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Run a scenario's estate in virtual time. `estate` saves building it again, else `folder` is as in `build_estate`.

    `progress` is told the share done.

    Raises ScenarioError for a profile file that is missing or can't be used.
    """
    estate = estate or build_estate(scenario, folder=folder)
    offered = offered_by_minute(estate, thread_count=thread_count, progress=_part(progress, 0.0, 0.3))
    energy = energy_by_fuel(estate, thread_count=thread_count)
    digest = trace_digest(estate, thread_count=thread_count, progress=_part(progress, 0.3, 1.0))
    return Simulation(
        premises_count=estate.premises_count,
        meter_count=estate.meter_count,
        slot_count=estate.slot_count,
        messages={kind: int(offered[kind].sum()) for kind in MessageKind},
        offered=offered,
        energy_wh=energy,
        digest=digest,
        profile_name=estate.profile.name,
        profile_report=estate.profile_report,
    )


def offered_by_minute(
    estate: EstateModel, *, thread_count: int | None = None, progress: Progress | None = None
) -> NDArray[np.int64]:
    """Messages due in each simulated minute: int64[5, ceil(span / minute)], by MessageKind."""
    minutes = -(-estate.span_us // MINUTE_US)

    def work(first: int, end: int, total: NDArray[np.int64]) -> None:
        scope = scan.Scope(first, end)
        for from_us in range(0, estate.span_us, DAY_US):  # a day at a time keeps the columns small
            to_us = min(from_us + DAY_US, estate.span_us)
            expected = expected_before(estate, to_us) - expected_before(estate, from_us)
            room = int(expected * (end - first) / estate.premises_count)
            due_us, message = scan.messages_due(estate.parameters, scope, from_us, to_us, room)
            _count_by_minute(due_us, message, total)

    def empty() -> NDArray[np.int64]:
        return np.zeros((len(MessageKind), minutes), np.int64)

    return sweep(estate.premises_count, work, empty, thread_count=thread_count, progress=progress)


def energy_by_fuel(estate: EstateModel, *, thread_count: int | None = None) -> dict[Fuel, int]:
    """Energy that all meters of each fuel used in the span [Wh]: last registers less first ones."""

    def work(first: int, end: int, total: NDArray[np.int64]) -> None:
        _add_energy(estate.parameters, first, end, total)

    def empty() -> NDArray[np.int64]:
        return np.zeros(len(estate.fuels), np.int64)

    total = sweep(estate.premises_count, work, empty, thread_count=thread_count)
    return {fuel: int(wh) for fuel, wh in zip(estate.fuels, total, strict=True)}


def _part(progress: Progress | None, start: float, end: float) -> Progress | None:
    return None if progress is None else lambda share: progress(start + (end - start) * share)


@kernel
def _count_by_minute(due_us: IntArray, message: IntArray, total: IntArray) -> None:
    for at in range(len(due_us)):
        kind = (message[at] >> KIND_SHIFT) & ((1 << KIND_BITS) - 1)
        total[kind, due_us[at] // MINUTE_US] += 1


@kernel
def _add_energy(p: KernelParameters, first: int, end: int, total: IntArray) -> None:
    for meter in range(first * p.fuel_count, end * p.fuel_count):
        last_wh = register_wh_kernel(p, meter, p.day_count * SLOTS_PER_DAY)
        total[meter % p.fuel_count] += last_wh - register_wh_kernel(p, meter, 0)
