"""One round of analytics beside a storm, as a process of its own: gateways and senders don't wait for its interpreter.

Spoken to by `loadtests.storm.analytics` over one socket, pickled: it is given an `AnalyticsPlan`, says `RoundExported` once the
warehouse is whole, and ends with `RoundAnswered` or `Trouble`.
"""

import logging
import os
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

import pyarrow.parquet as pq

from loadtests.errors import HarnessError
from loadtests.storm.messages import AnalyticsPlan, RoundAnswered, RoundExported, Trouble
from loadtests.workload.warehouse import export_through
from store.analytics.duck import run_job
from store.analytics.jobs import JOBS
from store.analytics.warehouse import WarehouseError
from store.ports import StoreError

log = logging.getLogger(__name__)
EXIT_WITHOUT_PARENT = 3


def run_round(connection: Connection) -> None:
    """Serve one plan."""
    plan = connection.recv()
    assert isinstance(plan, AnalyticsPlan)
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    exported = export_through(plan.experiment, plan.dc, plan.warehouse, as_of_us=time.time_ns() // 1_000)
    connection.send(
        RoundExported(
            half_hours=exported.manifest.rows_of(), files_written=exported.files_written, cpu_s=time.process_time()
        )
    )
    job = JOBS[plan.job]
    rows = run_job(plan.warehouse, job)
    draft = plan.answer.with_name(plan.answer.name + ".partial")
    pq.write_table(rows, draft, compression="zstd")
    draft.replace(plan.answer)
    wrong = job.wrong_count(rows) if job.is_check else None
    connection.send(RoundAnswered(rows=rows.num_rows, wrong=wrong, cpu_s=time.process_time()))


def _end_with_parent(connection: Connection) -> None:
    """Nothing more is ever said to this process: the socket's end is its parent's."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(EXIT_WITHOUT_PARENT)


def main() -> None:
    """The process: one argument, the file descriptor of the socket to the parent."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    connection = Connection(int(sys.argv[1]))
    try:
        run_round(connection)
    except (BrokenPipeError, EOFError):
        log.error("the parent is gone")
    except Exception as error:
        log.error("analytics failed\n%s", traceback.format_exc())
        is_known = isinstance(error, HarnessError | StoreError | WarehouseError)
        connection.send(Trouble(message=str(error) if is_known else f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
