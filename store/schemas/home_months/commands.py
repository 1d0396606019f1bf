"""Commands: a device is one partition key, in its inbox, in the logs of its commands and in its state; what is due is apart.

The inbox holds the commands themselves, so there is no second copy that could say otherwise. A command's creation and each
of its steps are one mutation of the device's partition. `end_*` are written by compare-and-set alone, all else with explicit
timestamps: the two never meet in one cell. Instants are bigint [us since the Unix epoch]; see `store.commands.port`.
"""

from scenarios.domain import Operation
from store.operations import AnyOperation, StoreOperation
from store.roles import TableRole
from store.tables import WRITE_US, Bind, Bound, CqlType, Statement, Table, Write, write_of

_TIERED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}}"
_LEVELLED = "WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}}"
_KEPT = "AND default_time_to_live = 34214400"  # 396 days, as long as a meter keeps half-hours

_COMMANDS_MAX = 1_000  # to one device in 13 months; a few a week are many
_ATTEMPTS_MAX = 31
_STEPS_MAX = 1 + _ATTEMPTS_MAX * 5 // 2  # few commands need all their attempts

DEVICE = Bind(name="device", type=CqlType.BIGINT)
ORIGINATOR = Bind(name="originator", type=CqlType.BIGINT)
COUNTER = Bind(name="counter", type=CqlType.BIGINT)
_ID = (DEVICE, ORIGINATOR, COUNTER)
_OPEN_STATE = Bind(name="open_state", type=CqlType.TINYINT)
_ATTEMPT = Bind(name="attempt", type=CqlType.SMALLINT)
_SENT_US = Bind(name="sent_us", type=CqlType.BIGINT)
_SEND_US = Bind(name="send_us", type=CqlType.BIGINT)
_AT_US = Bind(name="at_us", type=CqlType.BIGINT)
_EVENT = Bind(name="event", type=CqlType.TINYINT)
_VALUE = Bind(name="value", type=CqlType.BIGINT)
_ASPECT = Bind(name="aspect", type=CqlType.TINYINT)
_STANDING = Bind(name="standing", type=CqlType.TINYINT)
_MENDS = Bind(name="mends", type=CqlType.SMALLINT)

_READ_COMMAND = (
    "SELECT device, originator, counter, kind, value, text, cause, created_us, first_us, expires_us, attempts_max, "
    "timeout_us, backoff_us, open_state, attempt, sent_us, send_us, end_state, ended_us, end_attempt, end_reason "
    "FROM {keyspace}.commands_by_device WHERE device = ?"
)

