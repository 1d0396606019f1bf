"""After a storm: the days that estimates and corrections have touched are folded anew, so that their views follow the log.

A reading brings its day's sums with it; a revision of one half-hour can't, as it does not know the others. On a platform a
projector follows the log for this; a run does it once, when its storm is over.
"""

import time
from collections.abc import Callable, Sequence

from cassandra.cluster import Session

from loadtests.workload.prices import book_of
from scenarios.spec import Topology
from scenarios.texts.wording import listed
from sim.estate.model import EstateModel
from store.cassandra.bulk import CassandraBulk
from store.columns import Integers, Mask
from store.readings.verify import Rebuilt, rebuild
from store.roles import DAY_VIEWS
from store.tables import Schema


def day_views(schema: Schema) -> tuple[str, ...]:
    """The names of the tables that are folded anew."""
    return tuple(table.name for table in schema.tables_with(DAY_VIEWS))


def fold_days_anew(
    sessions: Sequence[Session],
    estate: EstateModel,
    schema: Schema,
    topology: Topology,
    progress: Callable[[str], None],
) -> dict[str, Rebuilt]:
    """Mend the views of a day wherever they differ from the fold of the log, of each home in its own DC.

    sessions: of the business DCs, in their order. What was acknowledged in a home's DC is all there; after an overload it
    may still be on its way to the others, by hints. Raises StoreError.
    """
    mended = {view: Rebuilt() for view in day_views(schema)}
    book = book_of(estate)
    for dc, session in enumerate(sessions):
        bulk = CassandraBulk(session, topology)

        def is_home(premises: Integers, dc: int = dc) -> Mask:
            is_its: Mask = estate.home_dc_of(premises) == dc
            return is_its

        try:
            progress(f"computing {listed(list(mended))} again from the event log, in {topology.business_dcs[dc].name}")
            now_us = time.time_ns() // 1_000
            for view, done in rebuild(bulk, schema, tuple(mended), book, now_us, is_chosen=is_home).items():
                left = f", {done.left:,} can't be mended" if done.left else ""
                progress(f"computed {view} again: {done.rows:,} days, {done.written:,} mended{left}")
                mended[view].add(done)
        finally:
            bulk.close()
    return mended
