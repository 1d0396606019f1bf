"""The storm under Locust: `locust -f loadtests/locustfile.py --scenario scenarios/smoke.toml --contact-points HOST`.

`FleetUser` hosts a shard of the wire engine; all other users are customers (`CustomerUser`). Headless, with the web UI, with
`--processes N`, and with workers on other machines; docs/locust.md shows how.

Locust is imported before cassandra-driver: it patches sockets and threads, and the driver must see them patched.
"""

import logging
import sys
from typing import Any

import gevent
import locust.runners
from flask import jsonify, request
from gevent.event import Event
from locust import User, events, task
from locust.exception import StopUser
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

# isort: split
import loadtests.locust_fleet.interrupted  # noqa: F401

# isort: split
from loadtests import interrupts
from loadtests.errors import HarnessError
from loadtests.locust_fleet.master import EXIT_TROUBLE, EXIT_USAGE, FleetMaster
from loadtests.locust_fleet.messages import TO_MASTER, TO_WORKER
from loadtests.locust_fleet.options import FleetOptions, add_arguments, fleet_options
from loadtests.locust_fleet.runners import install
from loadtests.locust_fleet.worker import FleetWorker
from loadtests.storm.tables import prepare_tables
from scenarios.spec import ScenarioError
from sim.estate.model import EstateModel
from store.ports import StoreError

log = logging.getLogger("meterstorm")

# In heartbeats of a second. Locust's three are soon missed on a machine that shares its processors with senders and nodes, and a
# worker that only was slow has still sent all: its shards are processes of their own.
locust.runners.HEARTBEAT_LIVENESS = 10


install()  # their gate and their sockets, before Locust makes its runner

IS_BUILT = Event()  # the worker's side: the master may send users while the estate is still being built


class FleetUser(User):
    """Hosts one shard of the meters' trace. The shard itself is its worker's: it outlives a user whom Locust moves."""

    fixed_count = 1  # the number of shards, once the options are known

    def on_start(self) -> None:
        IS_BUILT.wait()
        self.environment.fleet_worker.claim()

    @task
    def host_shard(self) -> None:  # not "host": that is a setting of Locust's, which its web UI shows
        self.environment.fleet_worker.is_over.wait()
        raise StopUser


class CustomerUser(User):
    """A customer: visits, turns pages, and waits for each; the course of it all is fixed beforehand."""

    def on_start(self) -> None:
        IS_BUILT.wait()
        if not self.environment.fleet_worker.open_customers():
            raise StopUser

    @task
    def visit(self) -> None:
        self.environment.fleet_worker.serve_customer()
        raise StopUser


@events.init_command_line_parser.add_listener
def _on_parser(parser: Any, **_: Any) -> None:
    add_arguments(parser)


@events.init.add_listener
def _on_init(environment: Any, runner: Any, web_ui: Any, **_: Any) -> None:
    """Make this process a master, a worker, or with Locust's local runner both."""
    try:
        options = fleet_options(environment.parsed_options)
        # In a thread of its own: heartbeats go on meanwhile.
        estate = gevent.get_hub().threadpool.apply(options.estate)
        if isinstance(runner, MasterRunner | LocalRunner):
            _become_master(environment, runner, options, estate)
            if web_ui is not None:
                _refuse_on_the_page(web_ui.app, runner)
        if isinstance(runner, WorkerRunner | LocalRunner):
            _become_worker(environment, runner, options, estate)
    except (ScenarioError, HarnessError, StoreError, OSError) as error:
        log.error("%s", error)
        environment.process_exit_code = EXIT_USAGE if isinstance(error, ScenarioError) else EXIT_TROUBLE
        runner.quit()
        sys.exit(environment.process_exit_code)


def _become_master(environment: Any, runner: Any, options: FleetOptions, estate: EstateModel) -> None:
    has_fleet = FleetUser in environment.user_classes
    FleetUser.fixed_count = options.shard_count if has_fleet else 0
    given = environment.parsed_options
    if given.num_users is None:
        given.num_users = max(FleetUser.fixed_count, 1)
    if given.num_users < FleetUser.fixed_count:
        raise ScenarioError(
            f"-u {given.num_users} is less than the {options.shard_count} shards, each of which is a user"
        )
    if given.spawn_rate is None:
        given.spawn_rate = min(given.num_users, 100)
    if not options.has_tables:
        log.info("creating the tables in keyspace %s", options.scenario.topology.keyspace)
        prepare_tables(options.experiment(estate))
    # After the tables, which may be refused: then no folder is left. Workers say hello once a second until they are heard.
    with interrupts.held():  # from its first moment on there is who takes the folder away
        master = FleetMaster(environment, options, estate, has_fleet=has_fleet, over=lambda: _end(environment, runner))
        interrupts.clean_up_at_exit(master.abandon)
    runner.storm_refusal = lambda: master.refusal
    runner.register_message(TO_MASTER, lambda environment, msg: master.listen(msg.node_id, msg.data))

    def start(**_: Any) -> None:
        gevent.spawn(master.watch)

    def finish(**_: Any) -> None:
        environment.process_exit_code = master.finish()

    def stop(**_: Any) -> None:
        finish()
        if environment.web_ui is None:
            gevent.spawn(runner.quit)  # by itself Locust goes on waiting when its last worker has gone missing

    environment.events.test_start.add_listener(start)
    environment.events.test_stopping.add_listener(stop)
    environment.events.quitting.add_listener(finish)


def _refuse_on_the_page(app: Any, runner: Any) -> None:
    """What the runner refuses is told by the web UI, whose own answer to *Start* is success whatever becomes of it."""

    @app.before_request
    def refuse() -> Any:
        why = runner.refusal() if request.method == "POST" and request.path.endswith("/swarm") else None
        return None if why is None else jsonify({"success": False, "message": why})


def _end(environment: Any, runner: Any) -> None:
    """The storm is over by itself: headless the process ends, with the web UI the test."""
    if environment.web_ui is None:
        runner.quit()
    else:
        runner.stop()


def _become_worker(environment: Any, runner: Any, options: FleetOptions, estate: EstateModel) -> None:
    def refused(sentence: str) -> None:
        log.error("the master refuses this worker: %s", sentence)
        environment.process_exit_code = EXIT_USAGE
        gevent.spawn(runner.quit)

    with interrupts.held():
        worker = environment.fleet_worker = FleetWorker(environment, options, estate, refused)
        interrupts.clean_up_at_exit(worker.abandon)
    runner.register_message(TO_WORKER, lambda environment, msg: worker.listen(msg.data))
    environment.events.quitting.add_listener(lambda **_: worker.stop())
    IS_BUILT.set()
    gevent.spawn(worker.greet)
