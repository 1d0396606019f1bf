"""The audit from every DC: what one DC lacks is lost, it is waited for, and it is read at the scenario's level."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cassandra import ConsistencyLevel as DriverLevel

from loadtests.audit import tables
from loadtests.audit.data_loss import row_counts, table_pass
from loadtests.audit.data_loss.row_counts import RowCounts, Sent
from loadtests.audit.data_loss.table_scan import TablePage
from loadtests.audit.rules.customers_read import sampled_homes, settled_homes
from loadtests.audit.tables import AuditReport, SettleTime, audit
from loadtests.metrics.instruments import AuditProgress
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from meterstorm.jobs.audit import tell_facts
from scenarios.domain import Operation
from scenarios.spec import Topology
from sim.estate.model import EstateModel, build_estate
from store.cassandra.bulk import RawRowsHandler
from store.schemas import SCHEMAS
from tests.support.audited_tables import PREMISES, TABLES, Row, page_of, scenario, tables_of

TOPOLOGY = Topology.model_validate(
    {
        "dcs": [{"name": "north", "nodes": 1, "rf": 1}, {"name": "south", "nodes": 1, "rf": 1}],
    }
)
Held = dict[str, list[Row]]


class Session:
    """A DC's session: its tables as they are at each reading of them, the last one from then on."""

    def __init__(self, *held: Held) -> None:
        self.held = held
        self.reads: dict[str, int] = {}
        self.prepared: list[Any] = []
        self.client_protocol_handler: object = None

    def prepare(self, cql: str) -> Any:
        self.prepared.append(SimpleNamespace(cql=cql, consistency_level=None, is_idempotent=None))
        return self.prepared[-1]

    def pages(self, select: Any) -> Iterator[TablePage]:
        assert self.client_protocol_handler is RawRowsHandler
        (name,) = re.findall(r"FROM meterstorm\.(\w+) WHERE token", select.cql)
        number = self.reads.get(name, 0)
        self.reads[name] = number + 1
        rows = self.held[min(number, len(self.held) - 1)][name]
        for at in range(0, len(rows), 500):
            yield page_of(TABLES[name], rows[at : at + 500])


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


@pytest.fixture(scope="module")
def whole(estate: EstateModel) -> tuple[Held, Ledger]:
    return tables_of(estate)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(tables, "SettleTime", partial(SettleTime, sleep=waits.append))
    monkeypatch.setattr(table_pass, "table_ranges", lambda *_: [])
    monkeypatch.setattr(table_pass, "read_pages", lambda session, select, _, in_flight_max: session.pages(select))
    monkeypatch.setattr(row_counts, "token_ranges", lambda *_: [])
    monkeypatch.setattr(row_counts, "read_pages", lambda session, select, _: iter(()))
    return waits


def audited(
    estate: EstateModel,
    ledger: Ledger,
    *,
    north: Session,
    south: Session,
    settle_s: float = 0.0,
    sent: dict[Operation, Sent] | None = None,
    topology: Topology = TOPOLOGY,
    is_folded: bool = True,
    judged: Callable[[AuditReport], None] = lambda _: None,
) -> AuditReport:
    return audit(
        {"north": north, "south": south},  # type: ignore[dict-item]
        estate=estate,
        ledger=ledger,
        schema=SCHEMAS["home_months"],
        topology=topology,
        settle_s=settle_s,
        progress=lambda _: None,
        sent=sent,
        is_folded=is_folded,
        judged=judged,
    )


def without_latest(held: Held) -> Held:
    return held | {"latest_by_home": held["latest_by_home"][1:]}


def test_what_is_found_is_told_as_it_is_found(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]
) -> None:
    """A DC's lost facts are known as soon as its copy of the table is read, and over all DCs with the table."""
    held, ledger = whole
    north, south = Session(without_latest(held)), Session(held)
    progress, seen = AuditProgress(), list[tuple[int, int]]()

    def judged(report: AuditReport) -> None:
        tell_facts(progress, report)
        seen.append((progress.dc_facts["north"]["lost"], progress.facts["lost"]))

    report = audited(estate, ledger, north=north, south=south, judged=judged)
    assert len(seen) == 3 * len(report.tables) and seen == sorted(seen)
    assert seen[0] == (0, 0) and (1, 0) in seen and seen[-1] == (1, 1)
    assert progress.facts["verified"] == report.totals.verified > 0
    assert progress.dc_facts["south"]["verified"] == report.per_dc["south"].verified


