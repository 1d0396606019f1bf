"""What meters are and what they send: fuels, types, modes, schedules, and what is said of a reading. Pure."""

from enum import IntEnum, StrEnum

PARTITION_COUNT = 4_096  # equal parts that all premises are dealt into; shards and samples are made of them


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
