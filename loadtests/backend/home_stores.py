"""Each home's data read and projected in the home's own data centre (DC), where all that was acknowledged of it is seen at once.

What the coordinators of a home's DC have acknowledged at LOCAL_QUORUM, the next read there sees. To the other DCs it may still
be on its way, by hints: a fold that is made there lacks it, and nobody folds again (docs/decisions/0009).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.workload.prices import book_of
from scenarios.domain import premises_of_mpxn
from sim.estate.model import EstateModel
from store.columns import Integers, Mask, Page, Piece, integers, take
from store.ports import Bulk
from store.readings.across import logs_of
from store.readings.store import HomeReadings
from store.tables import Table


class HomeStores:
    """A store in each business DC, and which of them is a home's own.

    stores: of the business DCs in their order. What is of no single home (price lists, refusals, cohorts, completeness) is
    written and read in the first one.
    """

    def __init__(self, estate: EstateModel, stores: Sequence[HomeReadings]) -> None:
        assert len(stores) == estate.packed.dc_count, "a store for each business DC"
        self._estate, self.stores = estate, tuple(stores)
        self.first = self.stores[0]
        self.across = self.first
        """Reads whole tables with each home's rows as the home's own DC holds them; all else is as in the first DC."""
        if len(stores) > 1:
            bulk = _OwnRows(estate, [store.bulk for store in stores])
            self.across = HomeReadings(self.first.runner, bulk, book_of(estate))

    def dcs_of(self, premises: Integers) -> Iterator[tuple[int, Mask]]:
        """The DCs that some of these homes are of, and which: bool[n] each."""
        return _dcs_of(self._estate, premises)

    def are_of(self, dc: int, premises: Integers) -> Mask:
        """Which of these homes are a DC's: bool[n]."""
        is_its: Mask = self._estate.home_dc_of(premises) == dc
        return is_its

    def logs_of(self, days_of_home: Mapping[int, set[int]]) -> dict[int, Page]:
        """As `store.readings.across.logs_of`, of each home in its own DC. Raises StoreError."""
        homes = np.array(list(days_of_home), np.int64)
        logs: dict[int, Page] = {}
        for dc, is_its in self.dcs_of(homes):
            logs |= logs_of(self.stores[dc].runner, {home: days_of_home[home] for home in homes[is_its].tolist()})
        return logs


@dataclass(frozen=True, slots=True, kw_only=True)
class _PieceInDc(Piece):
    dc: int


class _OwnRows:
    """Implements `store.ports.Bulk` over a Bulk in each business DC: a home's rows are read and written in its own.

    A table is scanned once in each DC. Columns that are scanned name the home: by `premises` or by `mpxn`.
    """

    def __init__(self, estate: EstateModel, bulks: Sequence[Bulk]) -> None:
        self._estate, self._bulks = estate, bulks

    def pieces(self) -> Sequence[Piece]:
        """Of one ring, each once in every DC: a reader that stops early has seen homes of all DCs."""
        return [
            _PieceInDc(after=one.after, through=one.through, dc=dc)
            for one in self._bulks[0].pieces()
            for dc in range(len(self._bulks))
        ]

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        assert isinstance(piece, _PieceInDc), "one of `pieces`"
        for page in self._bulks[piece.dc].scan(table, columns, piece, with_times=with_times):
            yield take(page, self._estate.home_dc_of(_homes_of(page)) == piece.dc)

    def insert(self, table: Table, rows: Page) -> None:
        for dc, is_its in _dcs_of(self._estate, _homes_of(rows)):
            self._bulks[dc].insert(table, take(rows, is_its))

    def delete(self, table: Table, rows: Page) -> None:
        for dc, is_its in _dcs_of(self._estate, _homes_of(rows)):
            self._bulks[dc].delete(table, take(rows, is_its))


def _dcs_of(estate: EstateModel, premises: Integers) -> Iterator[tuple[int, Mask]]:
    dc_of = estate.home_dc_of(premises)
    for dc in np.unique(dc_of).tolist():
        yield dc, dc_of == dc


def _homes_of(page: Page) -> Integers:
    """-1 for a metering point that nobody could have made: a home of no estate, in one DC as any other."""
    return integers(page, "premises") if "premises" in page else premises_of_mpxn(integers(page, "mpxn")).premises
