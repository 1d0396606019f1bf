"""What the instruments hold, as families of Prometheus metrics; worked out when a scraper asks, in its own thread."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from loadtests.metrics import catalogue
from loadtests.metrics.catalogue import ExposedMetric, MetricKind
from loadtests.metrics.instruments import GatewayProgress, Instruments, OfficeProgress, ShownPrice
from loadtests.metrics.ledger_marks import PeriodCoverage, Seldom, SettlementCoverage, estimated_share, slots_by_state
from loadtests.metrics.sums import BucketedTimes, StormTotals, SummedOperation, added_up
from loadtests.recording.ledger import SlotState
from sim.estate.lookup import sends_half_hours, start_us_of
from sim.estate.model import EstateModel
from store.rejections import Reason

DEADLINE_US = 9 * 3_600_000_000  # after the midnight that ends its day: suppliers show a day's readings from nine on
OUTCOMES = ("ok", "failed", "indeterminate")
OPEN, CLOSED = "open", "closed"
STATE_NAMES = {SlotState.ACKNOWLEDGED: "acknowledged", SlotState.INTENT: "in_doubt", SlotState.FAILED: "failed"}
COMMAND_STATES = ("applied", "rejected", "given_up")

Value = tuple[Sequence[object], float]
"""Label values in the metric's order, and the value."""


