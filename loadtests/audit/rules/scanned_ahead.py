"""Scans whose next pieces of the ring are begun while one is worked on: small tables are many pieces with a wait for each.

For tables that nobody writes any more: what was asked ahead is as it was then. The level and the session are those of any scan.
"""

from cassandra.cluster import Session

from scenarios.spec import Topology
from store.cassandra.bulk import BegunPiece, CassandraBulk
from store.columns import Piece
from store.readings.cells import Layout
from store.tables import Table

PIECES_AHEAD = 4


class AheadBulk(CassandraBulk):
    """Takes it that the pieces of `pieces` are scanned in their order. Memory holds PIECES_AHEAD pages more of a scan."""

    def __init__(self, session: Session, topology: Topology) -> None:
        super().__init__(session, topology)
        self._begun: dict[tuple[str, tuple[str, ...], int], BegunPiece] = {}  # table, columns, where the piece begins

    def _begin(self, table: Table, layout: Layout, piece: Piece) -> BegunPiece:
        of_scan = table.name, tuple(layout.selected)
        begun = self._begun.pop((*of_scan, piece.after), None) or super()._begin(table, layout, piece)
        pieces = self.pieces()
        at = [one.after for one in pieces].index(piece.after)
        for one in pieces[at + 1 : at + 1 + PIECES_AHEAD]:
            if (*of_scan, one.after) not in self._begun:
                self._begun[(*of_scan, one.after)] = super()._begin(table, layout, one)
        return begun
