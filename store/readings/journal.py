"""The journal of the projections: which days of meters each batch of a writer touches, named before the log is written.

Whatever a projector has delivered is in it for as long as its rows are kept (`store.tables.kept_s`); what others wrote into the
log is not.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from scenarios.domain import DAY_US
from store.operations import StoreOperation
from store.ports import Runner
from store.roles import TableRole
from store.rows import MeterDay
from store.tariffs import FUEL_CODES


def watermark_of(runner: Runner, writer: int) -> int:
    """The first batch of a writer that is not known to be projected. Raises StoreError."""
    rows = runner.run(StoreOperation.READ_WATERMARK, {"writer": writer})
    return int(rows[0].batch_number) if rows else 0


def first_journalled(runner: Runner, writer: int, batch: int, not_before: int = 0) -> int:
    """The first batch from `not_before` on whose row is still there, `batch` where none before it is. Raises StoreError."""
    bucket_size, first = runner.schema.table(TableRole.JOURNAL).bucket_size, batch
    for bucket in range(batch // bucket_size, not_before // bucket_size - 1, -1):
        from_batch = max(bucket * bucket_size, not_before)
        values = {"writer": writer, "bucket": bucket, "batch_number": from_batch}
        rows = runner.run(StoreOperation.READ_JOURNAL, values)
        if not rows and from_batch < batch:
            break  # after their days are over, older rows go first
        first = min([first, *(int(row.batch_number) for row in rows)])
    return first


def journalled(runner: Runner, writer: int, since: int = 0) -> Iterator[tuple[int, list[MeterDay]]]:
    """The batches of a writer from one on, each with the days that it touches; a day may come again. Raises StoreError."""
    batch = since
    while rows := _rows(runner, writer, batch):
        for row in rows:
            yield int(row.batch_number), days_of_meters(row.meters, row.epoch_days)
        batch = max(int(row.batch_number) for row in rows) + 1


def numbers_of(days: Sequence[MeterDay]) -> dict[str, list[int]]:
    """Days as the journal has them: `meters` and `epoch_days`."""
    return {
        "meters": [one.premises * len(FUEL_CODES) + one.fuel for one in days],
        "epoch_days": [one.day_start_us // DAY_US for one in days],
    }


def days_of_meters(meters: Sequence[int], epoch_days: Sequence[int]) -> list[MeterDay]:
    """The inverse of `numbers_of`."""
    fuels = len(FUEL_CODES)
    return [
        MeterDay(meter // fuels, meter % fuels, day * DAY_US) for meter, day in zip(meters, epoch_days, strict=True)
    ]


def _rows(runner: Runner, writer: int, batch: int) -> Sequence[Any]:
    """The journal of a bucket from a batch on, or of the next bucket when this one has no more."""
    first = batch // runner.schema.table(TableRole.JOURNAL).bucket_size
    for bucket in (first, first + 1):
        values = {"writer": writer, "bucket": bucket, "batch_number": batch}
        if rows := runner.run(StoreOperation.READ_JOURNAL, values):
            return rows
    return []
