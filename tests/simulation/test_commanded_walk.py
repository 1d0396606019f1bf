"""The walk and the closed loop with commands that change how meters are read: the same as the trace and the arrays."""

import numpy as np
import pytest

from scenarios.domain import ReadSchedule
from sim.control.closed_loop import Responder, SimulatedControl, run_closed_loop
from sim.control.plane import commands_of
from sim.estate.commands import done_us
from sim.estate.homes import NEVER_US, region_index
from sim.trace.blocks import trace_blocks
from sim.trace.digest import merkle_root, tiles_of_blocks
from sim.trace.messages import MessageKind
from sim.virtual_time.tallies import walk
from tests.support.twin_estates import FIRMWARE, SWITCHES, estate_of

SECONDS = SWITCHES[0] | {"name": "seconds", "to": "ten_second", "share": 0.3, "over_h": 10.0}


def walked_as_the_blocks(estate):
    blocks = list(trace_blocks(estate))
    tallies = walk(estate)
    assert merkle_root(tiles_of_blocks(estate, blocks)) == merkle_root(tallies.tiles)
    kinds = np.bincount(np.concatenate([block.kind for block in blocks]), minlength=len(MessageKind))
    assert (tallies.offered.sum(axis=1) == kinds).all()
    return kinds


def test_ten_second_readings_that_only_a_command_brings_are_walked():
    estate = estate_of(estate={"premises": 12, "read_schedules": {"daily": 1.0}}, campaigns=[SECONDS])
    kinds = walked_as_the_blocks(estate)
    switched = int((estate.schedule_of(np.arange(estate.meter_count), 1) == ReadSchedule.TEN_SECOND).sum())
    assert 0 < switched < 12
    assert kinds[MessageKind.PUSH_TEN_SECOND] == switched * 8_640


def test_a_command_ends_the_ten_second_readings_of_a_customer():
    changes = [{"to": "ten_second", "share": 1.0, "until_h": 2.0}]
    campaigns = [SWITCHES[0] | {"share": 0.5, "at_h": 28.0, "over_h": 4.0}]
    estate = estate_of(estate={"premises": 4, "schedule_changes": changes}, campaigns=campaigns, run={"days": 3})
    kinds = walked_as_the_blocks(estate)
    on_days = [estate.schedule_of(np.arange(estate.meter_count), day) for day in range(3)]
    days = sum(int((one == ReadSchedule.TEN_SECOND).sum()) for one in on_days)
    assert 8 < days < 16
    assert kinds[MessageKind.PUSH_TEN_SECOND] == days * 8_640


def test_the_walk_of_switched_meters_is_that_of_their_blocks():
    estate = estate_of(estate={"premises": 300}, campaigns=[*SWITCHES, *FIRMWARE], run={"days": 4})
    assert all(walked_as_the_blocks(estate)[kind] for kind in (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY))


@pytest.mark.parametrize("shard_count", [1, 3])
def test_the_closed_loop_has_its_commands_done_when_the_readings_say(shard_count):
    quick = {"at_h": 0.0, "over_h": 20 / 3_600, "timeout_s": 4.0, "backoff_s": 2.0, "ack_mean_s": 5.0, "success": 0.6}
    quick |= {"silent": 0.3, "silent_for_h": 5 / 3_600}  # back before the second attempt
    p = estate_of(estate={"premises": 60}, campaigns=[each | quick for each in [*SWITCHES, *FIRMWARE]], wan={}).packed
    port = SimulatedControl(p, commands_of(p))
    responders = [Responder(parameters=p, shard=shard, shard_count=shard_count) for shard in range(shard_count)]
    run_closed_loop(port, responders, until_us=300_000_000)
    instants = []
    for record in port.records:
        meter = record.command.meter
        premises = meter // p.fuel_count
        instants.append(record.applied_us)
        assert done_us(p, record.command.campaign, premises, region_index(p, premises), meter) == record.applied_us
    assert 0 < instants.count(NEVER_US) < len(instants)
