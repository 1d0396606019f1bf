"""A fault of the data in one line: of which meter and half-hour, in which table and DCs, what is there and what should be."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reports.results.run import AuditExample, RuleCheck
from scenarios.calendar import local_text
from scenarios.texts.wording import counted, listed


def meter_text(example: AuditExample) -> str:
    """Which meter and half-hour, as far as the row says: "meter 17, half-hour from 2026-06-15 00:30 BST"."""
    meter = "a row of no meter of the estate" if example.mpxn is None else f"meter {example.mpxn}"
    start = start_text(example)
    slot = "half-hour" if example.slot_minutes == 30 else "quarter-hour"
    return meter if start is None else f"{meter}, {slot} from {start}"


def start_text(example: AuditExample) -> str | None:
    """The half-hour's start by the clock of the homes' zone."""
    if example.slot_start is None:
        return None
    since = example.slot_start - datetime(1970, 1, 1, tzinfo=UTC)
    return local_text(since // timedelta(microseconds=1), ZoneInfo(example.time_zone))


def dcs_text(example: AuditExample) -> str:
    """The data centres that show it."""
    return listed(list(example.dcs or (example.dc,)))


def fault_line(example: AuditExample) -> str:
    """The whole fault, without its kind."""
    expected, found = ("nothing" if value is None else value for value in (example.expected, example.found))
    where = f"{example.table} of {dcs_text(example)}"
    return f"{meter_text(example)}, in {where}: expected {expected}, found {found}"


def held_against(rule: RuleCheck) -> str:
    """How many cases a rule was held against: "1,291 cases (a sample: 200 of 5,000 homes)"."""
    sample = "" if rule.sample is None else f" (a sample: {rule.sample})"
    return f"{counted(rule.counted, 'case')}{sample}"
