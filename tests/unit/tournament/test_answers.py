"""Every design that ships answers rightly what the sample wrote; and each kind of wrong answer is found."""

import datetime as dt
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from loadtests.sender.ring import ring_of_nodes
from loadtests.tournament.answers import (
    AskedDays,
    answer_difference,
    answered_half_hours,
    days_of,
    questions_of,
    wanted_half_hours,
)
from loadtests.tournament.asked import bound_values, difference_of
from loadtests.tournament.bound_rows import bound_rows
from loadtests.tournament.counted_days import counter_error
from loadtests.tournament.entrants import ENTRANTS_MAX, Entrant, entrants_of
from loadtests.tournament.half_hours import HalfHours, latest_of
from loadtests.tournament.rebuild import PARTS, parts_of, runs_of
from loadtests.tournament.usage_answers import (
    aggregate_error,
    answered_days,
    month_starts_us,
    months_of,
    true_days,
    wanted_days,
)
from loadtests.trials.facts import TableDifference
from loadtests.trials.load import SampleLoad
from loadtests.workload.deliveries import readings_of
from loadtests.workload.operations import lanes_of
from loadtests.workload.sample import sample_of
from scenarios.design_folder import DesignFolder
from scenarios.domain import Operation
from scenarios.operations import operations_of
from scenarios.spec import parse_scenario
from scenarios.variant_file import PLAIN, shipped_variants
from sim.estate.model import build_estate
from store.designs.design import OWN_ANSWERS
from store.ports import Values
from store.roles import TableRole
from store.tables import CqlType, Schema, primary_key
from tests.support.executed_frames import Row, rows_left

SCENARIO = parse_scenario(
    """
title = "days with gaps, pushes and corrections"
[estate]
premises = 12
read_schedules = { daily = 0.6, half_hourly = 0.4 }
[reads]
gap_share = 0.05
duplicate_share = 0.05
settlement_runs = [{ name = "sf", after_days = 1, share = 0.05 }]
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
days = 3
wall_s = 60
start = 2026-01-30
""",
    "test",
)
ESTATE = build_estate(SCENARIO)
DAY, MONTH = Operation.READ_INTERVALS_DAY, Operation.READ_USAGE_MONTH
DESIGNS = {name: each for name, each in shipped_variants().items() if isinstance(each, DesignFolder)}
assert len(DESIGNS) < ENTRANTS_MAX
ENTRANTS = entrants_of(SCENARIO, DESIGNS)


def loaded(schema: Schema, role: TableRole = TableRole.INTERVALS) -> tuple[SampleLoad, list[Row]]:
    """The sample in a schema's frames, and the rows that these leave in the table of a role."""
    statements = [one for operation in operations_of(SCENARIO) for one in schema.statements_of(operation)]
    ids = {one.cql: number.to_bytes(16, "big") for number, one in enumerate(statements)}
    load = SampleLoad(
        name="a load",
        scenario=SCENARIO,
        sample=sample_of(SCENARIO, ESTATE, schema, ids),
        lanes=tuple(lane.operation for lane in lanes_of(SCENARIO)),
        writes=frozenset({Operation.INGEST_READING, Operation.INGEST_REVISION}),
        written=(),
        statements=(),
        ring=ring_of_nodes([(("a", 1), "north")]),
    )
    by_id = {ids[one.cql]: one for one in statements}
    return load, rows_left(load.sample, by_id, schema.table(role))


def answers_of(
    schema: Schema, rows: Sequence[Row], questions: Sequence[Values], operation: Operation = DAY
) -> list[list[Any]]:
    """Each question's rows, by the conditions that its SELECT states, as cassandra-driver would give them."""
    statement = schema.statement(operation)
    where = statement.cql.split(" WHERE ")[1].split(" ORDER ")[0]
    conditions = [each.split() for each in where.split(" AND ")]
    names = [bind.name for bind in statement.binds]
    (table,) = schema.tables_of(operation)
    instants = {one.name for one in table.columns if one.type is CqlType.TIMESTAMP}
    told = {"=": int.__eq__, "<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__}
    found: list[list[Any]] = []
    for asked in questions:
        chosen = [
            row
            for row in rows
            if all(told[op](row[column], asked[name]) for (column, op, _), name in zip(conditions, names, strict=True))
        ]
        found.append(
            [
                SimpleNamespace(
                    **{
                        name: dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=value) if name in instants else value
                        for name, value in row.items()
                    }
                )
                for row in chosen
            ]
        )
    return found


