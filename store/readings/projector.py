"""Views across homes, projected from the log; a crash at any point between two writes heals by projecting again.

A writer's batch goes in four steps: (1) the journal names the days of meters that it touches; (2) the log and the views of
each home are written; (3) those days are projected: folded anew where they need it, and written to every view across homes;
(4) the watermark moves past the batch. Whatever was logged is journalled, so after a crash `heal` projects from the watermark
on. Each write is a pure fold of the log at a timestamp that grows with what the fold has seen: doing it twice, late or out of
order changes nothing. Deliveries that were not acknowledged come again.

One process owns a writer's number at a time: the watermark follows its batches alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

from scenarios.domain import DAY_US, Operation, SettlementRunCode
from store.columns import concat
from store.operations import AnyOperation, StoreOperation
from store.ports import Runner, Values
from store.readings.across import Projection, days_needed, logs_of, refolded, rows_of
from store.readings.journal import journalled, numbers_of, watermark_of
from store.readings.settlement import MeterDate, SettledMeter, days_of, epoch_days_of, settle_meters, settlement_values
from store.readings.store import HomeReadings
from store.roles import TableRole
from store.rows import MeterDay, Readings, us_of

HOMES_AT_ONCE = 64  # their rows are held together
METERS_PER_BATCH_MAX = 2_000


class Projector:
    """Takes a writer's deliveries into the log and keeps the views across homes. Call `heal` before the first batch.

    writer: a number that no other process uses meanwhile; started_us: when this process was started, for no two the same.
    """

    def __init__(self, store: HomeReadings, projection: Projection, *, writer: int, started_us: int) -> None:
        self._store = store
        self._runner: Runner = store.runner
        self._projection = projection
        self._journal_bucket = self._runner.schema.table(TableRole.JOURNAL).bucket_size
        self._writer = writer
        self._started_us = started_us
        self._next_batch: int | None = None
        self._batch_floor = 0

    def heal(self) -> int:
        """Project all that was journalled and is not known to be projected; the number of batches. Raises StoreError."""
        watermark = watermark_of(self._runner, self._writer)
        batch, healed = watermark, 0
        for number, touched in journalled(self._runner, self._writer, watermark):
            self.project(touched)
            healed += 1
            batch = max(batch, number + 1)
        if batch > watermark:
            self._move_watermark(batch)
        # A number whose journal row is in doubt is not used again: the row may still come.
        self._next_batch = max(batch, self._batch_floor)
        return healed

    def journalled(self) -> Iterator[MeterDay]:
        """The days of all batches so far, as the journal names them; a day may come again. Raises StoreError."""
        for _, touched in journalled(self._runner, self._writer):
            yield from touched

    def deliver(self, deliveries: Sequence[Readings]) -> None:
        """Take a batch of deliveries, corrections and registers alone in. Raises StoreError: `heal`, then deliver it again."""
        assert self._next_batch is not None, "a writer that has not healed"
        touched = sorted({one for readings in deliveries for one in days_touched(readings)})
        assert len(touched) <= METERS_PER_BATCH_MAX, f"a batch of {len(touched)} meters' days"
        batch, self._next_batch = self._next_batch, None  # until this one is through
        self._batch_floor = batch + 1
        self._run(StoreOperation.JOURNAL_BATCH, self._journal_values(batch, touched))
        for readings in deliveries:
            self._write(readings)
        self.project(touched)
        self._move_watermark(batch + 1)
        self._next_batch = batch + 1

    def project(self, touched: Iterable[MeterDay], progress: Callable[[], None] = lambda: None) -> None:
        """Fold days of meters anew, from the log into every view. Repeating it changes nothing.

        progress: told after every HOMES_AT_ONCE homes. Raises StoreError; Refused for a day that the store's book can't price.
        """
        of_home: dict[int, list[MeterDay]] = {}
        for one in sorted(set(touched)):
            of_home.setdefault(one.premises, []).append(one)
        homes = sorted(of_home)
        book = self._store.book
        for at in range(0, len(homes), HOMES_AT_ONCE):
            chunk = {premises: of_home[premises] for premises in homes[at : at + HOMES_AT_ONCE]}
            logs = logs_of(
                self._runner, {premises: days_needed(days, book.calendar) for premises, days in chunk.items()}
            )
            # Of all homes at once: home by home, calls of NumPy and round trips are most of the time.
            log = concat([logs[premises] for premises in chunk])
            days = [one for of_one in chunk.values() for one in of_one]
            views = {
                **refolded(log, days, book),
                **rows_of(log, days, self._projection, self._runner.schema, book.calendar),
            }
            for operation, rows in views.items():
                self._run_many(operation, rows)
            progress()

    def settle(self, settlement_date: date, run: SettlementRunCode, known_at_us: int, shard: int) -> int:
        """Freeze what was known of a shard's meters at an instant as a settlement run; how many meters. Raises StoreError.

        The meters are those that the latest view has. Repeating it changes nothing, however much is known by then.
        """
        assert run is not SettlementRunCode.LATEST, "what is known now is not frozen"
        table = self._runner.schema.table(TableRole.SETTLEMENT)
        meters = read_settlement(self._runner, settlement_date, SettlementRunCode.LATEST, shard)
        count, calendar = 0, self._store.calendar
        for at in range(0, len(meters), HOMES_AT_ONCE):
            chunk = meters[at : at + HOMES_AT_ONCE]
            logs = logs_of(self._runner, {one.premises: set(days_of(settlement_date, calendar)) for one in chunk})
            wanted = [MeterDate(settlement_date, one.premises, one.fuel) for one in chunk]
            log = concat([logs[premises] for premises in logs])
            known = [row for row in settle_meters(wanted, log, known_at_us, calendar) if row is not None]
            self._run_many(
                StoreOperation.WRITE_SETTLEMENT,
                [settlement_values(table, settlement_date, run, *row) for row in known],
            )
            count += len(known)
        return count

    def _write(self, readings: Readings) -> None:
        if readings.values_wh.shape[1] == 0:
            self._store.append_register(readings)
        elif (readings.revision == 0).all():
            self._store.append(readings)
        else:
            self._store.append_revision(readings)

    def _journal_values(self, batch: int, touched: Sequence[MeterDay]) -> Values:
        return {
            "writer": self._writer,
            "bucket": batch // self._journal_bucket,
            "batch_number": batch,
            "started_at": self._started_us // 1_000,
            **numbers_of(touched),
            "write_us": self._started_us,
        }

    def _move_watermark(self, batch: int) -> None:
        self._run(StoreOperation.MOVE_WATERMARK, {"writer": self._writer, "batch_number": batch, "write_us": batch})

    def _run(self, operation: AnyOperation, values: Values) -> None:
        self._runner.run(operation, values)

    def _run_many(self, operation: AnyOperation, rows: list[Values]) -> None:
        if rows:
            self._runner.run_many(operation, rows)


def days_touched(readings: Readings) -> set[MeterDay]:
    """The days that deliveries are about; a register alone is of the day that it ends."""
    start_us = readings.interval_start_us - (readings.values_wh.shape[1] == 0)
    return {
        MeterDay(premises, fuel, day * DAY_US)
        for premises, fuel, day in zip(
            readings.premises.tolist(), readings.fuel.tolist(), (start_us // DAY_US).tolist(), strict=True
        )
    }


def read_settlement(runner: Runner, settlement_date: date, run: SettlementRunCode, shard: int) -> list[SettledMeter]:
    """The meters of a shard on a settlement date, as a run has frozen them or as they are known now. Raises StoreError."""
    key = {"settlement_date": epoch_days_of(settlement_date), "run": int(run), "shard": shard}
    return [
        SettledMeter(
            mpxn=row.mpxn,
            fuel=row.fuel,
            premises=row.premises,
            known_at_us=us_of(row.known_at),
            estimated_count=row.estimated_count,
            values_wh=tuple(row.values_wh),
        )
        for row in runner.run(Operation.READ_SETTLEMENT, key)
    ]
