"""What is asked of the store from outside. Pure."""

from enum import StrEnum


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
