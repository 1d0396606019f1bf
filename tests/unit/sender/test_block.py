"""Blocks: groups are merged in due order and every row keeps its own frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.sender.block import OPERATION, FrameGroup, OperationBlock, assemble_block


def group(operation: int, due_us: list[int], frame_size: int) -> FrameGroup:
    """A group whose frames repeat a byte that names the row: 10 * operation + row."""
    n = len(due_us)
    labels = (10 * operation + np.arange(n)).astype(np.uint8)
    return FrameGroup(
        operation=operation,
        due_us=np.array(due_us, dtype=np.int64),
        meter=np.arange(n, dtype=np.int64) + 100 * operation,
        first_slot=np.arange(n, dtype=np.int32),
        slot_count=np.full(n, operation + 1, dtype=np.int32),
        token=-np.arange(n, dtype=np.int64),
        dc=np.full(n, operation % 2, dtype=np.uint8),
        frames=np.repeat(labels, frame_size).reshape(n, frame_size),
    )


def test_two_groups_by_hand() -> None:
    block = assemble_block([group(1, [5, 9], 3), group(2, [5, 7], 2)])
    assert block.rows["due_us"].tolist() == [5, 5, 7, 9]
    assert block.rows["operation"].tolist() == [1, 2, 2, 1]  # of a tie the earlier group comes first
    assert block.rows["meter"].tolist() == [100, 200, 201, 101]
    assert block.frames.tolist() == [10, 10, 10, 20, 20, 21, 21, 11, 11, 11]
    assert block.rows["frame_offset"].tolist() == [0, 3, 5, 7] and block.rows["frame_size"].tolist() == [3, 2, 2, 3]


sorted_dues = st.lists(st.integers(0, 50), max_size=9).map(sorted)


@settings(deadline=None)  # the first example compiles the kernels
@given(st.lists(sorted_dues, max_size=4))
def test_every_row_keeps_its_frame(dues: list[list[int]]) -> None:
    block = assemble_block([group(index, due, 2 + index) for index, due in enumerate(dues)])
    assert block.rows["due_us"].tolist() == sorted(due for part in dues for due in part)
    for row in block.rows:
        frame = block.frames[row["frame_offset"] :][: row["frame_size"]]
        label = 10 * row["operation"] + row["meter"] - 100 * int(row["operation"])
        assert frame.tolist() == [label] * (2 + row["operation"])
        assert dues[row["operation"]][label % 10] == row["due_us"]


def test_a_block_out_of_order_or_with_a_frame_outside_is_refused() -> None:
    rows = np.zeros(2, dtype=OPERATION)
    rows["due_us"] = [2, 1]
    with pytest.raises(AssertionError, match="due order"):
        OperationBlock(rows=rows, frames=np.zeros(0, dtype=np.uint8))
    rows["due_us"] = [1, 2]
    rows["frame_size"] = 4
    with pytest.raises(AssertionError, match="outside"):
        OperationBlock(rows=rows, frames=np.zeros(3, dtype=np.uint8))


def test_rows_with_gaps_between_them_are_refused() -> None:
    with pytest.raises(AssertionError):
        OperationBlock(rows=np.zeros(4, dtype=OPERATION)[::2], frames=np.zeros(0, dtype=np.uint8))