@pytest.mark.parametrize("name", list(ENTRANTS))
def test_a_design_that_ships_answers_each_half_hour_of_the_seed(name: str) -> None:
    entrant = ENTRANTS[name]
    load, rows = loaded(entrant.schema)
    days = days_of(load, ESTATE)
    wanted = wanted_half_hours(load, days, ESTATE)
    assert len(wanted.key) > 1_000 and len(days.meter) > 30
    answers = answers_of(entrant.schema, rows, questions_of(entrant.schema, days, ESTATE))
    held = latest_of(*answered_half_hours(answers, entrant.answers[DAY], days, ESTATE, 0))
    found = answer_difference("north", wanted, held, days, ESTATE)
    assert found.is_same and found.rows == len(wanted.key), found


def test_a_lost_correction_a_lost_row_and_one_too_many_are_found() -> None:
    schema = ENTRANTS[PLAIN].schema
    load, rows = loaded(schema)
    days = days_of(load, ESTATE)
    wanted = wanted_half_hours(load, days, ESTATE)
    questions = questions_of(schema, days, ESTATE)

    def found(kept: Sequence[Row]) -> tuple[int, int, int]:
        told = answered_half_hours(answers_of(schema, kept, questions), OWN_ANSWERS[DAY], days, ESTATE, 0)
        held = answer_difference("north", wanted, latest_of(*told), days, ESTATE)
        return held.missing, held.extra, held.altered

    corrections = [row for row in rows if row["revision"] == 1]
    assert corrections
    missing, extra, altered = found([row for row in rows if row is not corrections[0]])
    assert (missing + altered, extra) == (1, 0)
    upload = next(row for row in rows if row["slot_count"] == 48)
    assert found([row for row in rows if row is not upload])[0] > 40
    assert found([*rows, {**corrections[0], "revision": 2, "values_wh": [123_456]}]) == (0, 0, 1)


def halves(*rows: tuple[int, int, int]) -> HalfHours:
    key, revision, wh = np.array(rows, np.int64).reshape(-1, 3).T
    return latest_of(key, revision, wh)


def test_of_a_half_hour_the_latest_revision_that_is_known_counts() -> None:
    told = halves((7, 0, 100), (7, 1, 90), (7, -1, 80), (8, 0, -1), (8, -1, 55), (9, 0, -1), (3, 0, 1), (3, 0, 1))
    assert told.key.tolist() == [3, 7, 8] and told.wh.tolist() == [1, 90, 55]
    assert halves((7, 0, 1), (7, 0, 2), (7, 0, 2)).wh.tolist() == [-2]  # two things are said of it
    assert halves((7, 0, 1), (7, 0, 2), (7, 1, 3)).wh.tolist() == [3]
    assert halves().key.tolist() == []


def test_rows_that_are_of_no_day_of_the_question_are_one_too_many() -> None:
    days = AskedDays(meter=np.array([0, 1]), first_slot=np.array([0, 48], np.int32))
    far = SimpleNamespace(interval_start=dt.datetime(1970, 1, 1), revision=0, values_wh=[5])
    early = SimpleNamespace(interval_start=dt.datetime(2026, 1, 30), revision=0, values_wh=[7])
    told = answered_half_hours([[far], [early]], OWN_ANSWERS[DAY], days, ESTATE, 0)
    found = answer_difference("north", halves(), latest_of(*told), days, ESTATE)
    assert (found.missing, found.extra, found.altered) == (0, 2, 0)
    assert cast(str, found.examples[0]).startswith("extra: ")


def usage_difference(entrant: Entrant, rows: Sequence[Row], load: SampleLoad) -> TableDifference:
    """What is wrong in the answers about months of usage that rows of the entrant's table give."""
    months = months_of(load, ESTATE)
    answer = entrant.answers[MONTH]
    wanted = wanted_days(load, months, answer, ESTATE)
    asked = bound_values(entrant.schema, MONTH, months.meter, month_starts_us(months), ESTATE)
    answers = answers_of(entrant.schema, rows, asked, MONTH)
    return difference_of("usage", "north", wanted, answered_days(answers, answer, months, ESTATE, 0), str)


@pytest.mark.parametrize("name", [name for name, each in ENTRANTS.items() if MONTH in each.answers])
def test_a_month_of_usage_is_that_of_the_seed_from_a_view_or_folded(name: str) -> None:
    entrant = ENTRANTS[name]
    load, rows = loaded(entrant.schema, TableRole.DAILY_USAGE)
    found = usage_difference(entrant, rows, load)
    assert found.is_same and found.rows == 12 * 3, found
    lost = usage_difference(entrant, [row for row in rows if row is not rows[0]], load)
    assert lost.missing + lost.altered == 1 and not lost.extra


