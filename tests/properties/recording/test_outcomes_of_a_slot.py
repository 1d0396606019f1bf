"""Several operations on the slots of one meter, in every order of sends and outcomes: the strongest outcome stays."""

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.recording.ledger import Ledger, SlotState, intend_run, mark_run, refuse_run

SLOTS = 23
STRENGTH = [SlotState.NONE, SlotState.FAILED, SlotState.INTENT, SlotState.ACKNOWLEDGED]
ENDS = (SlotState.FAILED, SlotState.INTENT, SlotState.ACKNOWLEDGED)

operation = st.tuples(st.integers(0, SLOTS - 1), st.integers(1, SLOTS), st.sampled_from(ENDS))


@settings(deadline=None, max_examples=300)
@given(st.lists(operation, min_size=1, max_size=5), st.data())
def test_the_strongest_outcome_stays_in_every_order(
    operations: list[tuple[int, int, SlotState]], data: st.DataObject
) -> None:
    """Of each slot: in doubt while anything is in flight; at the end the strongest outcome, exactly, of two at once.

    More than two that nobody knows of at once are not counted apart: a slot may then stay in doubt that all have refused.
    """
    ledger = Ledger.create(None, ["ingest_reading"], 2, SLOTS)
    unresolved = ledger.states.copy()
    events = data.draw(st.permutations([at for at in range(len(operations)) for _ in range(2)]))
    in_flight: set[int] = set()
    ended: list[list[SlotState]] = [[] for _ in range(SLOTS)]
    is_counted = [True] * SLOTS
    for at in events:
        first, count, end = operations[at]
        count = min(count, SLOTS - first)
        if at not in in_flight:
            in_flight.add(at)
            intend_run(ledger.states, unresolved, 0, 1, first, count)
        else:
            in_flight.discard(at)
            if end is SlotState.FAILED:
                refuse_run(ledger.states, unresolved, 0, 1, first, count)
            elif end is SlotState.ACKNOWLEDGED:
                mark_run(ledger.states, 0, 1, first, count, int(end))
            for slot in range(first, first + count):
                ended[slot].append(end)
        held = ledger.slots(0, 1, 2)[0].tolist()
        for slot in range(SLOTS):
            flying = sum(operations[one][0] <= slot < operations[one][0] + operations[one][1] for one in in_flight)
            is_counted[slot] &= flying + sum(one is not SlotState.FAILED for one in ended[slot]) <= 2
            known = [*ended[slot], *([SlotState.INTENT] if flying else [])]
            expected = max(known, key=STRENGTH.index, default=SlotState.NONE)
            if is_counted[slot]:
                assert held[slot] == expected
            else:
                assert STRENGTH.index(SlotState(held[slot])) >= STRENGTH.index(expected)
    assert not ledger.slots(0, 0, 1).any()
