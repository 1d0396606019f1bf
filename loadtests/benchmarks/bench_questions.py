"""Five questions about tables that no variant of a tournament can put, each as two designs in turns on one node.

    uv run pytest loadtests/benchmarks/bench_questions.py --benchmark-only --benchmark-json=questions.json

Rows against counters of receipts; an end by compare-and-set against one that is appended and read; a table of what is due against
an index on the commands; a delivery's five rows as one batch against five requests; a settlement date in 512, 8 and 1
partitions. The designs are the store's own where it has them. Each question: what a write costs, what a read costs, bytes on
disk, and that both know the same. One node and one replica: what a design costs the network, and other nodes, is not seen.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import psutil
import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT

from loadtests.benchmarks.arms import IN_FLIGHT, ROUNDS, WARM, Arm, OneNode
from loadtests.benchmarks.bench_store import readings_of
from loadtests.cluster.machine import fingerprint
from scenarios.domain import SLOTS_PER_DAY, CommandKind, Operation, SettlementRunCode
from store.cassandra import prepare
from store.cassandra.bulk import CassandraBulk
from store.cassandra.commands import CassandraCommandTables
from store.cassandra.session import Statements, driver_value
from store.columns import Lists, Page, row_count
from store.commands.machine import ENDED_BY, CommandEvent, End, State
from store.commands.port import Command, CommandId, Due, DueIndex, Request
from store.commands.store import deadline_due
from store.operations import AnyOperation, StoreOperation
from store.ports import StoreError
from store.readings.receipts import HOUR_US, CounterReceipts, Receipt, Receipts, RowReceipts
from store.readings.settlement import SettledMeter, epoch_days_of, settlement_values
from store.roles import TableRole
from store.rows import reading_columns, values_of
from store.schemas import DEFAULT_SCHEMA as SCHEMA
from store.tables import CqlType, Schema, Table, write_of

START_US = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC
MINUTE_US = 60_000_000
TURNS = WARM + ROUNDS

RECEIPTS = SCHEMA.table(TableRole.RECEIPTS)
FIRST_WARM = 8  # turns: the node has compiled nothing before the first question
RECEIPTS_A_TURN, REGIONS, RECEIPTS_AN_HOUR = 1_500, 3, 2_000  # an hour of each region
DOUBTED, DOUBTED_REGION = 4_000, 9
TIMEOUT_S, RUNS_S, STANDS_S = 0.25, 0.6, 0.6  # of the driver; of the node, in turns

COMMANDS, STEPS = SCHEMA.table(TableRole.COMMANDS), SCHEMA.table(TableRole.COMMAND_STEPS)
ENDS_A_TURN, RACES, DEVICES = 500, 400, 140
TIMEOUT_US = 5 * MINUTE_US

DUE_TABLE = SCHEMA.table(TableRole.DUE_INDEX)
HELD, DUE_A_MINUTE, SENDS_A_TURN, HELD_DEVICES = 100_000, 100, 600, 2_000
INDEXED = "CREATE INDEX sent_at ON {keyspace}.commands_by_device (sent_us) USING 'sai'"
SENT_BETWEEN = (
    "SELECT device, originator, counter, attempt, open_state, end_state FROM {keyspace}.commands_by_device "
    "WHERE sent_us >= ? AND sent_us < ?"
)

INGEST = next(write for write in SCHEMA.writes if write.statement.operation is Operation.INGEST_READING)
DELIVERIES_A_TURN, HOMES = 400, 200

SETTLEMENT = SCHEMA.table(TableRole.SETTLEMENT)
SETTLED_A_TURN = 1_000
SETTLED_ON = date(2026, 1, 15)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    with OneNode.start(tmp_path_factory.mktemp("questions")) as node:
        yield node


def put(benchmark: Any, node: OneNode, ask: Callable[[], Mapping[str, Any]]) -> None:
    """Ask a question once, and keep its answer beside the machine."""
    answer = benchmark.pedantic(ask, rounds=1)
    print(json.dumps(answer))  # with -s: pytest-benchmark writes no file where a later question is interrupted
    benchmark.extra_info.update(
        answer, rounds=ROUNDS, idle_share=round(node.idle_share, 3), in_flight=IN_FLIGHT, **fingerprint()
    )


def test_counters_against_duplicates(benchmark: Any, node: OneNode) -> None:
    """How much a region delivered in an hour: a row a delivery that is counted on reading, or a counter."""
    put(benchmark, node, lambda: _counters_against_duplicates(node))


def _counters_against_duplicates(node: OneNode) -> Mapping[str, Any]:
    rows_of = node.make("receipt_rows", SCHEMA.only([StoreOperation.RECORD_RECEIPT, Operation.READ_RECEIPTS]))
    counters_of = node.make(
        "receipt_counters", SCHEMA.only([StoreOperation.COUNT_RECEIPT, Operation.READ_RECEIPT_COUNT])
    )
    rows, counters = RowReceipts(rows_of), CounterReceipts(counters_of)
    writes = node.in_turns(
        {
            "rows": Arm(work=lambda i: rows.record([receipt(i)]), count=RECEIPTS_A_TURN),
            "counters": Arm(work=lambda i: counters.record([receipt(i)]), count=RECEIPTS_A_TURN),
        },
        warm=FIRST_WARM,
    )
    written = (FIRST_WARM + ROUNDS) * RECEIPTS_A_TURN
    sizes = {
        name: node.flushed(statements, statements.schema.tables)
        for name, statements in (("rows", rows_of), ("counters", counters_of))
    }
    hours = written // (REGIONS * RECEIPTS_AN_HOUR)

    def ask(of: Receipts, number: int) -> None:
        hour = START_US // HOUR_US + number // REGIONS % hours
        assert of.half_hours(number % REGIONS, hour) == RECEIPTS_AN_HOUR, "a count is wrong"

    reads = node.in_turns(
        {
            "rows": Arm(work=lambda i: ask(rows, i), count=24, in_flight=4),
            "counters": Arm(work=lambda i: ask(counters, i), count=1_000),
        }
    )
    doubted = {
        name: recorded_in_doubt(node, of, is_rows=name == "rows")
        for name, of in (("rows", rows), ("counters", counters))
    }
    return {
        "writes": writes,
        "reads": reads,
        "rows_a_read": RECEIPTS_AN_HOUR,
        "bytes_a_delivery": {name: round(size / written, 2) for name, (size, _) in sizes.items()},
        "flushed_us": {name: round(spent_s / written * 1e6, 1) for name, (_, spent_s) in sizes.items()},
        "in_doubt": doubted,
    }


def receipt(number: int, region: int | None = None) -> Receipt:
    """Each hour `RECEIPTS_AN_HOUR` in each region, in turns."""
    return Receipt(
        received_at_us=START_US + number // (REGIONS * RECEIPTS_AN_HOUR) * HOUR_US,
        region=number % REGIONS if region is None else region,
        mpxn=number,
        interval_start_us=START_US,
        slot_count=1,
        revision=0,
        known_count=1,
    )


def recorded_in_doubt(node: OneNode, of: Receipts, *, is_rows: bool) -> Mapping[str, int]:
    """Deliveries that are recorded again until they are acknowledged, while the node stands still now and then.

    How many attempts were in doubt, and by how much the counts are off then. Of rows it must be by none: the store itself has
    sent those again that were not answered, and only what was left in doubt after that is counted.
    """
    profile = node.session.get_execution_profile(EXEC_PROFILE_DEFAULT)
    over = threading.Event()
    process = psutil.Process(node.cluster.nodes[0].pid)
    breaking = threading.Thread(target=stop_and_go, args=(process, over))

    def record(number: int) -> int:
        for doubts in range(100):
            try:
                of.record([receipt(number, DOUBTED_REGION)])
            except StoreError:
                continue
            return doubts
        raise AssertionError("never acknowledged")

    usual_s, profile.request_timeout = profile.request_timeout, TIMEOUT_S
    breaking.start()
    try:
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            doubts = sum(pool.map(record, range(DOUBTED)))
    finally:
        over.set()
        breaking.join()
        profile.request_timeout = usual_s
    node.counters.settle()
    hours = {receipt(number).received_at_us // HOUR_US for number in range(DOUBTED)}
    error = sum(of.half_hours(DOUBTED_REGION, hour) for hour in hours) - DOUBTED
    assert error == 0 or not is_rows, "a row was counted twice"
    return {"deliveries": DOUBTED, "in_doubt": doubts, "error": error}


def stop_and_go(process: psutil.Process, over: threading.Event) -> None:
    while not over.wait(RUNS_S):
        process.suspend()
        over.wait(STANDS_S)
        process.resume()


def test_compare_and_set_against_appended_ends(benchmark: Any, node: OneNode) -> None:
    """How a command ended: by compare-and-set, or by a row that is appended and the log that is read for the first one."""
    put(benchmark, node, lambda: _compare_and_set_against_appended_ends(node))


def _compare_and_set_against_appended_ends(node: OneNode) -> Mapping[str, Any]:
    set_ = node.make(
        "ends_set", SCHEMA.only([Operation.END_COMMAND, StoreOperation.READ_COMMAND, StoreOperation.READ_ATTEMPTS])
    )
    append = write_of(Operation.ANSWER_COMMAND, STEPS)  # a step by itself
    appended = node.make("ends_appended", Schema(name="ends", version=1, tables=(COMMANDS, STEPS), writes=(append,)))
    tables = CassandraCommandTables(set_)
    each = TURNS * ENDS_A_TURN
    load_commands(node, set_, each + RACES, DEVICES, with_steps=True)
    load_commands(node, appended, 2 * each + RACES, DEVICES, with_steps=True)

    def agree(number: int, end: End) -> End | None:
        return tables.end([(command_id(number, DEVICES), end)])[0]

    def write(number: int, end: End) -> None:
        step = {"at_us": end.at_us, "event": int(ENDED_BY[end.state]), "attempt": end.attempt, "write_us": end.at_us}
        appended.run(Operation.ANSWER_COMMAND, {**key_of(number, DEVICES), **step})

    def append_and_read(number: int, end: End) -> End | None:
        write(number, end)
        return first_end(appended, number)

    def must_stand(end_by: Callable[[int, End], End | None], number: int) -> None:
        assert end_by(number, applied(number)) == applied(number), "another end stands"

    writes = node.in_turns(
        {
            "set": Arm(work=lambda i: must_stand(agree, i), count=ENDS_A_TURN),
            "appended": Arm(work=lambda i: must_stand(append_and_read, i), count=ENDS_A_TURN),
            "not_read": Arm(work=lambda i: write(each + i, applied(each + i)), count=ENDS_A_TURN),
        }
    )
    ended = range(each)
    found_set = {
        row.counter * DEVICES + row.device: End(State(row.end_state), row.ended_us, row.end_attempt, row.end_reason)
        for row in node.session.execute(
            "SELECT device, counter, end_state, ended_us, end_attempt, end_reason FROM ends_set.commands_by_device",
            timeout=60,
        )
        if row.end_state is not None
    }
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        found_appended = dict(zip(ended, pool.map(lambda number: first_end(appended, number), ended), strict=True))
    assert found_set == found_appended == {number: applied(number) for number in ended}, "the ends differ"
    races = {
        name: unsure(end_by, range(first, first + RACES))
        for name, end_by, first in (("set", agree, each), ("appended", append_and_read, 2 * each))
    }
    assert races["set"] == 0, "two ends of one command"
    sizes = {
        name: node.flushed(statements, (COMMANDS, STEPS))[0] / count
        for name, statements, count in (("set", set_, each + RACES), ("appended", appended, 2 * each + RACES))
    }
    reads = node.in_turns(
        {
            "set": Arm(work=lambda i: set_.run(StoreOperation.READ_COMMAND, key_of(i % each, DEVICES)), count=800),
            "appended": Arm(work=lambda i: first_end(appended, i % each), count=800),
        }
    )
    return {
        "writes": writes,
        "reads": reads,
        "bytes_a_command": {name: round(size, 1) for name, size in sizes.items()},
        "races": RACES,
        "two_ends": races,
    }


def applied(number: int) -> End:
    return End(State.APPLIED, sent_us(number) + MINUTE_US, 1)


def first_end(statements: Statements, number: int) -> End | None:
    """The end of a command that its log has first."""
    states = {int(event): state for state, event in ENDED_BY.items()}
    rows = statements.run(StoreOperation.READ_ATTEMPTS, key_of(number, DEVICES))
    return next((End(states[row.event], row.at_us, row.attempt) for row in rows if row.event in states), None)


def unsure(end_by: Callable[[int, End], End | None], numbers: range) -> int:
    """Of how many commands that two end at once, each by an end of its own, the two were told of different ends."""
    ends = [(applied(number), End(State.EXPIRED, applied(number).at_us - number % 2 * 2 + 1, 1)) for number in numbers]
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        told = [[pool.submit(end_by, number, end) for end in both] for number, both in zip(numbers, ends, strict=True)]
        return sum(one.result() != other.result() for one, other in told)


def test_an_index_against_a_look_up(benchmark: Any, node: OneNode) -> None:
    """Which commands have got no answer in time: a table of what is due each minute, or an index on the commands' own rows."""
    put(benchmark, node, lambda: _an_index_against_a_look_up(node))


