"""What tests share: one real two-DC Cassandra for the whole test run, and a driver session on it.

The whole suite runs in two processes: one has every test that starts nodes, senders or servers, one after the other, as they
share the cluster and measure time; the other has the rest. What is named on the command line runs in one process, as ever.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from scenarios.spec import Dc, Topology

TEST_HEAP_MIB = 384
WITH_NODES = Path(__file__).with_name("integration")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Two processes for the whole suite, unless -n says otherwise."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    is_worker = "PYTEST_XDIST_WORKER" in os.environ  # one of the two, which would start two of its own
    if (
        is_whole
        and not is_worker
        and config.option.numprocesses is None
        and not config.option.usepdb
        and not config.option.collectonly
    ):
        config.option.numprocesses = 2
        config.option.dist = "loadgroup"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with nodes are one group, which one process has from its beginning to its end. xdist reads the marks after this."""
    for item in items:
        if item.path.is_relative_to(WITH_NODES) or "two_dc_cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("nodes"))


# A shell starts its background jobs with Ctrl-C ignored, which children inherit; tests of Ctrl-C mean a terminal's.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def two_dc_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Business DCs `north` and `south` of one node each, as in smoke.toml. Tests make keyspaces of their own in it."""
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)))
    folder = tmp_path_factory.mktemp("two_dc_cluster")
    with LocalCluster.start(topology, folder, print, heap_mib=TEST_HEAP_MIB) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def session(two_dc_cluster: LocalCluster) -> Iterator[Any]:
    """A cassandra-driver session on DC `north` of the two-DC cluster."""
    cluster, session = connect(two_dc_cluster.endpoint("north"))
    yield session
    cluster.shutdown()
