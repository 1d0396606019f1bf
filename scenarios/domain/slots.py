"""The settlement slots of a day: UTC half-hours, counted from the scenario's start. Pure."""

SLOTS_PER_DAY = 48
SLOT_US = 1_800_000_000
DAY_US = SLOTS_PER_DAY * SLOT_US
