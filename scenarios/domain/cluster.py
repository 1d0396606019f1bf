"""What a scenario says of its cluster in the words of Cassandra: roles of data centres, levels, the commit log. Pure."""

from enum import StrEnum


class DcRole(StrEnum):
    """Business data centres take the gateways' traffic; analytics ones only hold replicas of it."""

    BUSINESS = "business"
    ANALYTICS = "analytics"


COMMIT_LOG_PERIOD_S = 10.0
"""How often a node of `periodic` has its commit log on its disk: Cassandra's own default."""


class CommitLogSync(StrEnum):
    """When a node's commit log is on its disk. An acknowledgement waits for that with `batch` and `group`.

    `periodic` (Cassandra's default) acknowledges first: a killed process loses what it acknowledged in its last moments, a
    machine without power up to ten seconds of it.
    """

    PERIODIC = "periodic"
    BATCH = "batch"
    GROUP = "group"


class ConsistencyLevel(StrEnum):
    """Levels for plain reads and writes. ANY is left out: an acknowledgement that no replica holds proves nothing."""

    ONE = "ONE"
    TWO = "TWO"
    THREE = "THREE"
    QUORUM = "QUORUM"
    ALL = "ALL"
    LOCAL_QUORUM = "LOCAL_QUORUM"
    EACH_QUORUM = "EACH_QUORUM"
    LOCAL_ONE = "LOCAL_ONE"

    @property
    def wire_code(self) -> int:
        """The [consistency] short of the CQL native protocol v4. Source: native_protocol_v4.spec section 3."""
        return _WIRE_CODES[self]


_WIRE_CODES = {
    ConsistencyLevel.ONE: 1,
    ConsistencyLevel.TWO: 2,
    ConsistencyLevel.THREE: 3,
    ConsistencyLevel.QUORUM: 4,
    ConsistencyLevel.ALL: 5,
    ConsistencyLevel.LOCAL_QUORUM: 6,
    ConsistencyLevel.EACH_QUORUM: 7,
    ConsistencyLevel.LOCAL_ONE: 10,
}