class RunCollector(Collector):
    """Of one run: all that it knows now. What it does not know (yet) has no sample, rather than a zero.

    phases: those that the run goes through, in their order; version: of meterstorm.
    """

    def __init__(
        self, instruments: Instruments, estate: EstateModel, *, version: str, phases: Sequence[str] = ()
    ) -> None:
        self._told, self._estate = instruments, estate
        self._version, self._phases = version, tuple(phases)
        self._slots = Seldom(self._count_slots)
        self._periods = Seldom(self._count_periods)
        self._coverage: SettlementCoverage | None = None
        if estate.meter_count:  # its kernel is compiled now, and not while a storm goes on
            sends_half_hours(estate, np.zeros(1, np.int64), np.zeros(1, np.int32))

    def describe(self) -> Iterable[Family]:
        return []  # registered without being asked: nothing is known yet

    def collect(self) -> Iterator[Family]:
        yield from self._run()
        yield from self._operations()
        yield from self._ledger_and_audit()
        yield from self._cluster()
        yield from self._commands()
        yield from self._office()
        yield from self._settlement()

    # -- the run -------------------------------------------------------------------------------------------------------

    def _run(self) -> Iterator[Family]:
        told, scenario = self._told, self._told.scenario
        yield _family(catalogue.RUN_INFO, [((scenario.title, scenario.run.seed, self._version), 1)])
        phases = dict.fromkeys([*self._phases, *([told.phase] if told.phase else [])])
        yield _family(catalogue.RUN_PHASE, [((name,), name == told.phase) for name in phases])
        yield _family(catalogue.STORM_SPAN, [((), scenario.run.wall_s)])
        homes = self._estate.premises_count
        yield _family(catalogue.METERS, [((str(fuel),), homes) for fuel in self._estate.fuels])
        if (storm_s := told.storm_s) is not None:
            yield _family(catalogue.STORM_ELAPSED, [((), storm_s)])
            yield _family(catalogue.SIMULATED_TIME, [((), (start_us_of(self._estate) + self._now_us()) / 1e6)])

        if (speed := self._replay_speed()) is not None:
            yield _family(catalogue.REPLAY_SPEED, [((), speed)])

    def _replay_speed(self) -> float | None:
        """Simulated seconds in the wall second around now; None where that is not all of the replay."""
        storm_s, pace = self._told.storm_s, self._told.pace
        if storm_s is None or not 0.5 <= storm_s <= self._told.scenario.run.wall_s - 0.5:
            return None
        return (pace.simulated_us_at(storm_s + 0.5) - pace.simulated_us_at(storm_s - 0.5)) / 1e6

    def _now_us(self) -> int:
        """The simulated instant since the scenario's start [us]."""
        return self._told.pace.simulated_us_at(max(self._told.storm_s or 0.0, 0.0))

    # -- operations ----------------------------------------------------------------------------------------------------

    def _operations(self) -> Iterator[Family]:
        loops = [(OPEN, self._told.senders), *((CLOSED, sums) for sums in self._told.closed_loops)]
        seen = [(loop, sums.seen()) for loop, sums in loops]
        totals = _by_operation(seen)
        yield _family(catalogue.OFFERED, [(key, one.offered) for key, one in totals.items()])
        yield _family(catalogue.SENT, [(key, one.sent) for key, one in totals.items()])
        yield _family(catalogue.RETRIES, [(key, one.retries) for key, one in totals.items()])
        yield _family(
            catalogue.OPERATIONS,
            [((*key, outcome), getattr(one, outcome)) for key, one in totals.items() for outcome in OUTCOMES],
        )
        yield _family(
            catalogue.DC_OPERATIONS,
            [
                ((dc, operation, outcome), getattr(outcomes, outcome))
                for operation, dcs in seen[0][1].by_dc.items()
                for dc, outcomes in dcs.items()
                for outcome in OUTCOMES
            ],
        )
        yield _family(catalogue.ERRORS, _errors(seen))
        response = HistogramMetricFamily(
            catalogue.RESPONSE.name, catalogue.RESPONSE.help, labels=catalogue.RESPONSE.labels
        )
        for key, one in totals.items():
            response.add_metric(key, _buckets(self._told.senders.edges_s, one.response), one.response.sum_s)
        yield response
        lateness = HistogramMetricFamily(catalogue.LATENESS.name, catalogue.LATENESS.help)
        late = seen[0][1].lateness
        lateness.add_metric((), _buckets(self._told.senders.edges_s, late), late.sum_s)
        yield lateness
        yield _family(catalogue.IN_FLIGHT, [((), self._told.in_flight)])
        if self._told.queued is not None:
            yield _family(catalogue.QUEUED, [((), self._told.queued)])
        yield _family(catalogue.READINGS, [((), self._told.acknowledged())])

    # -- ledger and audit ----------------------------------------------------------------------------------------------

    def _ledger_and_audit(self) -> Iterator[Family]:
        if self._told.ledger is not None:
            yield _family(
                catalogue.LEDGER_SLOTS,
                [
                    ((plane, STATE_NAMES[state]), count)
                    for plane, counts in (self._slots() or {}).items()
                    for state, count in counts.items()
                ],
            )
        audit = self._told.audit
        yield _family(catalogue.AUDIT_FACTS, [((verdict,), count) for verdict, count in audit.facts.items()])
        yield _family(
            catalogue.AUDIT_DC_FACTS,
            [((dc, verdict), count) for dc, facts in audit.dc_facts.items() for verdict, count in facts.items()],
        )
        yield _family(catalogue.RULE_FAULTS, [((rule,), count) for rule, count in dict(audit.rule_faults).items()])
        yield _family(catalogue.TERMINAL_TWICE, [((), audit.terminal_twice)])

    def _count_slots(self) -> dict[str, dict[SlotState, int]]:
        assert self._told.ledger is not None
        return slots_by_state(self._told.ledger)

    # -- the cluster ---------------------------------------------------------------------------------------------------

    def _cluster(self) -> Iterator[Family]:
        active: dict[tuple[str, str], bool] = {}
        for course in self._told.courses:
            key = (str(course.fault.kind), course.fault.target)
            active[key] = active.get(key, False) or course.is_under_way
        yield _family(catalogue.FAULT_ACTIVE, list(active.items()))
        probes = self._told.probes
        yield _family(catalogue.PROBES, sorted(probes.outcomes.copy().items()))
        unseen_s = {
            pair: (self._told.clock_ns() - since) / 1e9 for pair, since in probes.unseen_since_ns.copy().items()
        }
        yield _family(catalogue.VISIBILITY_LAG, sorted((probes.lag_s.copy() | unseen_s).items()))
        clocks = sorted(probes.clocks_ahead_s.copy().items())
        yield _family(
            catalogue.CLOCK_AHEAD, [((node, dc), ahead_s) for dc, of_dc in clocks for node, ahead_s in of_dc.items()]
        )
        nodes = self._told.nodes
        yield _family(catalogue.NODE_CPU, [((one.node, one.dc), one.cpu_share) for one in nodes])
        yield _family(catalogue.NODE_MEMORY, [((one.node, one.dc), one.rss_bytes) for one in nodes])
        yield _family(catalogue.NODE_DISK, [((one.node, one.dc), one.disk_bytes) for one in nodes])
        disks = list(self._disks())
        yield _family(catalogue.NODE_DISK_FREE, [(node, usage.f_bavail * usage.f_frsize) for node, usage in disks])
        yield _family(catalogue.NODE_DISK_SIZE, [(node, usage.f_blocks * usage.f_frsize) for node, usage in disks])

    def _disks(self) -> Iterator[tuple[tuple[str, str], os.statvfs_result]]:
        for node, folder in self._told.data_folders.items():
            with contextlib.suppress(OSError):  # a node that is being started again
                yield node, os.statvfs(folder)

    # -- commands ------------------------------------------------------------------------------------------------------

    def _commands(self) -> Iterator[Family]:
        gateways = sorted(self._told.gateways.copy().items())
        yield _family(
            catalogue.COMMANDS,
            [((dc, state), count) for dc, one in gateways for state, count in _states_of(one).items()],
        )
        yield _family(catalogue.COMMAND_ATTEMPTS, [((dc,), one.attempts) for dc, one in gateways])
        yield _family(
            catalogue.OLDEST_DUE,
            [((dc,), age_s) for dc, one in gateways if (age_s := self._oldest_due_s(one)) is not None],
        )

    def _oldest_due_s(self, gateway: GatewayProgress) -> float | None:
        storm_s = self._told.storm_s
        if gateway.is_over:
            return 0.0
        if storm_s is None or gateway.touched_ns is None:
            return None
        if gateway.handled_s is not None:
            return max(storm_s - gateway.handled_s, 0.0)
        return max((self._told.clock_ns() - gateway.touched_ns) / 1e9, 0.0)

    # -- the back office -----------------------------------------------------------------------------------------------

    def _office(self) -> Iterator[Family]:
        office = self._told.office
        if office is None:
            return
        reasons = [reason.text for reason in Reason if reason is not Reason.ACCEPTED]
        yield _family(catalogue.REJECTED, [((reason,), office.rejected[reason]) for reason in reasons])
        yield _family(catalogue.BILLS, [((), office.bills)])
        yield _family(catalogue.CUSTOMERS, [((), office.served)])
        yield _family(catalogue.DISPLAYS_CHECKED, [((price,), office.displays[price]) for price in ShownPrice])
        yield _family(catalogue.PRICE_STALE, [((), self._price_stale_s(office))])
        now_ns, since_ns = self._told.clock_ns(), office.unprojected_since_ns
        yield _family(catalogue.VIEW_LAG, [((), 0.0 if since_ns is None else (now_ns - since_ns) / 1e9)])
        if office.round_ended_ns is not None and not office.is_over:
            yield _family(catalogue.ROUND_AGE, [((), (now_ns - office.round_ended_ns) / 1e9)])

    def _price_stale_s(self, office: OfficeProgress) -> float:
        since_us, storm_s = office.price_missing_since_us, self._told.storm_s
        if since_us is None or storm_s is None:
            return 0.0
        return max(storm_s - self._told.pace.wall_s_at(since_us), 0.0)

    # -- settlement ----------------------------------------------------------------------------------------------------

    def _settlement(self) -> Iterator[Family]:
        if self._told.ledger is None or self._told.storm_s is None:
            return
        periods = self._periods() or []
        keys = [(one.settlement_date, str(one.period)) for one in periods]
        yield _family(
            catalogue.COMPLETENESS,
            [(key, one.known / one.expected) for key, one in zip(keys, periods, strict=True) if one.expected],
        )
        yield _family(
            catalogue.DEADLINE_PASSED,
            [(key, self._is_past(one)) for key, one in zip(keys, periods, strict=True) if one.expected],
        )
        if (share := estimated_share(periods)) is not None:
            yield _family(catalogue.ESTIMATED, [((), share)])

    def _count_periods(self) -> list[PeriodCoverage]:
        assert self._told.ledger is not None
        if self._coverage is None:
            self._coverage = SettlementCoverage(self._estate, self._told.ledger)
        return self._coverage.until(self._now_us())

    def _is_past(self, period: PeriodCoverage) -> bool:
        """Its day's deadline, or the end of the span where that comes before: what has not come by then does not come.

        A scenario that collects for longer than until the deadline means to: its deadline is the end of that window.
        """
        now_us, start_us = self._now_us(), start_us_of(self._estate)
        midnight_us = self._estate.calendar.next_midnight_us(start_us + period.due_us - 1) - start_us
        window_us = round(self._told.scenario.estate.upload_window_h * 3.6e9)
        return now_us >= min(midnight_us + max(DEADLINE_US, window_us), self._told.scenario.span_us - 1)


