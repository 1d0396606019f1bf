"""One pass over a table through one data centre (DC), or through several side by side: its pages read, judged and counted.

What a page must be does not depend on the DC that sent it, and DCs that hold the same rows send the same bytes. So what was
found of a page is kept until the other DCs have sent theirs: a page that is the same to its last byte is not judged again.
Rules: pages of all DCs are taken in turns, so that none is far ahead; together they have no more in flight than one alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np
from cassandra import ConsistencyLevel as DriverLevel
from cassandra.cluster import Session
from numpy.typing import NDArray

from loadtests.audit.data_loss.counting import Tally
from loadtests.audit.data_loss.expected_rows import Compared, audited_columns, compare_page, rows_of_class
from loadtests.audit.data_loss.fact_classes import FactClass
from loadtests.audit.data_loss.fault_examples import FaultExample, lost_example, row_example
from loadtests.audit.data_loss.table_scan import (
    RANGES_IN_FLIGHT_MAX,
    TablePage,
    read_pages,
    table_ranges,
)
from loadtests.recording.ledger import Ledger
from scenarios.spec import Topology
from sim.estate.model import EstateModel
from store.tables import Table

PAGES_KEPT_MAX = RANGES_IN_FLIGHT_MAX
_KEY_BYTES = 256


@dataclass(slots=True, kw_only=True)
class DcPass:
    """What a pass has found in one DC, a tally for each class of facts."""

    tallies: list[Tally]
    examples: list[FaultExample] = field(default_factory=list)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Of all classes together: int64[FactOutcome]."""
        counts: NDArray[np.int64] = np.sum([tally.counts for tally in self.tallies], axis=0)
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPage:
    """A page held against the seed, and for each class of facts which rows speak of it (`expected_rows.rows_of_class`)."""

    compared: Compared
    claims: list[NDArray[np.uint8]]


class JudgedPages:
    """What was found of the last pages, for DCs that send the same ones. Memory holds PAGES_KEPT_MAX of them."""

    def __init__(self, others: int) -> None:
        """others: how many DCs are still to send a page once one has."""
        self._others = others
        self._kept: dict[tuple[int, bytes], tuple[TablePage, JudgedPage, int]] = {}

    def find(self, page: TablePage) -> JudgedPage | None:
        """What was found of a page with the very same bytes, rows and columns; None: judge it."""
        key = _key_of(page)
        if key not in self._kept:
            return None
        other, judged, left = self._kept[key]
        if page.size.shape != other.size.shape or not np.array_equal(page.cells, other.cells):
            return None
        if left > 1:
            self._kept[key] = other, judged, left - 1
        else:
            del self._kept[key]
        return judged

    def keep(self, page: TablePage, judged: JudgedPage) -> None:
        """Keep what was found of a page for the DCs that have not sent theirs."""
        if self._others == 0:
            return
        self._kept[_key_of(page)] = page, judged, self._others
        if len(self._kept) > PAGES_KEPT_MAX:
            del self._kept[next(iter(self._kept))]


def _key_of(page: TablePage) -> tuple[int, bytes]:
    """Tells most pages apart; those of one key are compared byte by byte."""
    return len(page.cells), page.cells[:_KEY_BYTES].tobytes()


class TablePasses:
    """Passes over one table."""

    def __init__(
        self,
        *,
        estate: EstateModel,
        ledger: Ledger,
        table: Table,
        topology: Topology,
        classes: Sequence[FactClass],
        folds_may_lack: bool,
    ) -> None:
        """classes: of the table's facts; folds_may_lack: see `expected_rows.compare_page`."""
        self._estate, self._ledger, self._table, self._topology = estate, ledger, table, topology
        self._classes, self._folds_may_lack = classes, folds_may_lack

    def through(self, sessions: Mapping[str, Session]) -> dict[str, DcPass]:
        """Read the table once through each DC's session and count its facts. Raises HarnessError when a DC can't be read."""
        found = {dc: DcPass(tallies=self._tallies()) for dc in sessions}
        kept = JudgedPages(len(sessions) - 1)
        pages = {dc: self._pages(dc, session, len(sessions)) for dc, session in sessions.items()}
        for dc, page in in_turns(pages):
            judged = kept.find(page)
            if judged is None:
                judged = self._judge(page)
                kept.keep(page, judged)
            for one, tally, claim in zip(self._classes, found[dc].tallies, judged.claims, strict=True):
                found[dc].examples += [
                    row_example(self._estate, self._ledger, self._table, one, example, dc, page)
                    for example in tally.add(judged.compared, claim)
                ]
        for dc, one_pass in found.items():
            for one, tally in zip(self._classes, one_pass.tallies, strict=True):
                one_pass.examples += [
                    lost_example(self._estate, self._table, one, example, dc) for example in tally.finish()
                ]
        return found

    def _judge(self, page: TablePage) -> JudgedPage:
        compared = compare_page(self._estate, self._ledger, self._table, page, folds_may_lack=self._folds_may_lack)
        claims = [rows_of_class(self._estate, self._table, compared, one) for one in self._classes]
        return JudgedPage(compared=compared, claims=claims)

    def _tallies(self) -> list[Tally]:
        return [
            Tally(one.plane, unit_starts=one.unit_starts, are_absent_unjudged=self._folds_may_lack)
            for one in self._classes
        ]

    def _pages(self, dc: str, session: Session, dc_count: int) -> Iterator[TablePage]:
        keyspace = self._topology.keyspace
        key = ", ".join(self._table.partition_key)
        select = session.prepare(
            f"SELECT {', '.join(audited_columns(self._table))} FROM {keyspace}.{self._table.name} "
            f"WHERE token({key}) > ? AND token({key}) <= ?"
        )
        select.consistency_level = DriverLevel.name_to_value[self._topology.consistency.audit]
        select.is_idempotent = True
        ranges = table_ranges(session, keyspace, dc, self._estate.meter_count * self._estate.day_count)
        return read_pages(session, select, ranges, in_flight_max=max(RANGES_IN_FLIGHT_MAX // dc_count, 1))


def in_turns(pages: Mapping[str, Iterator[TablePage]]) -> Iterator[tuple[str, TablePage]]:
    """The pages of all DCs, one of each in turn while it has any: each DC reads on while another's page is worked on."""
    for of_all in zip_longest(*pages.values()):
        for dc, page in zip(pages, of_all, strict=True):
            if page is not None:
                yield dc, page
