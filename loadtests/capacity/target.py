"""Steps of load at a set rate on a cluster: one engine a step, so that each starts with nothing in flight.

The steps of `meterstorm find-max`. What a step means is judged elsewhere (`loadtests.capacity.step`).
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.recorder import EngineReport, IntervalSnapshot
from loadtests.sender.ring import RingTable
from loadtests.workload.poisson_source import LoadPhase, OperationPool, RateSource

OnSecond = Callable[[IntervalSnapshot], bool]
"""Told each second of a step; says whether the step may end."""


class RateTarget(Protocol):
    """Whatever steps can be sent to. operations: names, one for each lane of a second's counts; a name may stand twice."""

    @property
    def operations(self) -> tuple[str, ...]: ...

    def send(self, step: int, phases: Sequence[LoadPhase], on_second: OnSecond) -> EngineReport:
        """As `StepTarget.send`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTarget:
    """What steps are sent to, and what they send.

    operations: names of what the pool's rows index; a name may stand twice. statements: CQL, keyspace-qualified.
    """

    operations: tuple[str, ...]
    idempotent: tuple[bool, ...]
    statements: tuple[str, ...]
    ring: RingTable
    settings: EngineSettings
    pool: OperationPool
    seed: int

    def send(self, step: int, phases: Sequence[LoadPhase], on_second: OnSecond) -> EngineReport:
        """Send the load of `phases` and wait for its answers. step: the key of what is drawn, another for each step.

        Raises HarnessError when a node can't be reached.
        """
        over = threading.Event()
        source = RateSource(self.pool, phases, seed=self.seed, step=step, is_over=over.is_set)
        engine = Engine(
            operations=[
                WireOperation(name=name, is_idempotent=is_idempotent)
                for name, is_idempotent in zip(self.operations, self.idempotent, strict=True)
            ],
            statements=self.statements,
            ring=self.ring,
            settings=self.settings,
            on_interval=lambda snapshot: _heed(on_second(snapshot), over, engine),
        )
        with engine:
            return engine.run(source, end_us=round(sum(phase.length_s for phase in phases) * 1e6))

    def warm(self, length_s: float, in_flight: int) -> EngineReport:
        """Send closed loop for a while: a JVM that has not yet seen the load is ten times slower than one that has."""
        phase = LoadPhase(rate_per_s=1e6, length_s=3_600.0)  # the loop is closed: due times are not looked at
        engine = Engine(
            operations=[WireOperation(name=name) for name in self.operations],
            statements=self.statements,
            ring=self.ring,
            settings=self.settings,
        )
        with engine:
            timer = threading.Timer(length_s, engine.stop)
            timer.daemon = True
            timer.start()
            try:
                return engine.run(RateSource(self.pool, [phase], seed=self.seed, step=0), closed_in_flight=in_flight)
            finally:
                timer.cancel()


def _heed(may_end: bool, over: threading.Event, engine: Engine) -> None:
    if may_end and not over.is_set():
        over.set()
        engine.stop()
