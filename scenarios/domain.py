"""Domain terms that every folder shares: fuels, read schedules, identifiers, settlement slots, consistency levels.

Units: energy in Wh, time in microseconds since the scenario's start (00:00 UTC), slots are UTC half-hours counted from it.
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SLOTS_PER_DAY = 48
SLOT_US = 1_800_000_000
DAY_US = SLOTS_PER_DAY * SLOT_US
PARTITION_COUNT = 4_096

MPAN_DISTRIBUTOR = 10
MPAN_WEIGHTS = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
EXPORT_MPAN_BASE = 5_000_000_000  # of the ten digits between distributor and check digit; the simulator's own split
MPRN_BASE = 10_000_000


class Fuel(StrEnum):
    ELECTRICITY = "electricity"
    GAS = "gas"


class ReadSchedule(IntEnum):
    """How often a meter's readings reach the platform; the customer chooses."""

    DAILY = 0
    HALF_HOURLY = 1
    MONTHLY = 2
    TEN_SECOND = 3


class MeterType(IntEnum):
    """What a meter holds, and so the raw form of its readings."""

    REGISTER_ONLY = 0
    PROFILE = 1
    TEN_SECOND = 2
    IMPORT_EXPORT = 3
    GAS_VOLUME = 4


class MeterMode(IntEnum):
    """How far a metering point is part of the smart network. Only what is in smart mode sends anything."""

    SMART = 0
    TRADITIONAL = 1  # a smart meter that sends nothing: it measures, and is read by eye
    NOT_SMART = 2  # an ordinary meter, in a home without a hub
    ABSENT = 3  # a home without this fuel


class TariffKind(IntEnum):
    FLAT = 0
    TIME_OF_USE = 1
    HALF_HOURLY = 2


class CommandKind(StrEnum):
    """What can be asked of a device from afar, with its DUIS service reference."""

    UPDATE_TARIFF = "update_tariff"  # 1.1.1
    UPDATE_PRICE = "update_price"  # 1.2.1
    TOP_UP = "top_up"  # 2.2
    READ_ON_DEMAND = "read_on_demand"  # 4.1.1
    CHANGE_SCHEDULE = "change_schedule"  # 5.1
    ENABLE_SUPPLY = "enable_supply"  # 7.1
    DISABLE_SUPPLY = "disable_supply"  # 7.2
    ARM_SUPPLY = "arm_supply"  # 7.3
    UPDATE_FIRMWARE = "update_firmware"  # 11.1


class CommandState(IntEnum):
    """Terminal states of a command, and IN_FLIGHT for one that has none yet at the end of the span."""

    APPLIED = 0
    REJECTED = 1
    EXHAUSTED = 2
    IN_FLIGHT = 3


class DcRole(StrEnum):
    """Business data centres take the gateways' traffic; analytics ones only hold replicas of it."""

    BUSINESS = "business"
    ANALYTICS = "analytics"


class Quality(IntEnum):
    ACTUAL = 0
    ESTIMATED = 1
    SUBSTITUTED = 2
    MISSING = 3


class Source(IntEnum):
    SCHEDULED = 0
    ON_DEMAND = 1
    ALERT = 2


class SettlementRunCode(IntEnum):
    """When what is known of a settlement date is settled; LATEST is no run, but what is known now."""

    LATEST = 0
    II = 1
    SF = 2
    R1 = 3
    R2 = 4
    R3 = 5
    RF = 6


class Operation(StrEnum):
    """What is asked of the store from outside; results, objectives and consistency levels are keyed by these.

    What the store does beside it for itself is in `store.operations`.
    """

    INGEST_READING = "ingest_reading"  # half-hours of a meter: the log and all views of the home, in one mutation
    INGEST_REVISION = "ingest_revision"  # one half-hour, estimated or corrected: the log and the interval view
    INGEST_REGISTER = "ingest_register"  # a register alone: the log and the latest state
    INGEST_TEN_SECOND = "ingest_ten_second"
    RECORD_REJECTED = "record_rejected"
    RECORD_ALERT = "record_alert"
    READ_EVENTS = "read_events"
    READ_USAGE_MONTH = "read_usage_month"
    READ_INTERVALS_DAY = "read_intervals_day"
    READ_STATE = "read_state"
    READ_BILLING_MONTH = "read_billing_month"
    READ_TEN_SECOND = "read_ten_second"
    READ_ALERTS = "read_alerts"
    READ_REJECTED = "read_rejected"

    READ_SETTLEMENT = "read_settlement"
    READ_RECEIPTS = "read_receipts"
    READ_RECEIPT_COUNT = "read_receipt_count"
    READ_COMPARISON = "read_comparison"
    READ_COMPLETENESS = "read_completeness"

    CHANGE_PREFERENCE = "change_preference"
    READ_PREFERENCES = "read_preferences"
    WRITE_TARIFF = "write_tariff"
    READ_TARIFF = "read_tariff"
    REFRESH_IHD = "refresh_ihd"
    ISSUE_BILL = "issue_bill"
    READ_BILLS = "read_bills"

    CREATE_COMMAND = "create_command"
    SEND_COMMAND = "send_command"
    POLL_INBOX = "poll_inbox"
    ANSWER_COMMAND = "answer_command"
    END_COMMAND = "end_command"  # the one terminal state, by compare-and-set
    FIND_DUE = "find_due"


