"""What tests share: one real two-DC Cassandra for the whole test run, and a driver session on it."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from scenarios.spec import Dc, Topology

TEST_HEAP_MIB = 384

# A first example compiles a kernel, and machines are shared: no test asserts a time.
settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("untimed")

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
