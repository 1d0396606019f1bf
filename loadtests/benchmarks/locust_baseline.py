"""A Locust user on cassandra-driver, run headless: what the wire engine is measured against. A process of its own.

Usage: python -m loadtests.benchmarks.locust_baseline CONTACT_POINT LOCAL_DC CQL USERS SECONDS [RATE]; prints one line
of JSON. RATE is what all users together aim at [1/s]; without it they don't pause.
Locust is imported before the driver: it patches sockets and threads, and the driver must see them patched.
"""

import json
import sys
import time
from itertools import count
from typing import Any, ClassVar

import gevent
from locust import User, constant, constant_throughput, task
from locust.env import Environment

# isort: split
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.io.geventreactor import GeventConnection
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

NUMBERS = count()


class InsertUser(User):
    """Inserts one row after the other and reports each to Locust as a user's task does."""

    wait_time = constant(0)
    session: ClassVar[Any] = None
    prepared: ClassVar[Any] = None

    @task
    def insert(self) -> None:
        number = next(NUMBERS)
        begin_s = time.perf_counter()
        failure: Exception | None = None
        try:
            self.session.execute(self.prepared, (number * 7919, 20468, 1768435200000, number % 1000, number))
        except Exception as error:  # counted by Locust
            failure = error
        self.environment.events.request.fire(
            request_type="CQL",
            name="insert",
            response_time=(time.perf_counter() - begin_s) * 1e3,
            response_length=0,
            exception=failure,
            context={},
        )


def main() -> None:
    """Run the users, and print how many inserts were acknowledged for how much CPU time, start-up left out."""
    contact_point, local_dc, cql, users, seconds, *rate = sys.argv[1:]
    if rate:
        InsertUser.wait_time = constant_throughput(float(rate[0]) / int(users))
    policy = TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc))
    profile = ExecutionProfile(load_balancing_policy=policy, consistency_level=ConsistencyLevel.LOCAL_QUORUM)
    cluster = Cluster([contact_point], protocol_version=4, execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    assert cluster.connection_class is GeventConnection, "the driver does not run on gevent"
    InsertUser.session = cluster.connect()
    InsertUser.prepared = InsertUser.session.prepare(cql)
    environment = Environment(user_classes=[InsertUser])
    runner = environment.create_local_runner()
    runner.start(int(users), spawn_rate=int(users))
    gevent.sleep(float(seconds) / 2)  # every user is there, the driver and the nodes are warm
    stats = environment.stats.total
    environment.stats.reset_all()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    print("measuring", flush=True)
    gevent.sleep(float(seconds))
    done = stats.num_requests - stats.num_failures
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    told = {"operations": done, "cpu_s": cpu_s, "wall_s": wall_s, "failures": stats.num_failures}
    told |= {"p99_ms": stats.get_response_time_percentile(0.99), "max_ms": stats.max_response_time}
    print(json.dumps(told), flush=True)
    runner.quit()
    cluster.shutdown()


if __name__ == "__main__":
    main()
