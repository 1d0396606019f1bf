"""Queues: the kernel equals the SimPy twin, windows equal the whole, and every account closes to the integer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles.fifo_queue import fifo_departures, queue_accounts
from tests.oracles.queue import simulate_fifo


def ints(values) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@st.composite
def queues(draw):
    """Arrivals, services and servers. Many gaps and services are 0 or alike, so that events meet in one instant."""
    spans = st.one_of(st.integers(0, 5), st.integers(0, 100), st.sampled_from([0, 10, 10_000_000]))
    customers = draw(st.lists(st.tuples(spans, spans), max_size=50))
    free_at_us = draw(st.lists(spans, min_size=1, max_size=6))
    return ints(np.cumsum([gap for gap, _ in customers])), ints([service for _, service in customers]), ints(free_at_us)


@settings(deadline=None)
@given(queue=queues())
def test_the_kernel_equals_the_simpy_twin(queue):
    arrival_us, service_us, free_at_us = queue
    expected_start_us, expected_departure_us = simulate_fifo(arrival_us, service_us, free_at_us)
    start_us, departure_us = fifo_departures(arrival_us, service_us, free_at_us)
    assert start_us.tolist() == expected_start_us.tolist()
    assert departure_us.tolist() == expected_departure_us.tolist()


@settings(deadline=None)
@given(queue=queues(), cuts=st.lists(st.integers(0, 50), max_size=6))
def test_windows_continue_one_queue(queue, cuts):
    """Cut anywhere, even among equal instants; at every cut the servers are as if the queue had ended there."""
    arrival_us, service_us, free_at_us = queue
    whole_free_at_us, windowed_free_at_us = free_at_us.copy(), free_at_us.copy()
    start_us, departure_us = fifo_departures(arrival_us, service_us, whole_free_at_us)
    at = sorted(min(cut, len(arrival_us)) for cut in cuts)
    windows = zip(np.split(arrival_us, at), np.split(service_us, at), strict=True)
    parts = [fifo_departures(arrivals, services, windowed_free_at_us) for arrivals, services in windows]
    assert np.concatenate([start for start, _ in parts]).tolist() == start_us.tolist()
    assert np.concatenate([departure for _, departure in parts]).tolist() == departure_us.tolist()
    assert sorted(windowed_free_at_us) == sorted(whole_free_at_us)


@settings(deadline=None)
@given(queue=queues())
def test_the_state_left_behind_is_each_servers_last_departure(queue):
    arrival_us, service_us, free_at_us = queue
    free_before = free_at_us.copy()
    _, departure_us = fifo_departures(arrival_us, service_us, free_at_us)
    # A customer takes one free instant from the state and puts its departure there.
    assert set(free_at_us.tolist()) <= set(free_before.tolist()) | set(departure_us.tolist())
    assert len(free_at_us) == len(free_before)
    if len(departure_us):
        assert free_at_us.max() == max(departure_us.max(), free_before.max())


@settings(deadline=None)
@given(queue=queues(), ends_us=st.lists(st.integers(0, 3_000), min_size=1, max_size=8))
def test_accounts_balance_at_every_window_end(queue, ends_us):
    """Little's law as an identity of integers, computed of what is known by the end of each window alone."""
    arrival_us, service_us, free_at_us = queue
    start_us, departure_us = fifo_departures(arrival_us, service_us, free_at_us.copy())
    known_start_us, known_departure_us = ints([]), ints([])
    for end_us in sorted(ends_us):
        window = slice(len(known_start_us), int(np.searchsorted(arrival_us, end_us)))
        start, departure = fifo_departures(arrival_us[window], service_us[window], free_at_us)
        known_start_us = np.concatenate((known_start_us, start))
        known_departure_us = np.concatenate((known_departure_us, departure))
        so_far = queue_accounts(arrival_us[: window.stop], known_start_us, known_departure_us, end_us)
        assert so_far.balanced
        assert so_far == queue_accounts(arrival_us, start_us, departure_us, end_us)


