"""Domain terms that every folder shares: fuels, read schedules, identifiers, settlement slots, consistency levels.

Units: energy in Wh, time in microseconds since the scenario's start (00:00 UTC), slots are UTC half-hours counted from it.
"""

from scenarios.domain.cluster import COMMIT_LOG_PERIOD_S, CommitLogSync, ConsistencyLevel, DcRole
from scenarios.domain.commands import CommandKind, CommandState
from scenarios.domain.metering_points import (
    EXPORT_MPAN_BASE,
    MPAN_DISTRIBUTOR,
    MPAN_WEIGHTS,
    MPRN_BASE,
    MeteringPoints,
    export_mpan_of,
    mpan_of,
    mprn_of,
    premises_of_mpxn,
)
from scenarios.domain.meters import (
    PARTITION_COUNT,
    Fuel,
    MeterMode,
    MeterType,
    Quality,
    ReadSchedule,
    SettlementRunCode,
    Source,
    TariffKind,
)
from scenarios.domain.operations import RUN_OPERATIONS, Operation
from scenarios.domain.slots import DAY_US, SLOT_US, SLOTS_PER_DAY

__all__ = [
    "COMMIT_LOG_PERIOD_S",
    "DAY_US",
    "EXPORT_MPAN_BASE",
    "MPAN_DISTRIBUTOR",
    "MPAN_WEIGHTS",
    "MPRN_BASE",
    "PARTITION_COUNT",
    "RUN_OPERATIONS",
    "SLOTS_PER_DAY",
    "SLOT_US",
    "CommandKind",
    "CommandState",
    "CommitLogSync",
    "ConsistencyLevel",
    "DcRole",
    "Fuel",
    "MeterMode",
    "MeterType",
    "MeteringPoints",
    "Operation",
    "Quality",
    "ReadSchedule",
    "SettlementRunCode",
    "Source",
    "TariffKind",
    "export_mpan_of",
    "mpan_of",
    "mprn_of",
    "premises_of_mpxn",
]
