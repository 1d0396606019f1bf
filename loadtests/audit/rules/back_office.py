"""The back office under audit: raw forms, refusals, and views across homes, each held against log and seed. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.audit.rules.customers import Checked, Ints, checked
from loadtests.workload.faulty_deliveries import APART_US, faulty_delivery
from loadtests.workload.raw_deliveries import adapted_runs, are_exact, exported_days, of_types
from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US, MeterType
from sim.estate.lookup import meter_of, start_us_of
from sim.estate.model import EstateModel
from store.columns import Page, dicts_of, integers, lists
from store.ports import LogEvent, Rejected
from store.readings.receipts import HOUR_US
from store.readings.settlement import settle
from store.readings.summaries import Insight, month_wh
from store.rows import Readings
from store.tariffs import EXPORT, GAS, MISSING_WH

EPOCH = date(1970, 1, 1)


def check_raw_forms(estate: EstateModel, measured: Sequence[tuple[int, LogEvent]]) -> Checked:
    """Is every measured row of the log, (home, row), what its meter's own adapter makes of the meter's raw form?

    Left out: uploads whose half-hours may lie one Wh off (`loadtests.workload.raw_deliveries.are_exact`).
    """
    count, faults = 0, list[str]()
    start_us = start_us_of(estate)
    home = np.array([home for home, _ in measured], np.int64)
    fuel = np.array([one.fuel for _, one in measured], np.int64)
    meter = meter_of(estate, home, fuel == GAS)
    length = np.array([one.slot_count for _, one in measured], np.int64)
    begins_us = np.array([one.interval_start_us for _, one in measured], np.int64)
    first = ((begins_us - start_us) // estate.slot_us).astype(np.int32)

    def hold(rows: NDArray[np.intp], adapted: Readings, what: str) -> None:
        for at, row in enumerate(rows.tolist()):
            one = measured[row][1]
            held = (one.mpxn, one.register_wh, list(one.values_wh))
            made = (int(adapted.mpxn[at]), int(adapted.register_wh[at]), adapted.values_wh[at].tolist())
            if held != made:
                faults.append(f"home {measured[row][0]}, {what}: the log has {held}, not {made}")

    for meter_type, of_type in of_types(estate, meter).items():
        exported = of_type[fuel[of_type] == EXPORT]
        of_type = of_type[fuel[of_type] != EXPORT]
        if len(exported):
            count += len(exported)
            is_day = (length[exported] == estate.slots_per_day) & (meter_type is MeterType.IMPORT_EXPORT)
            faults += [f"home {home[row]}: no raw form has {measured[row][1]}" for row in exported[~is_day].tolist()]
            days = exported[is_day]
            hold(days, exported_days(estate, meter[days], first[days]), "export")
        for slot_count in np.unique(length[of_type]).tolist():
            if (slot_count == 0) != (meter_type is MeterType.REGISTER_ONLY):
                continue  # a register of a meter that could send more: there is no raw form of it alone
            rows = of_type[length[of_type] == slot_count]
            span = slot_count or estate.slots_per_day  # a register alone is of the day that it ends
            begins = first[rows] if slot_count else first[rows] - np.int32(span)
            is_exact = are_exact(estate, meter_type, meter[rows], begins, span)
            rows, begins = rows[is_exact], begins[is_exact]
            if len(rows):
                count += len(rows)
                hold(rows, adapted_runs(estate, meter_type, meter[rows], begins, span), meter_type.name.lower())
    return checked("each reading is what its meter's raw form comes to", count, faults)


def check_refused(estate: EstateModel, recorded: Iterable[Rejected], sent_count: int) -> Checked:
    """Is every faulty delivery recorded, with its reason, and nothing else? sent_count: how many were sent at least."""
    told = {(one.received_at_us, one.mpxn, one.interval_start_us): one.reason for one in recorded}
    base_us = faulty_delivery(estate, 0).received_at_us
    count = max([sent_count, *((at_us - base_us) // APART_US + 1 for at_us, _, _ in told)])
    faults = []
    for number in range(count):
        faulty = faulty_delivery(estate, number)
        key = faulty.received_at_us, faulty.mpxn, faulty.interval_start_us
        reason = told.pop(key, None)
        if reason != faulty.reason.text:
            faults.append(f"faulty delivery {number} is recorded as {reason}, not as {faulty.reason.text}")
    faults += [f"{key} is recorded as {reason}, and nobody sent it" for key, reason in told.items()]
    return checked("each faulty delivery is recorded with its reason", count, faults)


def check_settled(
    view: str, held: Sequence[Mapping[str, Any]], logs: Mapping[int, Page], calendar: Calendar
) -> Checked:
    """Is each row of the settlement view what the log of its home comes to? view: its name; held: its rows of the latest run."""
    faults = []
    for row in held:
        day = EPOCH + timedelta(days=row["settlement_date"])
        settled = settle(day, logs[row["premises"]], row["fuel"], None, calendar)
        found = (row["mpxn"], row["known_at"] * 1_000, row["estimated_count"], tuple(row["values_wh"]))
        made = None
        if settled is not None:
            one = settled[0]
            made = one.mpxn, one.known_at_us, one.estimated_count, one.values_wh
        if found != made:
            faults.append(f"home {row['premises']} on {day}: {found}, and the log comes to {made}")
    return checked(f"{view} is what the event log comes to", len(held), faults)


def check_present(view: str, wanted: Sequence[tuple[int, int]], held: Container[tuple[int, int]]) -> Checked:
    """Is each (settlement date as days since 1970, metering point) that was projected in the view?"""
    faults = [
        f"metering point {mpxn} has no row on {EPOCH + timedelta(days=day)}"
        for day, mpxn in wanted
        if (day, mpxn) not in held
    ]
    return checked(f"each delivered day is in {view}", len(wanted), faults)


def check_received(
    view: str, held: Sequence[Mapping[str, Any]], logs: Mapping[int, Page], home_of: Mapping[int, int]
) -> Checked:
    """Has each receipt its row in the log? home_of: metering point -> home. The hour may be that of the other copy."""
    known = {
        home: {
            (row["mpxn"], row["interval_start"], row["slot_count"], row["revision"]): (
                row["received_at"] * 1_000 // HOUR_US,
                sum(wh != MISSING_WH for wh in lists(log, "values_wh").one(at)),
            )
            for at, row in enumerate(dicts_of(log))
        }
        for home, log in logs.items()
    }
    faults = []
    for row in held:
        key = row["mpxn"], row["interval_start"], row["slot_count"], row["revision"]
        logged = known[home_of[row["mpxn"]]].get(key)
        if logged is None or logged[1] != row["known_count"] or row["epoch_hour"] > logged[0]:
            faults.append(f"receipt {dict(row)}, and the log has {logged}")
    return checked(f"{view} has what the log received", len(held), faults)


def use_of_month(usage: Page, month: int, zone: tzinfo, slot_us: int = SLOT_US) -> Page:
    """What homes used on the local days of a month (yyyymm): premises, day, fuel, usage_wh, of rows of the usage view.

    Counted by the zone's own rules, row by row of each UTC day, and not as the store divides its days.
    slot_us: how long a slot is [us].
    """
    sums: dict[tuple[int, int, int], int] = {}
    local_days: dict[tuple[int, int], list[date]] = {}
    names = ("premises", "month", "day", "fuel", "usage_wh", "late_usage_wh", "through")
    for home, of_month, day, fuel, early_wh, late_wh, through_ms in zip(
        *(integers(usage, name).tolist() for name in names), strict=True
    ):
        start = datetime(of_month // 100, of_month % 100, day, tzinfo=UTC)
        if (of_month, day) not in local_days:
            instants = [start + timedelta(microseconds=at_us) for at_us in range(0, DAY_US, slot_us)]
            local_days[of_month, day] = [one.astimezone(zone).date() for one in instants]
        seen = (through_ms - int(start.timestamp()) * 1_000) * 1_000 // slot_us
        told = sorted(set(local_days[of_month, day][:seen]))
        for local, used_wh in zip(told, (early_wh, late_wh), strict=False):
            if local.year * 100 + local.month == month:
                key = home, local.day, fuel
                sums[key] = sums.get(key, 0) + used_wh
    keys = np.array(list(sums), np.int64).reshape(-1, 3)
    used = np.array(list(sums.values()), np.int64)
    return {"premises": keys[:, 0], "day": keys[:, 1], "fuel": keys[:, 2], "usage_wh": used}


def check_cohorts(usage: Page, cohort: Ints, told: Mapping[int, Sequence[Insight]]) -> Checked:
    """Do the insights of cohorts count their homes and add up to them? usage: rows of one month, with the `cohort` of each."""
    faults, count = [], 0
    home, fuel, used = integers(usage, "premises"), integers(usage, "fuel"), integers(usage, "usage_wh")
    day = integers(usage, "day")
    for one, insights in told.items():
        for insight in insights:
            count += 1
            is_of = (cohort == one) & (fuel == insight.fuel)
            if insight.day:
                is_of &= day == insight.day
                of_homes = used[is_of]
            else:
                of_day = {other.day: other.mean_wh for other in insights if other.day and other.fuel == insight.fuel}
                is_of &= np.isin(day, list(of_day))
                of_homes = month_wh(day[is_of], home[is_of], used[is_of], of_day)
            homes = len(np.unique(home[is_of]))
            mean = round(int(of_homes.sum()) / max(homes, 1))
            if (insight.home_count, insight.mean_wh) != (homes, mean):
                faults.append(
                    f"cohort {one}, fuel {insight.fuel}: {insight.home_count} homes of {insight.mean_wh} Wh, and their usage "
                    f"is of {homes} homes, {mean} Wh"
                )
    return checked("each cohort's mean is that of its homes", count, faults)
