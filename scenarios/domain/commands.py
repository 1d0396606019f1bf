"""What can be asked of a device from afar, and how that ends. Pure."""

from enum import IntEnum, StrEnum


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