def test_folded_half_hours_know_corrections_that_a_view_of_days_does_not() -> None:
    plain, folded = (ENTRANTS[name] for name in (PLAIN, "folded"))
    load, _ = loaded(plain.schema)
    months = months_of(load, ESTATE)
    by_days, by_half_hours = (wanted_days(load, months, each.answers[MONTH], ESTATE) for each in (plain, folded))
    both, ours, theirs = np.intersect1d(by_days.key, by_half_hours.key, return_indices=True)
    assert (
        len(both) == 36 and (by_days.wh[ours] != by_half_hours.wh[theirs]).any()
    )  # an estimate stands where one was lost


def test_a_view_of_days_is_off_by_what_was_corrected_and_folded_half_hours_never() -> None:
    errors = {}
    for name in (PLAIN, "folded"):
        entrant = ENTRANTS[name]
        load, rows = loaded(entrant.schema, TableRole.DAILY_USAGE)
        months = months_of(load, ESTATE)
        answer = entrant.answers[MONTH]
        asked = bound_values(entrant.schema, MONTH, months.meter, month_starts_us(months), ESTATE)
        held = answered_days(answers_of(entrant.schema, rows, asked, MONTH), answer, months, ESTATE, 0)
        errors[name] = aggregate_error(true_days(load, months, answer, ESTATE), held)
    assert errors[PLAIN].days == errors["folded"].days == 36
    assert errors["folded"].wrong_days == errors["folded"].off_wh == 0
    assert errors[PLAIN].wrong_days > 0 and 0 < errors[PLAIN].off_wh < 0.2 * errors[PLAIN].total_wh
    # all days are whole here, so that both ways of counting come to the same energy
    assert errors[PLAIN].total_wh == errors["folded"].total_wh
    gone = aggregate_error(halves((1, 0, 10), (2, 0, 5)), halves((2, 0, 7), (3, 0, 1)))
    assert (gone.days, gone.wrong_days, gone.off_wh, gone.total_wh) == (3, 3, 13, 15)


def as_given(row: Row, instants: set[str]) -> SimpleNamespace:
    """A row as cassandra-driver gives it."""
    at = dt.datetime(1970, 1, 1)
    return SimpleNamespace(
        **{name: at + dt.timedelta(milliseconds=each) if name in instants else each for name, each in row.items()}
    )


@pytest.mark.parametrize("name", [PLAIN, "textbook", "deltas"])
def test_half_hours_folded_from_the_log_are_those_that_were_written(name: str) -> None:
    entrant = ENTRANTS[name]
    load, rows = loaded(entrant.schema)
    _, log = loaded(entrant.schema, TableRole.EVENT_LOG)
    parts = parts_of(load, ESTATE)
    assert 1 < len(parts) <= PARTS
    place = list(entrant.write.held)
    key = primary_key(entrant.schema.table(TableRole.INTERVALS))
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    stamps: dict[tuple[Any, ...], int] = {}
    homes = np.unique([row["premises"] for row in log])
    answers = [
        [as_given(row, {"interval_start", "received_at"}) for row in log if row["premises"] == home] for home in homes
    ]
    for run in runs_of(homes, answers, ESTATE.slot_us):
        for *values, stamp in bound_rows(entrant.write, run):
            plain = tuple(int(each.timestamp() * 1_000) if isinstance(each, dt.datetime) else each for each in values)
            at = tuple(plain[place.index(column)] for column in key)
            if stamps.get(at, stamp) <= stamp:
                found[at], stamps[at] = plain, stamp
    assert sorted(found.values(), key=str) == sorted((tuple(row[each] for each in place) for row in rows), key=str)


def test_counters_count_twice_what_comes_twice() -> None:
    load, _ = loaded(ENTRANTS[PLAIN].schema)
    found = counter_error(load, ESTATE)
    assert found is not None and 0 < found.wrong_days < found.days == 36
    sent = load.sample.rows[load.sample.rows["operation"] == 0]
    runs = [(int(row["meter"]), int(row["first_slot"]), int(row["slot_count"])) for row in sent]
    twice = [run for at, run in enumerate(runs) if run in runs[:at]]
    off_wh = 0
    for meter, slot, count in twice:
        wh = readings_of(
            ESTATE, meter=np.array([meter]), first_slot=np.array([slot], np.int32), slot_count=count
        ).values_wh
        off_wh += int(wh[wh != -1].sum())
    assert found.off_wh == off_wh
