"""Customers under Locust: each walks its journeys through the store's own library, over cassandra-driver on gevent.

A page's response time runs from the instant at which the customer wanted it, so being late counts; its service time from
when it was asked. `lateness` is what lies between the two. A customer has one page open at a time, as people do.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gevent
import numpy as np
from cassandra import OperationTimedOut, Timeout, WriteFailure
from cassandra.connection import ConnectionException
from gevent.lock import BoundedSemaphore

from loadtests.cluster.connect import connect
from loadtests.errors import HarnessError
from loadtests.locust_fleet.journeys import DayShape, JourneyPage, Turn
from loadtests.recording.history import SecondCounts, counts_of
from loadtests.recording.seconds import Second, Sparse, sparse_of
from loadtests.workload.deliveries import preference_columns
from loadtests.workload.experiment import Experiment
from scenarios.domain import DAY_US
from sim.estate.lookup import FUEL_CODES, cohorts_of, start_us_of, tariff_kinds_of
from store.cassandra import CassandraStore
from store.cassandra.customers import CassandraCustomers
from store.customers.desk import Desk
from store.customers.port import Preference, PreferenceChange
from store.ports import StoreError
from store.readings.summarise import comparison
from store.rejections import Refused

CUSTOMER_OPERATIONS: tuple[str, ...] = tuple(page.value for page in JourneyPage)
_OPEN = (Timeout, OperationTimedOut, WriteFailure, ConnectionException)


@dataclass(slots=True)
class _Pages:
    """What became of one kind of page in one second; times in us."""

    ok: int = 0
    failed: int = 0
    indeterminate: int = 0
    response_us: list[int] = field(default_factory=list)
    service_us: list[int] = field(default_factory=list)


class CustomerLog:
    """Pages of all customers of a worker, handed over a second at a time."""

    def __init__(self) -> None:
        self._offered: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._done: dict[int, dict[str, _Pages]] = defaultdict(lambda: defaultdict(_Pages))
        self._late_us: dict[int, list[int]] = defaultdict(list)
        self._next = 0

    def record(self, page: JourneyPage, outcome: str, *, due_s: float, asked_s: float, done_s: float) -> None:
        """Note a page; instants since the storm's start [s]. What was due in a second that is handed over counts in the next."""
        second = max(int(done_s), self._next)
        self._offered[max(int(due_s), self._next)][page.value] += 1
        pages = self._done[second][page.value]
        setattr(pages, outcome, getattr(pages, outcome) + 1)
        pages.response_us.append(round((done_s - due_s) * 1e6))
        pages.service_us.append(round((done_s - asked_s) * 1e6))
        self._late_us[second].append(round((asked_s - due_s) * 1e6))

    def give_up(self, page: JourneyPage, *, due_s: float, now_s: float) -> None:
        """Note a page that was wanted and that the storm's end overtook, asked for or not: what became of it is unknown."""
        self._offered[max(int(due_s), self._next)][page.value] += 1
        self._done[max(int(now_s), self._next)][page.value].indeterminate += 1

    def take(self, before_s: float) -> list[Second]:
        """What the seconds before `before_s` have brought; each is handed over once."""
        seconds = [each for each in sorted({*self._offered, *self._done}) if each + 1 <= before_s]
        taken = [self._second(second) for second in seconds]
        self._next = max(self._next, seconds[-1] + 1) if seconds else self._next
        return taken

    def _second(self, second: int) -> Second:
        offered, done = self._offered.pop(second, {}), self._done.pop(second, {})
        counts = {}
        for name in sorted({*offered, *done}):
            pages = done.get(name, _Pages())
            attempted = pages.ok + pages.failed + pages.indeterminate
            counts[name] = SecondCounts(
                offered.get(name, 0), attempted, pages.ok, pages.failed, pages.indeterminate, retries=0
            )
        return Second(
            second=second,
            counts=counts,
            response={name: _sparse(pages.response_us) for name, pages in done.items()},
            service={name: _sparse(pages.service_us) for name, pages in done.items()},
            lateness=_sparse(self._late_us.pop(second, [])),
        )