def _states_of(gateway: GatewayProgress) -> Mapping[str, int]:
    if gateway.states is not None:
        return {state.lower(): count for state, count in gateway.states.items()}
    ended = gateway.ended.copy()
    return {
        "open": max(gateway.created - ended.total(), 0),
        **{state: ended[state] for state in COMMAND_STATES},
    }


def _by_operation(seen: Sequence[tuple[str, StormTotals]]) -> dict[tuple[str, str], SummedOperation]:
    """(operation, loop) -> what all sources of it have brought."""
    found: dict[tuple[str, str], list[SummedOperation]] = {}
    for loop, one in seen:
        for operation, totals in one.operations.items():
            found.setdefault((operation, loop), []).append(totals)
    return {key: added_up(totals) for key, totals in found.items()}


def _errors(seen: Sequence[tuple[str, StormTotals]]) -> list[Value]:
    counts: Counter[tuple[str, ...]] = Counter()
    for loop, one in seen:
        for error in one.errors:
            counts[error.operation, loop, error.outcome, error.kind] += error.count
    return list(counts.items())


def _buckets(edges_s: Sequence[float], times: BucketedTimes) -> list[tuple[str, float]]:
    """Cumulative counts with their upper edges, as the exposition format has them."""
    edges = [*map(floatToGoString, edges_s), "+Inf"]
    return list(zip(edges, accumulate(map(float, times.counts)), strict=True))


def _family(metric: ExposedMetric, values: Iterable[Value]) -> Family:
    of_kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = of_kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in values:
        family.add_metric([str(label) for label in labels], float(value))
    return family