RUN_OPERATIONS = (
    Operation.INGEST_READING,
    Operation.INGEST_REGISTER,
    Operation.INGEST_REVISION,
    Operation.INGEST_TEN_SECOND,
    Operation.RECORD_ALERT,
    Operation.CHANGE_PREFERENCE,
    Operation.READ_USAGE_MONTH,
    Operation.READ_INTERVALS_DAY,
    Operation.READ_STATE,
    Operation.READ_COMPARISON,
    Operation.READ_BILLING_MONTH,
    Operation.REFRESH_IHD,
    Operation.CREATE_COMMAND,
    Operation.SEND_COMMAND,
    Operation.POLL_INBOX,
    Operation.ANSWER_COMMAND,
    Operation.END_COMMAND,
    Operation.FIND_DUE,
)
"""What a run sends often enough to have an objective; the others are the library's."""


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


def mpan_of(premises: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 13-digit electricity metering point of each premises: int64[n] index -> int64[n] MPAN core with its check digit.

    Source: MPAN core check digit: sum of the first 12 digits times successive primes (11 left out), mod 11, mod 10.
    """
    stem = np.int64(MPAN_DISTRIBUTOR) * 10_000_000_000 + premises.astype(np.int64)
    rest = stem.copy()
    total = np.zeros_like(stem)
    for weight in reversed(MPAN_WEIGHTS):
        total += (rest % 10) * weight
        rest //= 10
    mpan: NDArray[np.int64] = stem * 10 + total % 11 % 10
    return mpan


def export_mpan_of(premises: NDArray[np.int64]) -> NDArray[np.int64]:
    """The metering point of what each premises gives to the network: a number of its own, as the industry has it."""
    return mpan_of(premises.astype(np.int64) + EXPORT_MPAN_BASE)


def mprn_of(premises: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 10-digit gas metering point of each premises: int64[n] index -> int64[n] MPRN with its two check digits.

    Source: MPRN check: the eight leading digits times 8, 7, ... 1, summed, mod 11, as two digits.
    """
    stem = np.int64(MPRN_BASE) + premises.astype(np.int64)
    rest = stem.copy()
    total = np.zeros_like(stem)
    for weight in range(1, 9):
        total += (rest % 10) * weight
        rest //= 10
    mprn: NDArray[np.int64] = stem * 100 + total % 11
    return mprn


class MeteringPoints(NamedTuple):
    """What n metering point numbers say."""

    premises: NDArray[np.int64]  # [n] -1 for a number that nobody could have made: wrong check digit, other distributor
    is_gas: NDArray[np.bool_]  # [n]
    is_export: NDArray[np.bool_]  # [n] of what an electricity meter measures in the other direction


def premises_of_mpxn(mpxn: NDArray[np.int64]) -> MeteringPoints:
    """The inverse of `mpan_of`, `export_mpan_of` and `mprn_of`: int64[n] -> n metering points."""
    value = mpxn.astype(np.int64)
    is_gas = value < 100 * MPRN_BASE * 10
    stem = value // 10 - np.int64(MPAN_DISTRIBUTOR) * 10_000_000_000
    is_export = ~is_gas & (stem >= EXPORT_MPAN_BASE)
    premises = np.where(is_gas, value // 100 - MPRN_BASE, stem - np.where(is_export, EXPORT_MPAN_BASE, 0))
    in_range = (premises >= 0) & (premises < 9 * MPRN_BASE)
    known = np.where(in_range, premises, 0)
    made = np.where(is_gas, mprn_of(known), np.where(is_export, export_mpan_of(known), mpan_of(known)))
    return MeteringPoints(np.where(in_range & (made == value), premises, -1), is_gas, is_export)
