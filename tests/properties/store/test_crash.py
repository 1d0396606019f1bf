"""A writer that is killed before any of its statements leaves nothing wrong that a restart does not heal."""

from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US
from store.memory.statements import MemoryStatements
from store.readings.across import Projection, rebuild_across, verify_across, views_across
from store.readings.projector import Projector
from store.readings.store import HomeReadings
from store.readings.verify import folded_views
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import BOOK, DAYS, START_US, Delivery, deliveries
from tests.support.store_faults import Killed, MortalRunner

PROJECTION = Projection(region_of=lambda premises: premises % 2)
_STARTED_US = count(START_US + 100 * DAY_US, 1_000_000)

FEW = [
    Delivery(home=0, fuel=0, slot=0, values_wh=tuple(range(48)), register_wh=5),
    Delivery(home=0, fuel=0, slot=48, values_wh=(7,), register_wh=9),
    Delivery(home=0, fuel=0, slot=50, values_wh=(9,), revision=-1, is_sent=False),
    Delivery(home=0, fuel=0, slot=3, values_wh=(100,), revision=2, is_sent=False),
    Delivery(home=1, fuel=1, slot=48, values_wh=(), register_wh=77),
    Delivery(home=1, fuel=0, slot=47, values_wh=(5,), register_wh=77),
]


class Process:
    """A writer's process over statements that outlive it; `statements_left` until it is killed."""

    def __init__(self, statements: MemoryStatements, statements_left: int | None = None) -> None:
        self.runner = MortalRunner(statements, statements_left)
        self.store = HomeReadings(self.runner, statements, BOOK)
        self.projector = Projector(self.store, PROJECTION, writer=3, started_us=next(_STARTED_US))

    def deliver(self, batch: list[Delivery]) -> None:
        self.projector.deliver([one.readings() for one in batch])


def everything(statements: MemoryStatements) -> dict[str, object]:
    """All rows of every table but the journal's, which tells of the crashes."""
    names = ("journal_by_writer", "watermark_by_writer")
    return {table.name: statements.all_rows(table) for table in SCHEMA.tables if table.name not in names}


def faults(statements: MemoryStatements) -> list[object]:
    store = HomeReadings(statements, statements, BOOK)
    found: list[object] = [one for view in folded_views(SCHEMA) for one in store.verify(view)]
    return found + [one for view in views_across(SCHEMA) for one in verify_across(store, view, PROJECTION)]


def undisturbed(batches: list[list[Delivery]]) -> tuple[dict[str, object], int]:
    """What a writer that is never killed leaves, and how many statements it takes."""
    statements = MemoryStatements(SCHEMA)
    process = Process(statements)
    process.projector.heal()
    for batch in batches:
        process.deliver(batch)
    return everything(statements), process.runner.sent


def test_a_writer_killed_at_any_one_step_heals() -> None:
    """Exhaustive: killed before each of its statements in turn; views = fold before anything is delivered again."""
    batches = [FEW[:3], FEW[3:]]
    whole, statement_count = undisturbed(batches)
    assert statement_count > 30
    for step in range(statement_count):
        statements = MemoryStatements(SCHEMA)
        process, done = Process(statements, step), 0
        try:
            process.projector.heal()
            for batch in batches:
                process.deliver(batch)
                done += 1
            raise AssertionError("it should have been killed")
        except Killed:
            pass
        process = Process(statements)
        process.projector.heal()
        assert faults(statements) == [], f"after step {step}"
        for batch in batches[done:]:  # what was not acknowledged comes again
            process.deliver(batch)
        assert faults(statements) == []
        assert everything(statements) == whole, f"after step {step}"


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_a_writer_killed_again_and_again_heals(data: st.DataObject) -> None:
    """Also while it heals, and with deliveries that never come again."""
    sent = data.draw(deliveries())
    size = data.draw(st.integers(1, 5))
    batches = [sent[at : at + size] for at in range(0, len(sent), size)]
    statements = MemoryStatements(SCHEMA)
    process = Process(statements, data.draw(st.integers(0, 60)))
    is_healed = False
    for batch in batches:
        for lives_left in range(3, -1, -1):
            try:
                if not is_healed:
                    process.projector.heal()
                    is_healed = True
                process.deliver(batch)
                break
            except Killed:
                is_healed = False
                process = Process(statements, data.draw(st.integers(0, 60)) if lives_left else None)
                if data.draw(st.booleans()):
                    break  # the meter has no memory of it either
    Process(statements).projector.heal()
    assert faults(statements) == []


def test_a_writer_without_a_journal_is_found_out() -> None:
    """The checks can fail: the same crash between log and views across homes, and nobody heals."""
    statements = MemoryStatements(SCHEMA)
    process = Process(statements)
    for one in FEW:
        process.projector._write(one.readings())
    found = faults(statements)
    assert {getattr(one, "view", None) for one in found} >= set(views_across(SCHEMA)) | {
        "usage_by_fuel",
        "billing_by_home",
    }


@given(deliveries(), st.data())
@settings(deadline=None, max_examples=30)
def test_planted_faults_across_homes_are_found_and_mended(sent: list[Delivery], data: st.DataObject) -> None:
    statements = MemoryStatements(SCHEMA)
    process = Process(statements)
    process.projector.heal()
    process.deliver(sent)
    before = everything(statements)
    for view in views_across(SCHEMA):
        table = next(table for table in SCHEMA.tables if table.name == view)
        held = statements.all_rows(table)
        if not held:
            continue
        row = dict(data.draw(st.sampled_from(held)))
        fault = data.draw(st.sampled_from(["lost", "wrong", "phantom"]))
        write_us = START_US + (DAYS + 1) * DAY_US
        if fault == "lost":
            statements.forget(table, row)
        elif fault == "phantom":
            statements.put(table, row | {"mpxn": 123_456}, write_us)
        else:
            name = "estimated_count" if view == "settlement_by_date" else "known_count"
            statements.put(table, row | {name: row[name] + 1}, write_us)
        (found,) = verify_across(process.store, view, PROJECTION)
        assert (found.expected is None, found.found is None) == (fault == "phantom", fault == "lost")
        done = rebuild_across(process.store, view, PROJECTION)
        assert (done.written, done.removed) == ((0, 1) if fault == "phantom" else (1, 0))
    assert faults(statements) == []
    assert everything(statements) == before
