"""Do both sides hold the same facts? Every row of every table that was written, read from each data centre.

Both were sent the same operations, with the write timestamps that these have from the data: whatever one holds and the
other does not was lost, altered or made up by what differs between them. What both lose alike is not seen: `meterstorm
run` audits against the seed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cassandra import ConsistencyLevel as DriverLevel
from cassandra.cluster import Session
from cassandra.query import SimpleStatement

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.trials.load import SampleLoad
from store.cassandra.session import FAILURES
from store.ports import StoreError
from store.roles import TableRole
from store.tables import Table, primary_key

PAGE_ROWS = 2_000
READ_S_MAX = 60.0
EXAMPLES_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """Where a table of the candidate differs from the baseline's, read through one data centre."""

    table: str
    dc: str
    rows: int  # of the baseline
    missing: int  # in the candidate
    extra: int
    altered: int
    examples: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return not (self.missing or self.extra or self.altered)


def compare_facts(
    baseline: tuple[LocalCluster, SampleLoad],
    candidate: tuple[LocalCluster, SampleLoad],
    *,
    without: Collection[TableRole] = (),
) -> tuple[TableDifference, ...]:
    """Every table that a write of the sample touches, through every DC. Raises StoreError when one can't be read.

    without: roles whose tables have other rows in the candidate, by its design.
    """
    found = []
    for dc in baseline[1].scenario.topology.dcs:
        held, other = (_rows_of(cluster, load, dc.name, without) for cluster, load in (baseline, candidate))
        for (table, ours), (_, theirs) in zip(held, other, strict=True):
            found.append(difference(table, dc.name, ours, theirs))
    return tuple(found)


def difference(
    table: Table, dc: str, ours: Mapping[tuple[object, ...], object], theirs: Mapping[tuple[object, ...], object]
) -> TableDifference:
    """Of two tables as primary key -> all other columns. Pure."""
    missing = sorted(ours.keys() - theirs.keys(), key=repr)
    extra = sorted(theirs.keys() - ours.keys(), key=repr)
    altered = sorted((key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]), key=repr)
    names = primary_key(table)
    told = [
        f"{word}: " + ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True))
        for word, keys in (("missing", missing), ("extra", extra), ("altered", altered))
        for key in keys[:1]
    ]
    return TableDifference(
        table=table.name,
        dc=dc,
        rows=len(ours),
        missing=len(missing),
        extra=len(extra),
        altered=len(altered),
        examples=tuple(told[:EXAMPLES_MAX]),
    )


def _rows_of(
    cluster: LocalCluster, load: SampleLoad, dc: str, without: Collection[TableRole]
) -> Iterator[tuple[Table, Mapping[tuple[object, ...], object]]]:
    driver, session = connect(cluster.endpoint(dc))
    try:
        for table in load.written:
            if not table.has_role(*without):
                yield table, _rows(session, load.keyspace, table)
    finally:
        driver.shutdown()


def _rows(session: Session, keyspace: str, table: Table) -> Mapping[tuple[object, ...], object]:
    key = primary_key(table)
    others = [column.name for column in table.columns if column.name not in key]
    columns = ", ".join([*key, *others])
    statement = SimpleStatement(
        f"SELECT {columns} FROM {keyspace}.{table.name}",
        fetch_size=PAGE_ROWS,
        consistency_level=DriverLevel.LOCAL_QUORUM,
        is_idempotent=True,
    )
    try:
        answer: Iterable[tuple[object, ...]] = session.execute(statement, timeout=READ_S_MAX)
        return {tuple(row[: len(key)]): tuple(row[len(key) :]) for row in answer}
    except FAILURES as error:
        raise StoreError(f"{keyspace}.{table.name} at LOCAL_QUORUM: {error}") from error
