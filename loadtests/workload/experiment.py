"""What an experiment is about: a scenario, its estate, and the cluster that is stormed with it."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from cassandra.cluster import Session

from loadtests.cluster.connect import Endpoint, connect
from scenarios.spec import Scenario, Topology
from sim.estate.model import EstateModel
from store.schemas import schema_of
from store.tables import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Given whole to all that takes part: senders, gateways, back office, fold, audit."""

    scenario: Scenario
    estate: EstateModel
    endpoint: Endpoint  # holds a password: never logged

    @property
    def topology(self) -> Topology:
        return self.scenario.topology

    @property
    def schema(self) -> Schema:
        """The table design that the scenario names."""
        return schema_of(self.scenario)

    def through(self, dc: str) -> Self:
        """The same, with the cluster reached through the data centre `dc`."""
        return dataclasses.replace(self, endpoint=dataclasses.replace(self.endpoint, local_dc=dc))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of the driver, ended with the block. Raises HarnessError when the cluster can't be reached."""
        driver, session = connect(self.endpoint)
        try:
            yield session
        finally:
            driver.shutdown()
