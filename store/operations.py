"""The store's own operations: what it does beside what it is asked, to keep its views, commands and due index right.

They have consistency levels by default alone: a scenario speaks of what is asked, not of how the store works.
"""

from enum import StrEnum

from scenarios.domain import Operation


class StoreOperation(StrEnum):
    """A statement that the store sends of itself."""

    REFOLD_DAY = "refold_day"  # usage and billing of a day, folded anew from the log
    WRITE_SETTLEMENT = "write_settlement"
    RECORD_RECEIPT = "record_receipt"  # by a row a delivery ...
    COUNT_RECEIPT = "count_receipt"  # ... or by a counter
    WRITE_COHORT = "write_cohort"
    WRITE_COMPLETENESS = "write_completeness"
    JOURNAL_BATCH = "journal_batch"  # what a batch of deliveries touches, before the log is written
    READ_JOURNAL = "read_journal"
    MOVE_WATERMARK = "move_watermark"  # all batches below it are projected
    READ_WATERMARK = "read_watermark"
    RECORD_REGISTER_CHANGE = "record_register_change"  # a counter rolled over, or a meter was exchanged
    READ_REGISTER_CHANGES = "read_register_changes"
    RECORD_PREPAYMENT = "record_prepayment"  # a prepaid account was opened, or something was paid in
    READ_PREPAYMENT = "read_prepayment"
    WAIT_COMMAND = "wait_command"  # an attempt has timed out, or waits to be sent again
    READ_COMMAND = "read_command"
    READ_ATTEMPTS = "read_attempts"
    SCHEDULE_DUE = "schedule_due"
    CLEAR_DUE = "clear_due"  # all that is due before an instant has been handled
    READ_DUE_CLEARED = "read_due_cleared"
    WRITE_PROFILE = "write_profile"  # what similar homes use, as a warehouse has it
    READ_PROFILES = "read_profiles"
    WRITE_HOME_INSIGHT = "write_home_insight"
    READ_HOME_INSIGHTS = "read_home_insights"
    REPORT_STATE = "report_state"
    READ_METER_STATE = "read_meter_state"


AnyOperation = Operation | StoreOperation
"""What a prepared statement is for."""