@settings(deadline=None)
@given(queue=queues())
def test_in_the_end_all_have_left_and_the_waits_are_the_difference_to_the_services(queue):
    arrival_us, service_us, free_at_us = queue
    start_us, departure_us = fifo_departures(arrival_us, service_us, free_at_us)
    end_us = int(departure_us.max(initial=0)) + 1
    accounts = queue_accounts(arrival_us, start_us, departure_us, end_us)
    assert accounts.balanced
    assert (accounts.departed, accounts.in_system) == (len(arrival_us), 0)
    assert accounts.sojourn_us - accounts.wait_us == service_us.sum()


@settings(deadline=None)
@given(queue=queues())
def test_a_further_server_delays_nobody(queue):
    arrival_us, service_us, free_at_us = queue
    start_us, _ = fifo_departures(arrival_us, service_us, free_at_us.copy())
    start_with_more_us, _ = fifo_departures(arrival_us, service_us, ints([*free_at_us, 0]))
    assert (start_with_more_us <= start_us).all()


def test_by_hand_one_server():
    free_at_us = ints([3])
    start_us, departure_us = fifo_departures(ints([0, 1, 20, 20]), ints([5, 2, 0, 4]), free_at_us)
    assert start_us.tolist() == [3, 8, 20, 20]
    assert departure_us.tolist() == [8, 10, 20, 24]
    assert free_at_us.tolist() == [24]


def test_by_hand_two_servers_may_be_left_out_of_order():
    start_us, departure_us = fifo_departures(ints([0, 1, 2, 3]), ints([10, 2, 2, 1]), ints([0, 0]))
    assert start_us.tolist() == [0, 1, 3, 5]
    assert departure_us.tolist() == [10, 3, 5, 6]


def test_by_hand_accounts():
    """Up to 4: the first has been served for 4; the second has waited for 2 and been served for 1; the third has waited for 1."""
    accounts = queue_accounts(ints([0, 1, 3, 4]), ints([0, 3, 5, 6]), ints([5, 4, 6, 9]), 4)
    assert accounts._asdict() == {
        "arrived": 3,  # the fourth comes at the very end: not yet
        "started": 2,
        "departed": 0,  # the second leaves at the very end: not yet
        "waiting": 1,
        "in_system": 3,
        "waiting_customer_us": 3,
        "wait_us": 3,
        "in_system_customer_us": 8,
        "sojourn_us": 8,
    }
    assert accounts.balanced


@pytest.mark.parametrize("column", ["arrived", "waiting", "in_system", "wait_us", "in_system_customer_us"])
def test_an_account_that_is_off_by_one_does_not_balance(column):
    accounts = queue_accounts(ints([0, 1]), ints([0, 5]), ints([5, 7]), 6)
    assert accounts.balanced
    assert not accounts._replace(**{column: getattr(accounts, column) + 1}).balanced


def test_a_day_of_big_numbers_keeps_the_identity_and_what_does_not_fit_is_refused():
    count = 1_000
    arrival_us = np.full(count, 0, dtype=np.int64)
    start_us, departure_us = fifo_departures(arrival_us, np.full(count, 10**12, dtype=np.int64), ints([0]))
    accounts = queue_accounts(arrival_us, start_us, departure_us, 10**15 + 1)
    assert accounts.balanced
    assert accounts.sojourn_us == 10**12 * count * (count + 1) // 2
    with pytest.raises(AssertionError, match="int64"):
        queue_accounts(arrival_us, start_us, departure_us + 10**16, 10**17)


@pytest.mark.parametrize(
    ("arrival_us", "service_us", "free_at_us"),
    [([0], [1], []), ([0, 1], [1], [0]), ([0], [-1], [0]), ([2, 1], [1, 1], [0])],
    ids=["no server", "a service is missing", "a negative service", "descending arrivals"],
)
def test_what_is_no_queue_is_refused(arrival_us, service_us, free_at_us):
    with pytest.raises(AssertionError):
        fifo_departures(ints(arrival_us), ints(service_us), ints(free_at_us))