class CustomerDesk:
    """What the customers of one worker share: a session of the driver, the library over it, and the log.

    Opened by the first customer. Raises HarnessError when the cluster can't be reached, StoreError when it can't
    answer.
    """

    def __init__(self, experiment: Experiment) -> None:
        scenario, estate = experiment.scenario, experiment.estate
        self.log = CustomerLog()
        self.scenario = scenario
        self.estate = estate
        self.shape = DayShape.of(scenario, estate)
        self._pace = scenario.pace
        self._endpoint, self._schema = experiment.endpoint, experiment.schema
        self._lock = BoundedSemaphore()
        self._driver: Any = None
        self._desk: Desk | None = None
        self._readings: CassandraStore | None = None

    def open(self) -> None:
        """Connect and look at every page once, unless that is done: kernels are compiled and statements prepared with it."""
        with self._lock:
            if self._driver is None:
                driver, session = connect(self._endpoint)
                kind = driver.connection_class
                if "GeventConnection" not in {one.__name__ for one in kind.__mro__}:
                    raise HarnessError(
                        f"the driver uses {kind.__name__} under Locust: locust must be imported before cassandra"
                    )
                topology = self.scenario.topology
                self._readings = CassandraStore(session, self._schema, topology)
                customers = CassandraCustomers(session, self._schema, topology)
                self._desk = Desk(customers=customers, views=self._readings, calendar=self.estate.calendar)
                try:
                    self._look_at_all()
                except BaseException:
                    driver.shutdown()
                    raise
                self._driver = driver

    def _look_at_all(self) -> None:
        home = np.zeros(1, np.int64)
        pool = gevent.get_hub().threadpool  # compiling must not stop the loop: the master would hear no heartbeat
        pool.apply(cohorts_of, (self.estate, home))
        pool.apply(preference_columns, (self.estate, home))
        pool.apply(tariff_kinds_of, (self.estate, home))
        for ask in self._pages().values():
            with contextlib.suppress(Refused):
                ask(0, start_us_of(self.estate) - 1)  # before any choice, so that nothing is written

    def close(self) -> None:
        """Disconnect. Closing twice is harmless."""
        if self._driver is not None:
            self._driver.shutdown()
            self._driver = None

    def serve(self, turn: Turn, zero_ns: int) -> None:
        """Wait until the customer wants the page, ask for it, and note what came; late when it is wanted already."""
        wait_s = turn.due_s - _since_s(zero_ns)
        if wait_s > 0:
            gevent.sleep(wait_s)
        asked_s = _since_s(zero_ns)
        outcome = self._ask(turn, start_us_of(self.estate) + self._pace.simulated_us_at(asked_s))
        self.log.record(turn.page, outcome, due_s=turn.due_s, asked_s=asked_s, done_s=_since_s(zero_ns))

    def _ask(self, turn: Turn, now_us: int) -> str:
        try:
            self._pages()[turn.page](turn.premises, now_us)
        except Refused:
            return "ok"  # it was answered: that what was asked is not to be had, before the first price say
        except StoreError as error:
            return "indeterminate" if isinstance(error.__cause__, _OPEN) else "failed"
        return "ok"

    def _pages(self) -> dict[JourneyPage, Callable[[int, int], object]]:
        assert self._readings is not None and self._desk is not None, "the desk is not open"
        readings, desk = self._readings, self._desk
        fuels = [FUEL_CODES[fuel] for fuel in self.estate.fuels]
        month_of = self.estate.calendar.month_of
        return {
            JourneyPage.USAGE: lambda premises, now_us: readings.usage(premises, fuels[0], month_of(now_us)),
            JourneyPage.DAY: lambda premises, now_us: readings.intervals(premises, fuels[0], now_us // DAY_US * DAY_US),
            JourneyPage.COMPARISON: lambda premises, now_us: comparison(
                readings.runner, int(cohorts_of(self.estate, np.array([premises]))[0]), month_of(now_us)
            ),
            JourneyPage.BILL: lambda premises, now_us: readings.billing(premises, month_of(now_us)),
            JourneyPage.DISPLAY: lambda premises, now_us: self._display(premises, fuels, now_us),
            JourneyPage.PREFERENCE: self._prefer,
            JourneyPage.TARIFF: lambda _premises, _now_us: desk.customers.price_lists(),
        }

    def _display(self, premises: int, fuels: Sequence[int], now_us: int) -> object:
        """As the home's display shows it: by the tariff that it is on, chosen or not."""
        assert self._desk is not None
        kind = int(tariff_kinds_of(self.estate, np.array([premises]))[0])
        return replace(self._desk, first_tariff=kind).display(premises, fuels, now_us)

    def _prefer(self, premises: int, now_us: int) -> None:
        """Look at the choices of the home, and choose what the trace has chosen for it, if it has by now.

        A choice of the customer's own would be a row that nobody has sent, for the audit: a phantom.
        """
        assert self._desk is not None
        columns = preference_columns(self.estate, np.array([premises * len(self.estate.fuels)]))
        change = PreferenceChange(
            preference=Preference.READ_SCHEDULE,
            value=int(columns["value"][0]),
            effective_us=int(columns["effective_at"][0]) * 1_000,
            changed_us=int(columns["changed_at"][0]) * 1_000,
        )
        if start_us_of(self.estate) <= change.changed_us <= now_us:
            self._desk.customers.change_preference(premises, change)
        else:
            self._desk.customers.preferences(premises)


def _since_s(zero_ns: int) -> float:
    return (time.monotonic_ns() - zero_ns) / 1e9


def _sparse(values_us: list[int]) -> Sparse:
    return sparse_of(counts_of(np.array(values_us, np.int64)))
