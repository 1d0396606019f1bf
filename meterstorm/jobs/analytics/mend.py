"""Commands that mend what has drifted, issued through the store's own rules and each device's home data centre."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loadtests.backend.command_gateway import CHUNK, due_index, retries_of
from loadtests.backend.command_plan import Registry, meter_of
from meterstorm.display.progress import Progress
from meterstorm.jobs.analytics.analyse import analyse
from meterstorm.jobs.analytics.arguments import MENDED_JOB, mends
from meterstorm.jobs.analytics.source import AnalyticsSource
from sim.estate.lookup import split_meter, start_us_of
from store.cassandra.commands import CassandraCommandTables
from store.cassandra.session import Statements
from store.commands.store import CommandStore


@dataclass(slots=True, kw_only=True)
class Mended:
    """What was done about the devices that a warehouse shows as drifted."""

    devices: int = 0
    drifts: int = 0  # that are still there
    issued: int = 0  # commands that mend them
    given_up: int = 0  # drifts for which enough were issued before


def mend(source: AnalyticsSource, warehouse: Path, progress: Progress) -> Mended:
    """Compare the devices that `reconcile` shows as drifted once more, as they are now, and issue what mends them.

    The commands are recorded and due at once: whichever gateway serves the home's data centre sends them. Repeating it issues
    nothing while they are open. Raises ScenarioError for a warehouse of another estate; StoreError: then it may be repeated.
    """
    scenario, estate = source.scenario, source.estate
    mends(warehouse)(scenario)
    rows = analyse(MENDED_JOB, warehouse).to_pylist()
    devices = np.array(sorted({row["device"] for row in rows if row["verdict"] == "drift"}), np.int64)
    done = Mended(devices=len(devices))
    if not len(devices):
        return done
    premises, _ = split_meter(estate, np.array([meter_of(device) for device in devices.tolist()], np.int64))
    home = estate.home_dc_of(premises)
    for number, dc in enumerate(scenario.topology.business_dcs):
        of_dc = devices[home == number].tolist()
        if not of_dc:
            continue
        progress.phase(f"Mending {len(of_dc)} devices through {dc.name}")
        with source.experiment.through(dc.name).session() as session:
            store = CommandStore(
                CassandraCommandTables(Statements(session, source.experiment.schema, scenario.topology)),
                find_device=Registry(estate),
                index=due_index(scenario, number),
                since_us=start_us_of(estate) + scenario.replay_from_us,
            )
            # all before it has been handled, so that a gateway finds what is due from it on
            now_us = store.cleared_us()
            for start in range(0, len(of_dc), CHUNK):
                drifts = store.reconcile(of_dc[start : start + CHUNK], now_us, retries_of(scenario))
                done.drifts += len(drifts)
                done.issued += sum(one.mending is not None for one in drifts)
                done.given_up += sum(one.mending is None for one in drifts)
    return done