def _an_index_against_a_look_up(node: OneNode) -> Mapping[str, Any]:
    of_commands: list[AnyOperation] = [Operation.SEND_COMMAND, StoreOperation.READ_COMMAND]
    look_up = node.make("due_looked_up", SCHEMA.only([*of_commands, StoreOperation.SCHEDULE_DUE, Operation.FIND_DUE]))
    indexed = node.make("due_indexed", SCHEMA.only(of_commands))
    node.session.execute(INDEXED.format(keyspace="due_indexed"), timeout=60)
    index = DueIndex(bucket_us=MINUTE_US, shard_count=DUE_TABLE.shard_count)
    for statements in (look_up, indexed):
        load_commands(node, statements, HELD, HELD_DEVICES, with_steps=False)
    tables, tables_indexed = CassandraCommandTables(look_up), CassandraCommandTables(indexed)
    load_dues(node, look_up, index)

    def send(of: CassandraCommandTables, number: int) -> Command:
        command = sent(HELD + number)
        of.send([command])
        return command

    def send_and_schedule(number: int) -> None:
        due = deadline_due(send(tables, number))
        tables.schedule([(index.place(due), due)])

    writes = node.in_turns(
        {
            "look_up": Arm(work=send_and_schedule, count=SENDS_A_TURN),
            "index": Arm(work=lambda i: send(tables_indexed, i), count=SENDS_A_TURN),
        }
    )
    sizes = {
        name: node.flushed(statements, statements.schema.tables)[0] / (HELD + TURNS * SENDS_A_TURN)
        for name, statements in (("look_up", look_up), ("index", indexed))
    }
    between = node.session.prepare(SENT_BETWEEN.format(keyspace="due_indexed"))
    minutes = random.Random(1).choices(range(HELD // DUE_A_MINUTE), k=TURNS * 1_000)

    def looked_up(number: int) -> list[CommandId]:
        from_us = START_US + TIMEOUT_US + minutes[number] * MINUTE_US
        until_us = from_us + MINUTE_US
        return [due.id for due in tables.due(index.places(from_us, until_us), from_us, until_us)]

    def looked_up_and_read(number: int) -> list[CommandId]:
        """With what each command says itself: an entry may be stale."""
        held = tables.read(looked_up(number))
        return [one.id for one in held if one is not None and one.state is State.SENT]

    def by_index(number: int) -> list[CommandId]:
        from_us = START_US + minutes[number] * MINUTE_US
        rows = node.session.execute(between, (from_us, from_us + MINUTE_US))
        return [
            CommandId(row.originator, row.device, row.counter)
            for row in rows
            if row.open_state == State.SENT and row.end_state is None
        ]

    def must_find(find: Callable[[int], list[CommandId]], number: int) -> None:
        first = minutes[number] * DUE_A_MINUTE
        wanted = {command_id(one, HELD_DEVICES) for one in range(first, first + DUE_A_MINUTE)}
        found = find(number)
        assert len(found) == DUE_A_MINUTE and set(found) == wanted, "other commands were found than are due"

    reads = node.in_turns(
        {
            "look_up": Arm(work=lambda i: must_find(looked_up, i), count=100),
            "index": Arm(work=lambda i: must_find(by_index, i), count=100),
            "look_up_and_read": Arm(work=lambda i: must_find(looked_up_and_read, i), count=10, in_flight=2),
        }
    )
    return {
        "writes": writes,
        "reads": reads,
        "held": HELD,
        "found": DUE_A_MINUTE,
        "bytes_a_command": {name: round(size, 1) for name, size in sizes.items()},
    }


def command_id(number: int, devices: int) -> CommandId:
    return CommandId(1, number % devices, number // devices)


def key_of(number: int, devices: int) -> dict[str, Any]:
    return {"device": number % devices, "originator": 1, "counter": number // devices}


def sent_us(number: int) -> int:
    return START_US + number * MINUTE_US // DUE_A_MINUTE


def sent(number: int) -> Command:
    request = Request(
        id=command_id(number, HELD_DEVICES),
        kind=CommandKind.UPDATE_PRICE,
        created_us=START_US,
        send_us=START_US,
        attempts_max=4,
        timeout_us=TIMEOUT_US,
        backoff_us=10 * MINUTE_US,
    )
    at_us = sent_us(number)
    return Command(request=request, open_state=State.SENT, attempt=1, sent_us=at_us, send_us=START_US, end=None)


def load_commands(node: OneNode, statements: Statements, count: int, devices: int, *, with_steps: bool) -> None:
    """Commands that were sent once, a device's together; with what has happened to them, where that is asked for."""
    bulk = CassandraBulk(node.session, statements.topology)
    number = np.arange(count, dtype=np.int64)
    number = number[np.argsort(number % devices, kind="stable")]
    key = {"device": number % devices, "originator": np.full(count, 1), "counter": number // devices}
    at_us = START_US + number * MINUTE_US // DUE_A_MINUTE
    fixed = {
        "kind": 0,
        "value": 2,
        "created_us": START_US,
        "first_us": START_US,
        "expires_us": START_US + 2**50,
        "attempts_max": 4,
        "timeout_us": TIMEOUT_US,
        "backoff_us": 10 * MINUTE_US,
        "open_state": int(State.SENT),
        "attempt": 1,
        "send_us": START_US,
    }
    columns = tuple(column for column in COMMANDS.columns if column.type is not CqlType.TEXT)
    sent_at = next(bind for bind in SCHEMA.statement(Operation.SEND_COMMAND).binds if bind.name == "sent_us")
    rows: Page = {
        **key,
        **{name: np.full(count, value) for name, value in fixed.items()},
        "sent_us": at_us,
        "write_us": at_us,
    }
    bulk.insert(replace(COMMANDS, columns=(*columns, sent_at)), rows)
    if with_steps:
        for event in (CommandEvent.CREATE, CommandEvent.SEND):
            is_sent = int(event is CommandEvent.SEND)
            when_us = np.where(is_sent, at_us, START_US)
            step: Page = {
                **key,
                "at_us": when_us,
                "event": np.full(count, int(event)),
                "attempt": np.full(count, is_sent),
                "write_us": when_us,
            }
            bulk.insert(STEPS, step)


def load_dues(node: OneNode, look_up: Statements, index: DueIndex) -> None:
    """The deadline of each command that is held, a partition's together."""
    by_place: dict[Any, list[Due]] = {}
    for due in map(deadline_due, map(sent, range(HELD))):
        by_place.setdefault(index.place(due), []).append(due)
    placed = [(place, due) for place, dues in by_place.items() for due in dues]
    now_us = time.time_ns() // 1_000
    columns = {
        "shard": [place.shard for place, _ in placed],
        "bucket": [place.bucket for place, _ in placed],
        "due_us": [due.due_us for _, due in placed],
        "device": [due.id.target for _, due in placed],
        "originator": [due.id.originator for _, due in placed],
        "counter": [due.id.counter for _, due in placed],
        "attempt": [due.attempt for _, due in placed],
        "kind": [int(due.kind) for _, due in placed],
        "write_us": [now_us] * len(placed),
    }
    page: Page = {name: np.array(values, np.int64) for name, values in columns.items()}
    CassandraBulk(node.session, look_up.topology).insert(DUE_TABLE, page)


def test_one_batch_against_single_writes(benchmark: Any, node: OneNode) -> None:
    """A delivery of a half-hour, the log and the home's four views: one unlogged batch, or five requests at once."""
    put(benchmark, node, lambda: _one_batch_against_single_writes(node))


def _one_batch_against_single_writes(node: OneNode) -> Mapping[str, Any]:
    schema = replace(SCHEMA, tables=INGEST.tables, writes=(INGEST,))
    batched, single = node.make("delivery_batched", schema), node.make("delivery_single", schema)
    level = single.topology.consistency.of(Operation.INGEST_READING)
    inserts = [
        (prepare(node.session, one, "delivery_single", level), one.binds)
        for one in (write_of(Operation.INGEST_READING, table).statement for table in INGEST.tables)
    ]
    count = TURNS * DELIVERIES_A_TURN
    columns = reading_columns(Operation.INGEST_READING, readings_of(HOMES, 0, count, 1))
    deliveries = [values_of(columns, number) for number in range(count)]

    def send_single(number: int) -> None:
        values = deliveries[number]
        on_their_way = [
            node.session.execute_async(insert.bind([driver_value(bind.type, values[bind.name]) for bind in binds]))
            for insert, binds in inserts
        ]
        for one in on_their_way:
            one.result()

    writes = node.in_turns(
        {
            "batch": Arm(work=lambda i: batched.run(Operation.INGEST_READING, deliveries[i]), count=DELIVERIES_A_TURN),
            "single": Arm(work=send_single, count=DELIVERIES_A_TURN),
        }
    )
    for table in INGEST.tables:
        held = [rows_in(node, keyspace, table) for keyspace in ("delivery_batched", "delivery_single")]
        assert held[0] == held[1] and held[0], f"{table.name} holds other rows"
    sizes = {
        name: node.flushed(statements, INGEST.tables) for name, statements in (("batch", batched), ("single", single))
    }
    return {
        "writes": writes,
        "bytes_a_delivery": {name: round(size / count, 1) for name, (size, _) in sizes.items()},
        "flushed_us": {name: round(spent_s / count * 1e6, 1) for name, (_, spent_s) in sizes.items()},
    }


def rows_in(node: OneNode, keyspace: str, table: Table) -> Counter[str]:
    """All rows of a table, in any order."""
    return Counter(map(repr, node.session.execute(f"SELECT * FROM {keyspace}.{table.name}", timeout=60)))


def test_one_partition_against_shards(benchmark: Any, node: OneNode) -> None:
    """A settlement date of some thousand meters: in the store's 512 partitions, in 8, and in one."""
    put(benchmark, node, lambda: _one_partition_against_shards(node))


def _one_partition_against_shards(node: OneNode) -> Mapping[str, Any]:
    designs = {f"shards_{count}": replace(SETTLEMENT, shard_count=count) for count in (SETTLEMENT.shard_count, 8, 1)}
    made = {
        name: node.make(
            f"settled_{name}",
            Schema(name=name, version=1, tables=(table,), writes=(write_of(StoreOperation.WRITE_SETTLEMENT, table),)),
        )
        for name, table in designs.items()
    }
    count = TURNS * SETTLED_A_TURN
    readings = readings_of(count, 0, count, SLOTS_PER_DAY)
    meters = [
        SettledMeter(
            mpxn=1_000_000_000_000 + number,
            fuel=0,
            premises=number,
            known_at_us=START_US,
            estimated_count=0,
            values_wh=tuple(values),
        )
        for number, values in enumerate(readings.values_wh.tolist())
    ]

    def settle_in(name: str) -> Callable[[int], object]:
        return lambda number: made[name].run(
            StoreOperation.WRITE_SETTLEMENT,
            settlement_values(designs[name], SETTLED_ON, SettlementRunCode.LATEST, meters[number], START_US),
        )

    writes = node.in_turns({name: Arm(work=settle_in(name), count=SETTLED_A_TURN) for name in designs})
    sizes = {name: node.flushed(statements, statements.schema.tables) for name, statements in made.items()}
    bulks = {name: CassandraBulk(node.session, statements.topology) for name, statements in made.items()}
    wanted = {meter.mpxn: (meter.premises, meter.values_wh) for meter in meters}

    def pages_of(name: str) -> Sequence[Page]:
        table = designs[name]
        shard = np.arange(table.shard_count, dtype=np.int64)
        asked: Page = {
            "settlement_date": np.full_like(shard, epoch_days_of(SETTLED_ON)),
            "run": np.full_like(shard, int(SettlementRunCode.LATEST)),
            "shard": shard,
            "from": np.zeros_like(shard),
            "before": np.full_like(shard, np.iinfo(np.int64).max),
        }
        return list(bulks[name].slices(table, ("mpxn", "premises", "estimated_count", "values_wh"), asked))

    def read_whole(name: str) -> Callable[[int], object]:
        def read(_: int) -> None:
            assert sum(map(row_count, pages_of(name))) == count, "a meter is missing"

        return read

    for name in designs:
        assert settled_in(pages_of(name)) == wanted, f"{name} has other rows"
    reads = node.in_turns(
        {name: Arm(work=read_whole(name), count=2 if len(pages_of(name)) > 8 else 8, in_flight=1) for name in designs}
    )
    for bulk in bulks.values():
        bulk.close()
    return {
        "writes": writes,
        "reads": reads,
        "meters": count,
        "bytes_a_meter": {name: round(size / count, 1) for name, (size, _) in sizes.items()},
        "flushed_us": {name: round(spent_s / count * 1e6, 1) for name, (_, spent_s) in sizes.items()},
    }


def settled_in(pages: Sequence[Page]) -> Mapping[int, tuple[int, tuple[int, ...]]]:
    """The home of each meter and what it used, by its number."""
    found: dict[int, tuple[int, tuple[int, ...]]] = {}
    for page in pages:
        values, mpxn, premises = page["values_wh"], page["mpxn"], page["premises"]
        assert isinstance(values, Lists) and not isinstance(mpxn, Lists) and not isinstance(premises, Lists)
        for at, number in enumerate(mpxn.tolist()):
            found[number] = (int(premises[at]), tuple(values.one(at)))
    return found