@pytest.mark.parametrize("lacking", ["north", "south"])
def test_what_either_dc_lacks_is_lost_in_all(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float], lacking: str
) -> None:
    held, ledger = whole
    sessions = {dc: Session(without_latest(held) if dc == lacking else held) for dc in ("north", "south")}
    report = audited(estate, ledger, north=sessions["north"], south=sessions["south"])
    other = "south" if lacking == "north" else "north"
    assert (report.per_dc[lacking].lost, report.per_dc[other].lost) == (1, 0)
    assert report.per_dc[lacking].verified == report.per_dc[other].verified - 1
    assert (report.totals.lost, report.tables["latest_by_home"].lost) == (1, 1)
    assert report.totals.verified == report.totals.acknowledged - 1
    assert [example.dcs for example in report.examples] == [(lacking,)]
    assert slept == [0.0]  # no patience, no wait


def test_what_both_dcs_lack_is_one_lost_fact_and_one_example(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]
) -> None:
    held, ledger = whole
    report = audited(estate, ledger, north=Session(without_latest(held)), south=Session(without_latest(held)))
    assert report.totals.lost == 1
    assert [example.dcs for example in report.examples] == [("north", "south")]


def test_a_dc_that_lags_is_waited_for_and_the_wait_is_told(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]
) -> None:
    held, ledger = whole
    south = Session(without_latest(held), without_latest(held), held)
    report = audited(estate, ledger, north=Session(held), south=south, settle_s=10.0)
    assert slept == [3.0, 3.0]
    assert (report.per_dc["south"].settled_s, report.per_dc["north"].settled_s) == (6.0, 0.0)
    assert report.totals.lost == 0 and report.totals.verified == report.totals.acknowledged


def test_a_dc_is_read_again_when_another_one_was_waited_for_since(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]
) -> None:
    """Both are read side by side and both lag; the first one takes all the time that is given."""
    held, ledger = whole
    north, south = Session(without_latest(held), held), Session(without_latest(held), held)
    report = audited(estate, ledger, north=north, south=south, settle_s=3.0)
    assert [one for one in slept if one] == [3.0]
    assert (report.per_dc["north"].settled_s, report.per_dc["south"].settled_s) == (3.0, 0.0)
    assert report.totals.lost == 0 and report.totals.verified == report.totals.acknowledged
    assert north.reads["latest_by_home"] == south.reads["latest_by_home"] == 2


