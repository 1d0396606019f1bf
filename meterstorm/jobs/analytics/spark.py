"""A session of Apache Spark for jobs: a local one, or one of a cluster, with the connector's jars by a lock and Java 17.

Rules that hold here: a local Spark listens on loopback only; what it spills goes with the session; reads of Cassandra go to one
data centre, at a level within it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.jars import CONNECTOR_LOCK, parse_lock, ready_jars
from loadtests.cluster.java import find_java
from loadtests.cluster.machine import available_memory_mib, processor_count
from loadtests.errors import HarnessError
from scenarios.domain import ConsistencyLevel
from scenarios.passing_folder import PassingFolder
from scenarios.spec import ScenarioError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL = "local[*]"
_EXTENSIONS = "com.datastax.spark.connector.CassandraSparkExtensions"


@contextmanager
def spark_session(
    *,
    master: str = LOCAL,
    endpoint: Endpoint | None = None,
    level: ConsistencyLevel = ConsistencyLevel.LOCAL_QUORUM,
    memory_mib: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> "Iterator[SparkSession]":
    """A session, ended with the block. endpoint: of the cluster that is read, through its `local_dc` alone.

    memory_mib: of a local one's heap, instead of half of what is free. A process has one JVM: that of its first session, which
    outlives it, with its heap, its Java and, where that was a local one, loopback.

    Raises ScenarioError where pyspark is not installed or is of a version that has no connector, and for an endpoint that speaks
    TLS; HarnessError where there is no Java 17, or the connector's jars can't be fetched.
    """
    require_pyspark()
    from pyspark.sql import SparkSession

    if endpoint is not None and endpoint.ca is not None:
        raise ScenarioError(
            "--engine spark: the connector takes a Java trust store, no PEM file: export first, and ask the warehouse"
        )
    java = find_java()
    with PassingFolder("spark") as spill:
        settings = {
            "spark.master": master,
            "spark.app.name": "meterstorm",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.local.dir": str(spill.path),
            "spark.sql.warehouse.dir": str(spill.path / "tables"),
        }
        if master.startswith("local"):
            os.environ.setdefault(
                "SPARK_LOCAL_IP", "127.0.0.1"
            )  # else it looks for a name of the machine, and binds to that
            settings |= {
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.sql.shuffle.partitions": str(max(processor_count(), 2)),
                "spark.driver.memory": f"{memory_mib or max(available_memory_mib() // 2, 1_024)}m",
            }
        if endpoint is not None:
            jars = ready_jars(parse_lock(CONNECTOR_LOCK.read_text(encoding="utf-8")), progress)
            settings |= {
                "spark.jars": ",".join(str(path) for path in jars),
                "spark.sql.extensions": _EXTENSIONS,
                "spark.cassandra.connection.host": ",".join(endpoint.contact_points),
                "spark.cassandra.connection.port": str(endpoint.port),
                "spark.cassandra.connection.localDC": endpoint.local_dc,
                "spark.cassandra.input.consistency.level": str(level),
                "spark.cassandra.output.consistency.level": str(level),
            }
        os.environ["JAVA_HOME"] = str(java.path.parents[1])  # the one way to tell pyspark which Java it starts
        builder = SparkSession.builder
        for name, value in settings.items():
            builder = builder.config(name, value)
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            session = builder.getOrCreate()
        except Exception as error:  # py4j's, by what the JVM said last
            raise HarnessError(f"Spark does not start: {str(error).splitlines()[0]}") from error
        finally:
            # pyspark's own handler outlives its session, and then asks one that is gone. Ours ends the session too: by the block.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, interrupt)
        try:
            session.sparkContext.setLogLevel("ERROR")
            if endpoint is not None and endpoint.username is not None:
                # Not before: all that a session is made with stands on the JVM's command line, for every user to see.
                session.conf.set("spark.cassandra.auth.username", endpoint.username)
                session.conf.set("spark.cassandra.auth.password", endpoint.password or "")
            yield session
        finally:
            session.stop()


def require_pyspark() -> None:
    """Raises ScenarioError, with the mend, where Spark is not installed or is one that the connector is not made for."""
    try:
        import pyspark
    except ImportError:
        raise ScenarioError(
            "--engine spark: pyspark is not installed: `uv sync --extra spark`, or `pip install 'meterstorm[spark]'`"
        ) from None
    if not pyspark.__version__.startswith("3.5."):
        raise ScenarioError(
            f"--engine spark: pyspark {pyspark.__version__} is installed, and the Cassandra connector is made for 3.5: "
            "pip install 'pyspark>=3.5.7,<4'"
        )
