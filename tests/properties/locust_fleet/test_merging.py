"""What workers measured goes through messages and is added up: nothing is lost, whatever it was."""

import tempfile
import zlib
from pathlib import Path
from random import Random

import msgpack
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.locust_fleet.messages import LedgerPart, MeasuredSecond, packed, packed_second, unpacked, unpacked_second
from loadtests.locust_fleet.record import RunRecord
from loadtests.recording.history import COUNTS_SIZE, SecondCounts, read_history
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.recording.seconds import Second, Sparse

NAMES = ("ingest_reading", "read_state")

sparse = st.dictionaries(st.integers(0, COUNTS_SIZE - 1), st.integers(1, 2**40), max_size=6).map(
    lambda counts: (
        np.array(sorted(counts), np.int32),
        np.array([counts[index] for index in sorted(counts)], np.int64),
    )
)


@st.composite
def seconds(draw: st.DrawFn, second: int) -> Second:
    response = {name: draw(sparse) for name in NAMES}
    done = {name: int(response[name][1].sum()) for name in NAMES}
    return Second(
        second=second,
        counts={name: SecondCounts(done[name], done[name], done[name], 0, 0, 0) for name in NAMES},
        response=response,
        service={name: draw(sparse) for name in NAMES},
        lateness=draw(sparse),
        earliest={name: draw(sparse) for name in NAMES},
    )


def dense(value: Sparse) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    out = np.zeros(COUNTS_SIZE, np.int64)
    np.add.at(out, value[0], value[1])
    return out


def carried(second: Second) -> Second:
    """Over the wire and back, as Locust does it."""
    message = packed(MeasuredSecond(shard=0, second=packed_second(second)))
    heard = unpacked(msgpack.loads(msgpack.dumps(message), raw=False, strict_map_key=False))
    assert isinstance(heard, MeasuredSecond)
    return unpacked_second(heard.second)


parts = st.lists(st.tuples(*(seconds(second) for second in range(3))), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(parts)
def test_the_merged_history_is_the_exact_sum_of_its_sources(sources: list[tuple[Second, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record = RunRecord(Path(folder), Ledger.create(None, (), 0, 0))
        for number, source in enumerate(sources):
            for second in source:
                record.add_second(f"shard-{number}", NAMES, carried(second))
        record.close()
        history = read_history(Path(folder) / "history")
        for name in NAMES:
            for second in range(3):
                merged = dict(history.response_counts(name)).get(second, np.zeros(COUNTS_SIZE, np.int64))
                assert np.array_equal(merged, sum(dense(source[second].response[name]) for source in sources))
                merged = dict(history.service_counts(name)).get(second, np.zeros(COUNTS_SIZE, np.int64))
                assert np.array_equal(merged, sum(dense(source[second].service[name]) for source in sources))
                merged = dict(history.earliest_counts(name)).get(second, np.zeros(COUNTS_SIZE, np.int64))
                assert np.array_equal(merged, sum(dense(source[second].earliest[name]) for source in sources))
                wanted = sum(source[second].counts[name].ok for source in sources)
                assert history.counts[name]["ok"][second] == wanted
        late = dict(history.lateness_counts())
        for second in range(3):
            merged = late.get(second, np.zeros(COUNTS_SIZE, np.int64))
            assert np.array_equal(merged, sum(dense(source[second].lateness) for source in sources))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_ledgers_of_workers_elsewhere_become_one(data: st.DataObject) -> None:
    meters, slots = 12, 9
    owner = data.draw(st.lists(st.integers(0, 1), min_size=meters, max_size=meters))
    drawn = data.draw(st.lists(st.integers(0, 255), min_size=meters * 3, max_size=meters * 3))
    whole = Ledger.create(None, ("ingest_reading",), meters, slots)
    whole.states[0] = np.array(drawn, np.uint8).reshape(meters, 3)
    merged = RunRecord(Path(), Ledger.create(None, ("ingest_reading",), meters, slots))
    for worker in (0, 1):
        part = np.where(np.array(owner)[:, np.newaxis] == worker, whole.states[0], 0).astype(np.uint8).reshape(-1)
        for at in range(0, len(part), 10):
            data = zlib.compress(part[at : at + 10].tobytes())
            merged.add_ledger(LedgerPart(shard=worker, offset=at, data=data), np.array(owner) == worker)
    assert np.array_equal(merged.ledger.states, whole.states)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 255), min_size=9, max_size=9), min_size=1, max_size=4), st.randoms())
def test_what_several_ledgers_say_of_one_slot_is_merged_to_the_strongest_in_any_order(
    drawn: list[list[int]], random: Random
) -> None:
    strength = [SlotState.NONE, SlotState.FAILED, SlotState.INTENT, SlotState.ACKNOWLEDGED]
    ledgers = [Ledger.create(None, ("ingest_reading",), 3, 12) for _ in drawn]
    for ledger, values in zip(ledgers, drawn, strict=True):
        ledger.states[0] = np.array(values, np.uint8).reshape(3, 3)
    expected = [
        max(states, key=strength.index)
        for states in zip(*(ledger.slots(0, 0, 3).reshape(-1).tolist() for ledger in ledgers), strict=True)
    ]
    random.shuffle(ledgers)
    merged = RunRecord(Path(), Ledger.create(None, ("ingest_reading",), 3, 12))
    for ledger in (*ledgers, ledgers[0]):  # a part that comes again changes nothing
        merged.add_ledger(
            LedgerPart(shard=0, offset=0, data=zlib.compress(ledger.states.tobytes())), np.ones(3, np.bool_)
        )
    assert merged.ledger.slots(0, 0, 3).reshape(-1).tolist() == expected


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_a_ledger_that_has_lost_a_part_calls_nothing_unsent(drawn: list[int]) -> None:
    ledger = Ledger.create(None, ("ingest_reading",), 3, 4)
    for meter in range(3):
        for slot in range(4):
            ledger.states[0, meter, 0] |= drawn[4 * meter + slot] << (2 * slot)
    ledger.distrust()
    assert ledger.slots(0, 0, 3).reshape(-1).tolist() == [max(state, SlotState.INTENT) for state in drawn]
