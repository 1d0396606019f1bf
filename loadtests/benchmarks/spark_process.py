"""A Spark that counts the half-hours of an event log whenever it is asked, in a process of its own.

The session is `meterstorm`'s, which benchmarks may not import: so it stands here as the text of a program.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from store.roles import TableRole
from store.schemas import DEFAULT_SCHEMA

_PROGRAM = """
import json, sys, time
import psutil
from pyspark.sql import functions as f
from loadtests.cluster.connect import Endpoint
from meterstorm.jobs.analytics.spark import spark_session
from scenarios.calendar import UTC_CALENDAR
from store.analytics.spark import event_log, half_hours_of

host, port, dc, keyspace, table, threads, heap_mib = sys.argv[1:]

def jvm_cpu_s():
    times = [one.cpu_times() for one in psutil.Process().children(recursive=True)]
    return sum(one.user + one.system for one in times)

endpoint = Endpoint(contact_points=(host,), port=int(port), local_dc=dc)
with spark_session(master=f"local[{threads}]", endpoint=endpoint, memory_mib=int(heap_mib)) as spark:
    for _ in sys.stdin:
        begun_s, begun_cpu_s = time.perf_counter(), jvm_cpu_s()
        rows = half_hours_of(event_log(spark, keyspace, table), UTC_CALENDAR).agg(f.count("*")).collect()[0][0]
        print(json.dumps([rows, jvm_cpu_s() - begun_cpu_s, time.perf_counter() - begun_s]), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """One answer: half-hours, each once; processor time of the JVM, and time of the clock [s]."""

    half_hours: int
    cpu_s: float
    took_s: float


class SparkProcess:
    """As a context manager. The first answer waits for the session, and pays for its compilers."""

    def __init__(self, endpoint: Endpoint, keyspace: str, *, threads: int, heap_mib: int) -> None:
        table = DEFAULT_SCHEMA.table(TableRole.EVENT_LOG).name
        told = [endpoint.contact_points[0], endpoint.port, endpoint.local_dc, keyspace, table, threads, heap_mib]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *map(str, told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def scan(self) -> Scanned:
        """Count the log's half-hours, through the endpoint's data centre alone. Raises HarnessError where Spark has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise HarnessError("Spark ended without an answer")
        half_hours, cpu_s, took_s = json.loads(line)
        return Scanned(half_hours=half_hours, cpu_s=cpu_s, took_s=took_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
