"""What tables are for, apart from what a schema calls them.

Whoever asks for a table outside its schema asks by role: the event log, the view of half-hours, a view of days. A schema may
serve several roles by one table, and lack those that it has no table for; none is served by two tables.
"""

from enum import StrEnum


class TableRole(StrEnum):
    """What a table holds; its value is how a person would say it."""

    EVENT_LOG = "event log"
    INTERVALS = "intervals of a home"
    DAILY_USAGE = "daily usage of a home"
    DAILY_BILLING = "daily billing quantities of a home"
    LATEST_REGISTER = "latest register of a meter by month"
    TEN_SECONDS = "ten-second consumption of a home"
    REJECTIONS = "rejected readings"
    ALERTS = "alerts of a home"
    SETTLEMENT = "settlement"
    COHORT_INSIGHTS = "insights by cohort"
    RECEIPTS = "receipts"
    RECEIPT_COUNTERS = "receipts by counters"
    COMPLETENESS = "completeness"
    JOURNAL = "journal of the projections"
    WATERMARK = "watermark of the projections"
    COMMANDS = "commands of a device"
    COMMAND_STEPS = "steps of a command"
    DEVICE_STATE = "state of a device"
    DUE_INDEX = "due index"
    DUE_CLEARED = "progress of the due index"
    PREFERENCES = "preferences of a home"
    PRICE_LISTS = "price lists"
    BILLS = "bills of a home"
    REGISTER_CHANGES = "register changes of a home"
    PREPAYMENT = "prepaid accounts of a home"
    COHORT_PROFILES = "profiles of a cohort"
    HOME_INSIGHTS = "insights of a home"


HALF_HOUR_ROLES = (TableRole.EVENT_LOG, TableRole.INTERVALS)
"""Tables whose rows are runs of half-hours, each of which is a fact of its own."""

DAY_VIEWS = (TableRole.DAILY_USAGE, TableRole.DAILY_BILLING)
"""Views of which a row is a meter's day: each delivery brings the day's sums with it."""

HOME_VIEWS = (TableRole.INTERVALS, *DAY_VIEWS, TableRole.LATEST_REGISTER)
"""Views of one home that are folds of its log."""
