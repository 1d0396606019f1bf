"""Which levels of a write and a read must have a replica in common, worked by hand."""

import pytest

from scenarios.domain import ConsistencyLevel as Level
from scenarios.levels.visible_writes import hidden_writes, shows
from scenarios.spec import Topology


def topology(*rfs: int) -> Topology:
    return Topology.model_validate({"dcs": [{"name": f"dc{at}", "nodes": 4, "rf": rf} for at, rf in enumerate(rfs)]})


@pytest.mark.parametrize(
    ("rfs", "write", "read", "is_shown"),
    [
        ((3, 3), Level.LOCAL_QUORUM, Level.LOCAL_QUORUM, True),  # 2 + 2 of 3
        ((4, 4), Level.LOCAL_QUORUM, Level.LOCAL_QUORUM, True),  # 3 + 3 of 4
        ((3, 3), Level.LOCAL_QUORUM, Level.LOCAL_ONE, False),  # 2 + 1 of 3
        ((1, 1), Level.LOCAL_ONE, Level.LOCAL_ONE, True),  # there is but one
        ((1, 1), Level.ONE, Level.LOCAL_ONE, False),  # the other DC's may have acknowledged
        ((1,), Level.ONE, Level.ONE, True),
        ((3, 3), Level.EACH_QUORUM, Level.LOCAL_QUORUM, True),
        ((3, 3), Level.QUORUM, Level.QUORUM, True),  # 4 + 4 of 6
        ((3, 3), Level.QUORUM, Level.LOCAL_QUORUM, False),  # 1 of the DC's own at least, + 2 of 3
        ((3,), Level.QUORUM, Level.LOCAL_QUORUM, True),
        ((3, 3), Level.ALL, Level.LOCAL_ONE, True),
        ((3, 3), Level.LOCAL_ONE, Level.ALL, True),
        ((3,), Level.TWO, Level.TWO, True),
        ((3,), Level.THREE, Level.ONE, True),
        ((3,), Level.TWO, Level.ONE, False),
    ],
)
def test_a_read_shows_a_write_where_they_have_a_replica_in_common(
    rfs: tuple[int, ...], write: Level, read: Level, is_shown: bool
) -> None:
    of = topology(*rfs)
    assert [shows(of, dc, write, read) for dc in of.business_dcs] == [is_shown] * len(rfs)
    assert hidden_writes(of, [write], [read]) == (None if is_shown else (write, read))


def test_one_dc_where_it_is_hidden_is_enough() -> None:
    levels = [Level.LOCAL_ONE, Level.LOCAL_QUORUM]
    assert hidden_writes(topology(1, 3), levels, levels) == (Level.LOCAL_ONE, Level.LOCAL_ONE)
    assert hidden_writes(topology(1, 3), [Level.LOCAL_QUORUM], [Level.LOCAL_QUORUM]) is None
