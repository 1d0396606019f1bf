"""Who owns which shard: small histories of claims, starts and losses."""

from loadtests.locust_fleet.roster import Roster, WorkerPhase


def begun(*workers: str) -> Roster:
    roster = Roster(len(workers))
    for worker in workers:
        roster.claim(worker)
    ready = [roster.ready(shard, worker) for shard, worker in enumerate(workers)]
    assert ready == [*[False] * (len(workers) - 1), True]
    roster.begin()
    return roster


def test_a_worker_may_own_several_shards() -> None:
    roster = Roster(3)
    assert [roster.claim(worker) for worker in ("a", "b", "a")] == [0, 1, 2]
    assert roster.claim("c") is None
    assert roster.owners == {"a", "b"}


def test_a_worker_lost_before_the_start_leaves_its_shard_to_one_that_waits() -> None:
    roster = Roster(2)
    roster.claim("a"), roster.claim("b"), roster.claim("c")
    roster.ready(0, "a")
    assert roster.lose("a") == ([], [(0, "c")])
    assert not roster.ready(0, "a"), "the lost worker's word counts no more"
    assert not roster.ready(1, "b")
    assert roster.ready(0, "c")


def test_a_shard_that_nobody_waits_for_is_free_for_the_next_who_claims() -> None:
    roster = Roster(1)
    roster.claim("a")
    assert roster.lose("a") == ([], [])
    assert roster.phases() == [WorkerPhase.FREE]
    assert roster.claim("b") == 0


def test_a_worker_lost_during_the_storm_is_not_replaced() -> None:
    roster = begun("a", "b")
    assert roster.claim("c") is None
    assert roster.lose("a") == ([0], [])
    assert not roster.is_over
    assert roster.done(1)
    assert roster.phases() == [WorkerPhase.LOST, WorkerPhase.DONE]


def test_a_worker_whose_shards_are_done_may_go() -> None:
    roster = begun("a", "b")
    assert not roster.done(0)
    assert roster.owners == {"b"}
    assert roster.lose("a") == ([], [])
    assert roster.done(1)
