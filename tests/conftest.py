"""What tests share: one real two-DC Cassandra for the whole test run, and a driver session on it.

Tests run on up to four processors (pytest-xdist), a file at a time, in the order in which they were collected: those that start
nodes come first. All files that ask for the shared cluster run on one worker, which is why they are named here.
"""

import contextlib
import faulthandler
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import processor_count
from scenarios.spec import Dc, Topology
from tests.support.bytecode import share_bytecode

TEST_HEAP_MIB = 384
WORKERS_MAX = 4
ON_SHARED_CLUSTER = (
    "tests/integration/backend/test_command_gateway.py",
    "tests/integration/cluster/test_jmx_exporter.py",
    "tests/integration/cluster/test_local.py",
    "tests/integration/cluster/test_login.py",
    "tests/integration/cluster/test_node_facts.py",
    "tests/integration/locust_fleet/test_fleet_run.py",
    "tests/integration/jobs/test_find_max.py",
    "tests/integration/jobs/test_quarter_hours.py",
    "tests/integration/jobs/test_run.py",
    "tests/integration/jobs/test_spark.py",
    "tests/integration/sender/test_cassandra.py",
    "tests/integration/store/test_across.py",
    "tests/integration/store/test_agreement.py",
    "tests/integration/store/test_alterations.py",
    "tests/integration/store/test_command_contract.py",
    "tests/integration/store/test_customer_contract.py",
    "tests/integration/store/test_killed_process.py",
    "tests/integration/store/test_mending_contract.py",
    "tests/integration/store/test_migrations.py",
    "tests/integration/store/test_reading_contract.py",
    "tests/integration/store/test_warehouse.py",
    "tests/integration/test_examples.py",
    "tests/regression/test_killed_run.py",
)

# A first example compiles a kernel, and machines are shared: no test asserts a time.
settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("untimed")

# A shell starts its background jobs with Ctrl-C ignored, which children inherit; tests of Ctrl-C mean a terminal's.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# A node of a test lives for a minute or two, half of which its second compiler would take for code that then hardly runs:
# with the first alone a start costs 10 s of the processor instead of 17. What a node does and promises is the same.
os.environ["JDK_JAVA_OPTIONS"] = f"{os.environ.get('JDK_JAVA_OPTIONS', '')} -XX:TieredStopAtLevel=1".strip()


class FileScheduling(LoadScopeScheduling):
    """A file's tests run on one worker, one after another; those of the shared cluster are as one file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "the shared cluster" if file.startswith(ON_SHARED_CLUSTER) else file


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Of a process that crashes the stack of the thread that did it is told, and of no other.

    Python tells the youngest thread first: behind those of the driver a log that is cut had lost the one that mattered.
    """
    config.add_cleanup(share_bytecode())
    if config.pluginmanager.has_plugin("faulthandler"):
        faulthandler.enable(file=config.stash[fault_handler_stderr_fd_key], all_threads=False)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    config.option.loadscopereorder = False  # by the number of tests, the few that start nodes would come last
    return FileScheduling(config, log)


def pytest_xdist_auto_num_workers() -> int:
    return min(processor_count(), WORKERS_MAX)


@contextlib.contextmanager
def unflushed_tables() -> Iterator[None]:
    """Nodes that are started within hold new tables in their memory and commit log only: not for those that a test kills.

    A node writes some ten system tables to the disk for each CREATE TABLE: a schema of 24 costs two nodes 12 s of the
    processor so, and 3 s without.
    """
    with pytest.MonkeyPatch.context() as patch:
        options = f"{os.environ['JDK_JAVA_OPTIONS']} -Dcassandra.test.flush_local_schema_changes=false"
        patch.setenv("JDK_JAVA_OPTIONS", options)
        yield


@pytest.fixture
def tables_unflushed() -> Iterator[None]:
    """For tests whose own nodes are never killed."""
    with unflushed_tables():
        yield


@pytest.fixture(scope="session")
def two_dc_cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[LocalCluster]:
    """Business DCs `north` and `south` of one node each, as in smoke.toml. Tests make keyspaces of their own in it."""
    if worker_id != "master":
        try:
            (tmp_path_factory.getbasetemp().parent / "two_dc_cluster_of_this_test_run").touch(exist_ok=False)
        except FileExistsError:
            pytest.fail(
                "another worker has the shared cluster: name this test's file in ON_SHARED_CLUSTER of conftest.py"
            )
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)))
    folder = tmp_path_factory.mktemp("two_dc_cluster")
    with unflushed_tables():
        cluster = LocalCluster.start(topology, folder, print, heap_mib=TEST_HEAP_MIB, metrics=True)
    with cluster:
        yield cluster


@pytest.fixture(scope="session")
def session(two_dc_cluster: LocalCluster) -> Iterator[Any]:
    """A cassandra-driver session on DC `north` of the two-DC cluster."""
    cluster, session = connect(two_dc_cluster.endpoint("north"))
    yield session
    cluster.shutdown()
