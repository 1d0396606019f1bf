"""What is told while nodes are waited for: which of them serve, and which are awaited."""

from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.cluster import health
from loadtests.cluster.process import NodeProcess


def test_who_is_still_awaited_is_told_with_each_node_that_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    served: set[str] = set()
    monkeypatch.setattr(health, "_accepts", lambda address: address in served)
    monkeypatch.setattr(health.time, "sleep", lambda _: served.add("127.0.0.2" if served else "127.0.0.1"))
    nodes = [
        SimpleNamespace(spec=SimpleNamespace(name=name, address=address), require_alive=lambda: None)
        for name, address in (("north-1", "127.0.0.1"), ("south-1", "127.0.0.2"))
    ]
    told: list[str] = []
    health.wait_serving(cast(list[NodeProcess], nodes), told.append)
    assert [line.partition("CQL, 0 s")[2] for line in told] == ["; waiting for south-1", ""]
