"""A session of Spark: what it is made with stands on a command line, so no secret is among that."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from meterstorm.jobs.analytics import spark
from scenarios.spec import ScenarioError


def _asks_a_session(_number: int, _frame: Any) -> None:
    """What pyspark has SIGINT do, for as long as the process lives."""
    raise AttributeError("'NoneType' object has no attribute 'sc'")


class FakeSession:
    """Both builder and session: what it was made with, and what it was told afterwards."""

    def __init__(self, trouble: str = "") -> None:
        self.made_with: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.trouble, self.is_stopped = trouble, False
        self.conf = SimpleNamespace(set=self.told.__setitem__)
        self.sparkContext = SimpleNamespace(setLogLevel=lambda _: None)

    def config(self, name: str, value: str) -> "FakeSession":
        self.made_with[name] = value
        return self

    def getOrCreate(self) -> "FakeSession":
        signal.signal(signal.SIGINT, _asks_a_session)
        if self.trouble:
            raise RuntimeError(self.trouble)
        return self

    def stop(self) -> None:
        self.is_stopped = True


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSession]:
    interrupt = signal.getsignal(signal.SIGINT)
    made = FakeSession()
    package: Any = ModuleType("pyspark")
    package.__version__ = "3.5.9"
    sql: Any = ModuleType("pyspark.sql")
    sql.SparkSession = SimpleNamespace(builder=made)
    monkeypatch.setitem(sys.modules, "pyspark", package)
    monkeypatch.setitem(sys.modules, "pyspark.sql", sql)
    monkeypatch.setattr(spark, "ready_jars", lambda jars, progress: ())
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    yield made
    signal.signal(signal.SIGINT, interrupt)


def test_a_password_is_told_to_the_session_and_not_to_its_command_line(session: FakeSession) -> None:
    endpoint = Endpoint(contact_points=("127.0.0.1",), local_dc="warehouse", username="reader", password="hush")
    with spark.spark_session(endpoint=endpoint):
        assert session.told["spark.cassandra.auth.password"] == "hush"
    assert "hush" not in " ".join(session.made_with.values()) and session.is_stopped
    assert session.made_with["spark.cassandra.connection.localDC"] == "warehouse"
    assert session.made_with["spark.cassandra.input.consistency.level"] == "LOCAL_QUORUM"


def test_a_local_one_listens_on_loopback_and_another_where_its_cluster_says(session: FakeSession) -> None:
    with spark.spark_session():
        assert session.made_with["spark.driver.bindAddress"] == "127.0.0.1"
    session.made_with.clear()
    with spark.spark_session(master="spark://analytics:7077"):
        assert "spark.driver.bindAddress" not in session.made_with


def test_its_heap_is_half_of_what_is_free_or_as_large_as_was_said(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "available_memory_mib", lambda: 6_000)
    for said, heap in ((None, "3000m"), (512, "512m")):
        with spark.spark_session(memory_mib=said):
            assert session.made_with["spark.driver.memory"] == heap


@pytest.mark.parametrize("trouble", ["", "no room for the heap"])
def test_ctrl_c_stays_ours(session: FakeSession, trouble: str) -> None:
    session.trouble = trouble
    ours = signal.getsignal(signal.SIGINT)
    with contextlib.suppress(HarnessError), spark.spark_session():
        assert signal.getsignal(signal.SIGINT) is ours
    assert signal.getsignal(signal.SIGINT) is ours


def test_what_it_does_not_start_of_is_one_sentence(session: FakeSession) -> None:
    session.trouble = "no room for the heap\nand a stack trace"
    with pytest.raises(HarnessError, match=r"^Spark does not start: no room for the heap$"), spark.spark_session():
        pass


def test_an_endpoint_that_speaks_tls_is_refused(session: FakeSession, tmp_path: Any) -> None:
    endpoint = Endpoint(contact_points=("127.0.0.1",), local_dc="warehouse", ca=tmp_path / "ca.pem")
    with pytest.raises(ScenarioError, match="export first"), spark.spark_session(endpoint=endpoint):
        pass
    assert not session.made_with
