"""The ledger: states by hand, the packed kernel against a naive one, files that are wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.errors import HarnessError
from loadtests.recording.ledger import Ledger, SlotState, mark_run

SLOTS = 50


def test_a_run_is_marked_and_its_neighbours_are_not() -> None:
    ledger = Ledger.create(None, ["ingest_reading", "ingest_revision"], meter_count=3, slot_count=SLOTS)
    mark_run(ledger.states, 1, 2, 6, 5, SlotState.INTENT)
    slots = ledger.slots(1, 2, 3)[0]
    assert slots.tolist() == [0] * 6 + [1] * 5 + [0] * 39
    assert not ledger.slots(0, 0, 3).any() and not ledger.slots(1, 0, 2).any()
    assert ledger.counts(1) == {
        SlotState.NONE: 145,
        SlotState.INTENT: 5,
        SlotState.FAILED: 0,
        SlotState.ACKNOWLEDGED: 0,
    }


def test_a_state_only_gets_stronger() -> None:
    ledger = Ledger.create(None, ["ingest_reading"], meter_count=1, slot_count=4)
    mark_run(ledger.states, 0, 0, 0, 4, SlotState.FAILED)
    mark_run(ledger.states, 0, 0, 1, 3, SlotState.INTENT)
    mark_run(ledger.states, 0, 0, 2, 1, SlotState.ACKNOWLEDGED)
    for weaker in (SlotState.FAILED, SlotState.INTENT, SlotState.NONE):
        mark_run(ledger.states, 0, 0, 1, 3, weaker)
    assert ledger.slots(0, 0, 1)[0].tolist() == [2, 1, 3, 1]


STRENGTH = [SlotState.NONE, SlotState.FAILED, SlotState.INTENT, SlotState.ACKNOWLEDGED]
runs = st.tuples(st.integers(0, 2), st.integers(0, SLOTS - 1), st.integers(1, SLOTS), st.integers(1, 3))


@settings(deadline=None)  # the first example compiles the kernels
@given(st.lists(runs, max_size=30))
def test_four_slots_at_a_time_is_the_same_as_one_at_a_time(marks: list[tuple[int, int, int, int]]) -> None:
    ledger = Ledger.create(None, ["ingest_reading"], meter_count=3, slot_count=SLOTS)
    naive = np.zeros((3, SLOTS), dtype=np.uint8)
    for meter, first, count, state in marks:
        count = min(count, SLOTS - first)
        mark_run(ledger.states, 0, meter, first, count, state)
        for slot in range(first, first + count):
            naive[meter, slot] = max(naive[meter, slot], state, key=STRENGTH.index)
    assert (ledger.slots(0, 0, 3) == naive).all()
    assert ledger.counts(0) == {state: int((naive == state).sum()) for state in SlotState}


def test_what_is_marked_is_in_the_file(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "ledger", ["ingest_reading", "ingest_register"], meter_count=10, slot_count=48)
    mark_run(ledger.states, ledger.plane_of("ingest_register"), 9, 47, 1, SlotState.ACKNOWLEDGED)
    again = Ledger.open(tmp_path / "ledger")
    assert again.planes == ("ingest_reading", "ingest_register") and again.meter_count == 10 and again.slot_count == 48
    assert again.slots(1, 9, 10)[0, 47] == SlotState.ACKNOWLEDGED
    assert again.counts(1)[SlotState.ACKNOWLEDGED] == 1 and again.counts(0)[SlotState.NONE] == 480


def test_an_opened_ledger_is_read_only_unless_asked(tmp_path: Path) -> None:
    Ledger.create(tmp_path, ["ingest_reading"], meter_count=1, slot_count=4)
    assert not Ledger.open(tmp_path).states.flags.writeable
    assert Ledger.open(tmp_path, is_writable=True).states.flags.writeable


def test_a_ledger_is_not_written_over(tmp_path: Path) -> None:
    Ledger.create(tmp_path, ["ingest_reading"], meter_count=1, slot_count=4)
    with pytest.raises(HarnessError, match="already holds a ledger"):
        Ledger.create(tmp_path, ["ingest_reading"], meter_count=1, slot_count=4)


@pytest.mark.parametrize("damage", ["no json", "no slots", "short slots", "json without planes"])
def test_a_damaged_ledger_is_refused(tmp_path: Path, damage: str) -> None:
    Ledger.create(tmp_path, ["ingest_reading"], meter_count=100, slot_count=48)
    match damage:
        case "no json":
            (tmp_path / "ledger.json").unlink()
        case "no slots":
            (tmp_path / "slots.u8").unlink()
        case "short slots":
            (tmp_path / "slots.u8").write_bytes(b"\0" * 1199)
        case _:
            (tmp_path / "ledger.json").write_text("{}")
    with pytest.raises(HarnessError, match=str(tmp_path)):
        Ledger.open(tmp_path)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_room)
    with pytest.raises(HarnessError, match=r"no room for a ledger of 12 MB: No space left"):
        Ledger.create(tmp_path / "ledger", ["ingest_reading"], meter_count=1_000_000, slot_count=48)
    assert list(tmp_path.iterdir()) == []  # so that the same folder serves the next try
