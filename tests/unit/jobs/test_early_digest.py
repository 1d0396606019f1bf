"""A digest that is computed beside other work is that of the trace, and what stops it is heard of."""

import threading
from collections.abc import Callable

import pytest

from meterstorm.jobs import early_digest
from meterstorm.jobs.early_digest import EarlyDigest
from scenarios.spec import parse_scenario
from sim.estate.model import EstateModel, build_estate
from sim.virtual_time.tallies import trace_digest


@pytest.fixture
def estate() -> EstateModel:
    topology = 'dcs = [{ name = "north", nodes = 1, rf = 1 }]'
    return build_estate(
        parse_scenario(f'title = "few"\n[estate]\npremises = 10\n[topology]\n{topology}\n[run]\nwall_s = 10\n', "few")
    )


def test_it_is_that_of_the_trace(estate: EstateModel) -> None:
    assert EarlyDigest(estate).result() == trace_digest(estate)


def test_others_go_on_meanwhile_and_what_it_raises_is_raised(
    monkeypatch: pytest.MonkeyPatch, estate: EstateModel
) -> None:
    go_on = threading.Event()

    def slow(_: EstateModel, progress: Callable[[float], None]) -> str:
        assert go_on.wait(10.0)
        raise MemoryError("no room")

    monkeypatch.setattr(early_digest, "trace_digest", slow)
    early = EarlyDigest(estate)
    go_on.set()  # not reached if the digest were waited for
    with pytest.raises(MemoryError, match="no room"):
        early.result()


def test_one_that_is_given_up_ends(monkeypatch: pytest.MonkeyPatch, estate: EstateModel) -> None:
    ended = threading.Event()

    def endless(_: EstateModel, progress: Callable[[float], None]) -> str:
        try:
            for _ in range(1_000):
                progress(0.5)
                ended.wait(0.01)
        except Exception:
            ended.set()
            raise
        return "never given up"

    monkeypatch.setattr(early_digest, "trace_digest", endless)
    with EarlyDigest(estate):
        assert not ended.wait(0.1)
    assert ended.wait(5.0)