COMMANDS_BY_DEVICE = Table(
    name="commands_by_device",
    roles=(TableRole.COMMANDS,),
    serves="a device's inbox, and a command by its id: what was asked, how it stands, how it ended",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.commands_by_device (
        device bigint, originator bigint, counter bigint,
        kind tinyint, value bigint, text text, cause text, created_us bigint, first_us bigint, expires_us bigint,
        attempts_max smallint, timeout_us bigint, backoff_us bigint,
        open_state tinyint, attempt smallint, sent_us bigint, send_us bigint,
        end_state tinyint, ended_us bigint, end_attempt smallint, end_reason text,
        PRIMARY KEY ((device), originator, counter)
    ) {_LEVELLED} {_KEPT}""",
    columns=(
        *_ID,
        Bind(name="kind", type=CqlType.TINYINT),
        _VALUE,
        Bind(name="text", type=CqlType.TEXT),
        Bind(name="cause", type=CqlType.TEXT),
        Bind(name="created_us", type=CqlType.BIGINT),
        Bind(name="first_us", type=CqlType.BIGINT),
        Bind(name="expires_us", type=CqlType.BIGINT),
        Bind(name="attempts_max", type=CqlType.SMALLINT),
        Bind(name="timeout_us", type=CqlType.BIGINT),
        Bind(name="backoff_us", type=CqlType.BIGINT),
        _OPEN_STATE,
        _ATTEMPT,
        _SEND_US,
    ),
    partition_key=("device",),
    queries=(
        Statement(
            operation=Operation.POLL_INBOX,
            cql=_READ_COMMAND,
            binds=(DEVICE,),
            partition_key=("device",),
            is_write=False,
        ),
        Statement(
            operation=StoreOperation.READ_COMMAND,
            cql=f"{_READ_COMMAND} AND originator = ? AND counter = ?",
            binds=_ID,
            partition_key=("device",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=_COMMANDS_MAX, bytes_max=_COMMANDS_MAX * 700),
    reason="A row is overwritten at each step and read before each: levelled compaction keeps reads to few files. Kept 13 "
    "months, after which rows expire by themselves.",
)

COMMAND_STEPS_BY_DEVICE = Table(
    name="command_steps_by_device",
    roles=(TableRole.COMMAND_STEPS,),
    serves="all that happened to a command, in order: its attempts, time-outs and answers",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.command_steps_by_device (
        device bigint, originator bigint, counter bigint, at_us bigint, event tinyint, attempt smallint,
        PRIMARY KEY ((device), originator, counter, at_us, event, attempt)
    ) {_TIERED} {_KEPT}""",
    columns=(*_ID, _AT_US, _EVENT, _ATTEMPT),
    partition_key=("device",),
    queries=(
        Statement(
            operation=StoreOperation.READ_ATTEMPTS,
            cql="SELECT at_us, event, attempt FROM {keyspace}.command_steps_by_device "
            "WHERE device = ? AND originator = ? AND counter = ?",
            binds=_ID,
            partition_key=("device",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=_COMMANDS_MAX * _STEPS_MAX, bytes_max=_COMMANDS_MAX * _STEPS_MAX * 60),
    reason="Insert-only, each row written once: tiered compaction rewrites least. Kept 13 months, as the commands.",
)

METER_STATE_BY_DEVICE = Table(
    name="meter_state_by_device",
    roles=(TableRole.DEVICE_STATE,),
    serves="what is desired of a device and what it reports, by aspect, and the last drift between them",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.meter_state_by_device (
        device bigint, aspect tinyint, standing tinyint,
        value bigint, at_us bigint, originator bigint, counter bigint, mends smallint,
        PRIMARY KEY ((device), aspect, standing)
    ) {_LEVELLED}""",
    columns=(DEVICE, _ASPECT, _STANDING, _VALUE, _AT_US, ORIGINATOR, COUNTER, _MENDS),
    partition_key=("device",),
    queries=(
        Statement(
            operation=StoreOperation.READ_METER_STATE,
            cql="SELECT device, aspect, standing, value, at_us, originator, counter, mends "
            "FROM {keyspace}.meter_state_by_device WHERE device = ?",
            binds=(DEVICE,),
            partition_key=("device",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=6 * 3, bytes_max=6 * 3 * 120),
    reason="Few rows a device, overwritten by each command and report: levelled compaction bounds the stale copies.",
)

_SHARD = Bind(name="shard", type=CqlType.SMALLINT)
_BUCKET = Bind(name="bucket", type=CqlType.BIGINT)
_DUE_US = Bind(name="due_us", type=CqlType.BIGINT)
_KIND = Bind(name="kind", type=CqlType.TINYINT)

DUE_BY_BUCKET = Table(
    name="due_by_bucket",
    roles=(TableRole.DUE_INDEX,),
    serves="what is due in a span of time: attempts to be sent, and answers that are overdue; a shard of them at a time",
    create="""CREATE TABLE IF NOT EXISTS {keyspace}.due_by_bucket (
        shard smallint, bucket bigint, due_us bigint, device bigint, originator bigint, counter bigint,
        attempt smallint, kind tinyint,
        PRIMARY KEY ((shard, bucket), due_us, device, originator, counter, attempt, kind)
    ) WITH compaction = {{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS',
        'compaction_window_size': 1}} AND default_time_to_live = 3024000""",
    columns=(_SHARD, _BUCKET, _DUE_US, DEVICE, ORIGINATOR, COUNTER, _ATTEMPT, _KIND),
    partition_key=("shard", "bucket"),
    queries=(
        Statement(
            operation=Operation.FIND_DUE,
            cql="SELECT due_us, device, originator, counter, attempt, kind FROM {keyspace}.due_by_bucket "
            "WHERE shard = ? AND bucket = ? AND due_us >= ? AND due_us < ?",
            binds=(
                _SHARD,
                _BUCKET,
                Bind(name="from_us", type=CqlType.BIGINT),
                Bind(name="until_us", type=CqlType.BIGINT),
            ),
            partition_key=("shard", "bucket"),
            is_write=False,
        ),
    ),
    partition=Bound(rows=100_000, bytes_max=100_000 * 90),
    reason="A partition is written, read once when its time comes, and never again: nothing is deleted, so a read meets no "
    "tombstone. 35 days outlast the longest wait for a due instant. Rows are written by the clock, not by the instant at which "
    "they are due (decision 0012): a day's window closes with the day, and its files are dropped whole.",
    shard_count=4,  # of one home DC
)

DUE_CLEARED = Table(
    name="due_cleared",
    roles=(TableRole.DUE_CLEARED,),
    serves="the instant before which all that was due in a shard has been handled: where a restarted gateway goes on",
    create=f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.due_cleared (
        shard smallint, through_us bigint, PRIMARY KEY ((shard))
    ) {_LEVELLED}""",
    columns=(_SHARD, Bind(name="through_us", type=CqlType.BIGINT)),
    partition_key=("shard",),
    queries=(
        Statement(
            operation=StoreOperation.READ_DUE_CLEARED,
            cql="SELECT through_us FROM {keyspace}.due_cleared WHERE shard = ?",
            binds=(_SHARD,),
            partition_key=("shard",),
            is_write=False,
        ),
    ),
    partition=Bound(rows=1, bytes_max=60),
    reason="One cell a shard, overwritten: levelled compaction bounds the stale copies.",
)


def _step_of(operation: AnyOperation, *row: Bind) -> Write:
    """A step, and columns of the command's row: one mutation of the device's partition."""
    columns = (*_ID, *row)
    names = ", ".join(column.name for column in columns)
    update = f"INSERT INTO {{keyspace}}.commands_by_device ({names}) VALUES ({', '.join('?' * len(columns))})"
    cql = f"BEGIN UNLOGGED BATCH USING TIMESTAMP ? {COMMAND_STEPS_BY_DEVICE.insert}; {update}; APPLY BATCH"
    binds = (WRITE_US, *COMMAND_STEPS_BY_DEVICE.columns, *columns)
    statement = Statement(operation=operation, cql=cql, binds=binds, partition_key=("device",), is_write=True)
    return Write(statement=statement, tables=(COMMAND_STEPS_BY_DEVICE, COMMANDS_BY_DEVICE))


_END = Write(
    statement=Statement(
        operation=Operation.END_COMMAND,
        cql="UPDATE {keyspace}.commands_by_device SET end_state = ?, ended_us = ?, end_attempt = ?, end_reason = ? "
        "WHERE device = ? AND originator = ? AND counter = ? IF end_state = null AND attempt >= ?",
        binds=(
            Bind(name="end_state", type=CqlType.TINYINT),
            Bind(name="ended_us", type=CqlType.BIGINT),
            Bind(name="end_attempt", type=CqlType.SMALLINT),
            Bind(name="end_reason", type=CqlType.TEXT),
            *_ID,
            Bind(
                name="end_attempt", type=CqlType.SMALLINT
            ),  # what was not sent so often is not ended by an answer to it
        ),
        partition_key=("device",),
        is_write=True,
        is_idempotent=False,
        is_conditional=True,
    ),
    tables=(COMMANDS_BY_DEVICE,),
)

TABLES = (COMMANDS_BY_DEVICE, COMMAND_STEPS_BY_DEVICE, METER_STATE_BY_DEVICE, DUE_BY_BUCKET, DUE_CLEARED)
WRITES = (
    write_of(Operation.CREATE_COMMAND, COMMANDS_BY_DEVICE, COMMAND_STEPS_BY_DEVICE, METER_STATE_BY_DEVICE),
    _step_of(Operation.SEND_COMMAND, _OPEN_STATE, _ATTEMPT, _SENT_US),
    _step_of(StoreOperation.WAIT_COMMAND, _OPEN_STATE, _SEND_US),
    _step_of(Operation.ANSWER_COMMAND, _OPEN_STATE),
    _END,
    write_of(StoreOperation.REPORT_STATE, METER_STATE_BY_DEVICE),
    write_of(StoreOperation.SCHEDULE_DUE, DUE_BY_BUCKET),
    write_of(StoreOperation.CLEAR_DUE, DUE_CLEARED),
)
