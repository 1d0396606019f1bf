"""Two deliveries of one fact, one in doubt and one refused: the fact stayed FAILED, and its row was called a phantom."""

from itertools import permutations, product

import numpy as np
import pytest

from loadtests.recording.ledger import SlotState
from loadtests.sender.completion import end_attempt
from loadtests.sender.outcomes import ErrorKind
from tests.support.engine_state import Bench, error, new_bench, response

IN_DOUBT, REFUSED, ACKNOWLEDGED = "in doubt", "refused", "acknowledged"
STRENGTH = {REFUSED: 0, IN_DOUBT: 1, ACKNOWLEDGED: 2}
STATES = {REFUSED: SlotState.FAILED, IN_DOUBT: SlotState.INTENT, ACKNOWLEDGED: SlotState.ACKNOWLEDGED}
WRITE_TIMEOUT, INVALID = 0x1100, 0x2200
ANSWERS = {IN_DOUBT: WRITE_TIMEOUT, REFUSED: INVALID}


def copies(due_us: list[int]) -> Bench:
    """As many deliveries of slots 0 and 1 of one meter as there are times at which they fall due."""
    bench = new_bench(due_us, attempts=1)
    bench.rows["meter"] = 0
    bench.rows["first_slot"] = 0
    return bench


def answer(bench: Bench, link: int, stream: int, outcome: str, now_us: int) -> None:
    frame = response(stream) if outcome is ACKNOWLEDGED else error(stream, ANSWERS[outcome])
    bench.answer(link, frame, now_us)


@pytest.mark.parametrize("outcomes", list(product(STRENGTH, repeat=2)))
def test_one_after_the_other(outcomes: tuple[str, ...]) -> None:
    bench = copies([0, 100_000])
    for number, outcome in enumerate(outcomes):
        bench.submit(number * 100_000)
        [(link, stream, _)] = bench.sent()
        answer(bench, link, stream, outcome, number * 100_000 + 10)
    strongest = max(outcomes, key=STRENGTH.__getitem__)
    assert bench.ledger.slots(0, 0, 1)[0, :3].tolist() == [STATES[strongest]] * 2 + [SlotState.NONE]


@pytest.mark.parametrize("outcomes", list(product(STRENGTH, repeat=2)))
@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_both_in_flight_at_once(outcomes: tuple[str, ...], order: tuple[int, ...]) -> None:
    bench = copies([0, 0])
    bench.submit(0)
    sent = {label - 1: (link, stream) for link, stream, label in bench.sent()}
    for at, number in enumerate(order):
        answer(bench, *sent[number], outcomes[number], 10 + at)
        if at == 0 and outcomes[number] is not ACKNOWLEDGED:  # a crash now leaves nothing that may be applied unmarked
            assert bench.ledger.slots(0, 0, 1)[0, 0] == SlotState.INTENT
    strongest = max(outcomes, key=STRENGTH.__getitem__)
    assert bench.ledger.slots(0, 0, 1)[0, :2].tolist() == [STATES[strongest]] * 2


def test_a_refusal_does_not_take_back_what_an_earlier_process_left_in_doubt() -> None:
    bench = copies([0])
    bench.ledger.states[0, 0, 0] = SlotState.INTENT  # slot 0 alone
    bench.submit(0)
    end_attempt(bench.state, 0, int(ErrorKind.INVALID), 10)
    assert bench.ledger.slots(0, 0, 1)[0, :2].tolist() == [SlotState.INTENT, SlotState.FAILED]


def test_the_last_slot_alone_is_treated_alike() -> None:
    bench = copies([0, 0])
    bench.state.planes[0] = 0, 1
    bench.submit(0)
    (first, second) = bench.sent()
    answer(bench, first[0], first[1], IN_DOUBT, 10)
    answer(bench, second[0], second[1], REFUSED, 20)
    assert bench.ledger.slots(0, 0, 1)[0, :3].tolist() == [SlotState.NONE, SlotState.INTENT, SlotState.NONE]
    assert np.count_nonzero(bench.ledger.states) == 1