@pytest.mark.parametrize("other", ["north", "south"])
def test_a_cell_that_one_dc_has_otherwise_is_wrong_in_that_one_alone(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float], other: str
) -> None:
    """A page of the same length, begun and ended by the same rows: what was found of the other DC's is not said of it."""
    held, ledger = whole
    rows = [dict(row) for row in held["latest_by_home"]]
    rows[len(rows) // 2]["register_wh"] += 1
    sessions = {dc: Session(held | {"latest_by_home": rows} if dc == other else held) for dc in ("north", "south")}
    report = audited(estate, ledger, north=sessions["north"], south=sessions["south"])
    assert {dc: counts.wrong for dc, counts in report.per_dc.items() if counts.wrong} == {other: 1}
    assert [example.dcs for example in report.examples] == [(other,)]
    assert report.totals.wrong == 1 and report.totals.verified == report.totals.acknowledged - 1


def test_dcs_that_hold_the_same_are_judged_once(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, ledger = whole
    compared = list[int]()
    compare_page = table_pass.compare_page
    monkeypatch.setattr(
        table_pass, "compare_page", lambda *given, **named: compared.append(1) or compare_page(*given, **named)
    )
    report = audited(estate, ledger, north=Session(held), south=Session(held))
    pages = sum(-(-len(rows) // 500) for rows in held.values())
    assert len(compared) == pages
    assert report.facts_read == 2 * report.totals.verified > 0
    assert report.per_dc["north"] == report.per_dc["south"] or report.totals.lost == 0


def test_all_tables_draw_on_one_wait(estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]) -> None:
    held, ledger = whole
    empty = Session({name: [] for name in held})
    report = audited(estate, ledger, north=empty, south=Session(held), settle_s=7.0)
    assert [one for one in slept if one] == [3.0, 3.0, 1.0]
    assert empty.reads == dict.fromkeys(held, 1) | {next(iter(TABLES)): 4}
    assert report.totals.verified == 0 and report.totals.lost == report.totals.acknowledged


@pytest.mark.parametrize("level", ["LOCAL_QUORUM", "LOCAL_ONE"])
def test_every_table_is_read_at_the_level_of_the_audit(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float], level: str
) -> None:
    held, ledger = whole
    north = Session(held)
    sent = {Operation.RECORD_ALERT: Sent(attempted=0, acknowledged=0, indeterminate=0)}
    topology = Topology.model_validate(TOPOLOGY.model_dump() | {"consistency": {"audit": level}})
    audited(estate, ledger, north=north, south=Session(held), sent=sent, topology=topology)
    assert len(north.prepared) == len(TABLES) + 1
    wanted = DriverLevel.name_to_value[level]
    assert {(one.consistency_level, one.is_idempotent) for one in north.prepared} == {(wanted, True)}


def test_a_counted_table_is_no_better_than_its_worse_dc(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, ledger = whole
    counts = {"north": RowCounts(right=10, wrong=0, phantom=0), "south": RowCounts(right=7, wrong=1, phantom=2)}
    monkeypatch.setattr(tables, "count_rows", lambda *arguments: counts[arguments[-1]])
    sent = {Operation.RECORD_ALERT: Sent(attempted=10, acknowledged=10, indeterminate=0)}
    report = audited(estate, ledger, north=Session(held), south=Session(held), sent=sent)
    alerts = report.tables["alerts_by_home"]
    assert (alerts.verified, alerts.lost, alerts.wrong, alerts.phantom) == (7, 2, 1, 2)
    assert report.totals.lost == 2


@pytest.mark.parametrize("state", [SlotState.INTENT, SlotState.FAILED, SlotState.ACKNOWLEDGED])
def test_a_home_with_a_half_hour_in_doubt_or_refused_is_in_no_sample(estate: EstateModel, state: SlotState) -> None:
    ledger = Ledger.create(None, ["ingest_reading", "ingest_revision_1"], estate.meter_count, estate.slot_count)
    fuels = len(estate.fuels)
    mark_run(ledger.states, 1, 7 * fuels + fuels - 1, estate.slot_count - 1, 1, int(state))
    is_settled = state is SlotState.ACKNOWLEDGED
    assert settled_homes(estate, ledger)(7) is is_settled
    assert sampled_homes(estate, ledger) == [home for home in range(PREMISES) if home != 7 or is_settled]
    assert np.count_nonzero(ledger.states) == 1


def test_homes_that_are_looked_at_together_are_told_apart(estate: EstateModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.audit.rules.customers_read.SETTLED_AT_ONCE", 7)
    random = np.random.default_rng(5)
    ledger = Ledger.create(None, ["ingest_reading", "ingest_revision_1"], estate.meter_count, estate.slot_count)
    for plane in range(2):
        for meter in random.choice(estate.meter_count, estate.meter_count // 3, replace=False).tolist():
            slot, state = int(random.integers(estate.slot_count)), int(random.integers(1, 4))
            mark_run(ledger.states, plane, meter, slot, 1, state)
    fuels = len(estate.fuels)
    states = np.stack([ledger.slots(plane, 0, estate.meter_count) for plane in range(2)])
    is_open = (
        ((states == SlotState.INTENT) | (states == SlotState.FAILED)).any(axis=(0, 2)).reshape(-1, fuels).any(axis=1)
    )
    assert 0 < is_open.sum() < PREMISES
    is_settled = settled_homes(estate, ledger)
    assert [is_settled(home) for home in range(PREMISES)] == (~is_open).tolist()
    assert is_settled(-1) and is_settled(PREMISES)  # homes of nobody have nothing that is in doubt
