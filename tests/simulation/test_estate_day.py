"""Whole traces of a small estate: exact counts by seed, each reading once, the digest, and means on the profile."""

import itertools
from collections import Counter
from dataclasses import fields
from hashlib import sha256

import numpy as np
import pytest

from scenarios.domain import DAY_US, SLOT_US, CommandState, Fuel
from scenarios.spec import Scenario
from sim.draws.streams import Purpose, new_drawn, word_of, words
from sim.energy.registers import (
    annual_wh_kernel,
    fill_parts,
    intervals_wh,
    register_wh,
    register_wh_kernel,
    ten_second_register_wh,
)
from sim.estate.arrivals import HOUR_US, is_gap
from sim.estate.build import QUERIES_BY_LOCAL_HOUR
from sim.estate.commands import displayed_us, is_target, run_command
from sim.estate.homes import joined_us, region_index
from sim.estate.model import EstateModel, build_estate
from sim.trace.blocks import MessageBlock, MessageKind, trace_blocks
from sim.trace.digest import empty_tiles, hash_of_day, merkle_root, new_scratch, tiles_of_blocks
from sim.virtual_time.summary import simulate
from sim.virtual_time.tallies import trace_digest, walk

DAYS = 2
PREMISES = 3_000


def scenario_of(premises: int = PREMISES, days: int = DAYS, seed: int = 1, start: str = "2026-01-15", **traffic):
    return Scenario.model_validate(
        {
            "title": "a small estate",
            "estate": {
                "premises": premises,
                "fuels": ["electricity", "gas"],
                "read_schedules": {"daily": 0.75, "half_hourly": 0.25},
            },
            "traffic": traffic,
            "topology": {"dcs": [{"name": name, "nodes": 1, "rf": 1} for name in ("north", "south")]},
            "run": {"start": start, "days": days, "wall_s": 60, "seed": seed},
        }
    )


MESSAGES_WITH_VALUES = (
    MessageKind.PUSH_HALF_HOUR,
    MessageKind.UPLOAD_DAY,
    MessageKind.READ_REGISTER,
    MessageKind.PUSH_TEN_SECOND,
    MessageKind.ESTIMATE,
    MessageKind.CORRECT,
)


def everything_read():
    """Few homes, in which meters are read in every way, lose half-hours and are corrected later."""
    return Scenario.model_validate(
        {
            "title": "every kind of reading",
            "estate": {
                "premises": 60,
                "read_schedules": {"daily": 0.4, "half_hourly": 0.3, "monthly": 0.2, "ten_second": 0.1},
                "meter_types": {"register_only": 0.25, "profile": 0.4, "ten_second": 0.3, "import_export": 0.05},
            },
            "reads": {"gap_share": 0.05, "settlement_runs": [{"name": "sf", "after_days": 1, "share": 0.05}]},
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"start": "2026-01-31", "days": 2, "wall_s": 60},
        }
    )


def of_kind(block, kind):
    """Only the messages of one kind."""
    return MessageBlock(
        **{field.name: getattr(block, field.name)[block.kind == kind] for field in fields(MessageBlock)}
    )


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario_of())


def columns_of(estate: EstateModel, **which):
    blocks = list(trace_blocks(estate, **which))
    names = ("due_us", "kind", "meter", "first_slot", "slot_count")
    return {name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}


def test_counts_of_seed_1(estate):
    """A change here is a change of every recorded digest: it needs a decision record."""
    kinds = np.bincount(columns_of(estate)["kind"], minlength=16)
    assert kinds.tolist() == [142_368, 9_034, 1_218, 593, 570] + [0] * 11
    assert trace_digest(estate) == "9b8054b5c9ed4c23aefead2039723db5fd392d5948b62cbfc951585fee72165f"


def test_each_reading_is_sent_exactly_once(estate):
    trace = columns_of(estate)
    sent = np.zeros((estate.meter_count, estate.slot_count), np.int32)
    push = trace["kind"] == MessageKind.PUSH_HALF_HOUR
    np.add.at(sent, (trace["meter"][push], trace["first_slot"][push]), 1)
    upload = trace["kind"] == MessageKind.UPLOAD_DAY
    for slot in range(48):
        np.add.at(sent, (trace["meter"][upload], trace["first_slot"][upload] + slot), 1)
    assert (sent == 1).all()


def test_readings_are_due_after_their_slots_within_the_delay(estate):
    trace = columns_of(estate)
    end_us = (trace["first_slot"].astype(np.int64) + trace["slot_count"]) * SLOT_US
    for kind, delay_us in ((MessageKind.PUSH_HALF_HOUR, 600_000_000), (MessageKind.UPLOAD_DAY, 3 * HOUR_US)):
        delay = (trace["due_us"] - end_us)[trace["kind"] == kind]
        assert delay.min() >= 0
        assert delay.max() < delay_us
        assert delay.mean() == pytest.approx(delay_us / 2, rel=0.03)


def test_queries_ask_of_electricity_meters_about_the_day_before(estate):
    trace = columns_of(estate)
    asked = trace["kind"] >= MessageKind.ASK_USAGE_MONTH
    day = trace["due_us"][asked] // DAY_US
    assert (trace["meter"][asked] % 2 == 0).all()
    assert (trace["first_slot"][asked] == np.maximum(day - 1, 0) * 48).all()
    assert trace["due_us"].max() < estate.span_us


def test_queries_follow_their_rates_and_the_evening():
    scenario = scenario_of(premises=2_000, days=3, usage_month_per_premises_day=4.0, state_per_premises_day=0.0)
    trace = columns_of(build_estate(scenario))
    asked = trace["due_us"][(trace["kind"] == MessageKind.ASK_USAGE_MONTH) & (trace["due_us"] < 3 * DAY_US)]
    assert len(asked) == pytest.approx(2_000 * 3 * 4.0, rel=0.03)
    by_hour = np.bincount(asked % DAY_US // HOUR_US, minlength=24)
    expected = np.array(QUERIES_BY_LOCAL_HOUR) / sum(QUERIES_BY_LOCAL_HOUR) * len(asked)
    assert ((by_hour - expected) ** 2 / expected).sum() < 49.7  # chi-squared, 23 degrees of freedom: 1 in 1,000
    assert not (trace["kind"] == MessageKind.ASK_STATE).any()


def test_a_reader_in_summer_asks_an_hour_earlier_by_utc():
    winter, summer = (
        build_estate(scenario_of(start=start)).parameters.query_hour for start in ("2026-01-15", "2026-07-15")
    )
    widths = np.diff(winter[0])
    assert np.abs(np.diff(summer[0]) - np.roll(widths, -1)).max() <= 1


@pytest.mark.parametrize(
    ("zone", "ahead_h"),
    [("Europe/Madrid", 1), ("Europe/Helsinki", 2), ("America/Bogota", -5), ("Atlantic/Reykjavik", 0)],
)
def test_people_ask_and_use_by_the_clock_of_their_own_zone(zone: str, ahead_h: int) -> None:
    """In winter, when London is on UTC: what London does at an hour, they do so many hours earlier by UTC."""
    london, theirs = (
        build_estate(
            Scenario.model_validate(
                scenario_of().model_dump() | {"estate": scenario_of().estate.model_dump() | zone_of}
            )
        )
        for zone_of in ({}, {"time_zone": zone})
    )
    asked, wanted = (np.diff(one.parameters.query_hour[0]) for one in (theirs, london))
    assert np.abs(asked - np.roll(wanted, -ahead_h)).max() <= 1
    used = [one.profile.share.ravel().astype(float) for one in (theirs, london)]
    shifted = slice(10, -10)  # whole days: what comes before the span's first hours is not there
    assert used[0][shifted] == pytest.approx(np.roll(used[1], -2 * ahead_h)[shifted], rel=1e-6)


@pytest.mark.parametrize("shard_count", [2, 7])
def test_shards_hold_the_trace_between_them(estate, shard_count):
    whole = columns_of(estate)
    shards = [columns_of(estate, shard=shard, shard_count=shard_count) for shard in range(shard_count)]
    assert sum(len(shard["due_us"]) for shard in shards) == len(whole["due_us"])
    for index, shard in enumerate(shards):
        assert (np.diff(shard["due_us"]) >= 0).all()
        assert (estate.partition_of(shard["meter"]) % shard_count == index).all()


def test_digest_is_the_same_for_any_shards_and_threads(estate):
    expected = trace_digest(estate)
    assert {trace_digest(estate, shards) for shards in (2, 3, 7, 16)} == {expected}
    assert {trace_digest(estate, thread_count=threads) for threads in (1, 2, 3, 5)} == {expected}


def test_digest_of_the_blocks_is_the_digest_of_the_keys(estate):
    assert merkle_root(tiles_of_blocks(estate, trace_blocks(estate))) == trace_digest(estate)
    tiles = empty_tiles(estate)
    for shard in range(3):
        part = tiles_of_blocks(estate, trace_blocks(estate, shard=shard, shard_count=3, block_size_max=999))
        assert (part == walk(estate, shard, 3).tiles).all()
        tiles += part
    assert merkle_root(tiles) == trace_digest(estate)


def test_digest_sees_a_lost_a_doubled_and_a_late_message(estate):
    blocks = list(trace_blocks(estate, block_size_max=1_000))
    whole = merkle_root(tiles_of_blocks(estate, blocks))
    lost = merkle_root(tiles_of_blocks(estate, blocks[1:]))
    doubled = merkle_root(tiles_of_blocks(estate, [blocks[0], *blocks]))
    blocks[0].due_us[0] += 1
    late = merkle_root(tiles_of_blocks(estate, blocks))
    assert len({whole, lost, doubled, late}) == 4


def test_digest_sees_one_watt_hour(estate):
    other = scenario_of()
    tables = build_estate(other).packed.annual_knots_wh.copy()
    tables[0, 2] += 1
    changed = build_estate(other)
    changed.packed.annual_knots_wh[:] = tables
    assert trace_digest(changed) != trace_digest(estate)
    assert trace_digest(build_estate(scenario_of(seed=2))) != trace_digest(estate)


@pytest.mark.parametrize("kind", list(MESSAGES_WITH_VALUES))
def test_digest_sees_the_values_of_every_kind_of_message(kind):
    """The same messages with other energy in them: what a kind's hash leaves out could change without a word."""
    scenario = everything_read()
    estate, other = build_estate(scenario), build_estate(scenario)
    other.packed.annual_knots_wh[:] = estate.packed.annual_knots_wh * 2
    blocks = [of_kind(block, kind) for block in trace_blocks(estate) if (block.kind == kind).any()]
    assert blocks
    tiles, others = (tiles_of_blocks(one, blocks) for one in (estate, other))
    sent = tiles.any(axis=2)
    # a tile of few 10-second readings may hold none but zeros, which twice the energy does not change
    assert np.mean(tiles[sent] != others[sent]) > 0.5


def test_merkle_root_worked_by_hand():
    tiles = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.uint64)
    leaves = [
        sha256(b"\x00" + low.to_bytes(8, "little") + high.to_bytes(8, "little")).digest()
        for low, high in ((1, 2), (3, 4), (5, 6))
    ]
    pair = sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    assert merkle_root(tiles) == sha256(b"\x01" + pair + leaves[2]).hexdigest()


@pytest.mark.parametrize("fuel", [0, 1], ids=["electricity", "gas"])
def test_the_mean_of_many_meters_is_the_profile(fuel):
    estate = build_estate(scenario_of(premises=20_000))
    p, tables = estate.packed, estate.parameters
    meter = np.arange(fuel, estate.meter_count, 2)
    used = intervals_wh(estate, meter, np.zeros(len(meter), np.int32), estate.slot_count)
    annual = np.array([annual_wh_kernel(p, fuel, word_of(words(p.seed, Purpose.METER, one, 0, 0), 0)) for one in meter])
    day_share = np.diff(tables.day_share[fuel]) / 2**36
    share = (np.diff(tables.slot_share[fuel], axis=1) / 2**32 * day_share[:, None]).ravel()
    error = (used - annual[:, None] * share).std(axis=0) / np.sqrt(len(meter))
    # Rounding down at both boundaries has no bias; half a watt-hour is given for the day's first slot, which has but one.
    assert (np.abs(used.mean(axis=0) - annual.mean() * share) < 5 * error + 0.5).all()
    assert (error < 0.02 * used.mean(axis=0)).all()  # or the test could not fail


def test_annual_energy_has_the_quartiles_of_typical_homes():
    estate = build_estate(scenario_of(premises=40_000, days=28))
    for fuel, quartiles in ((0, (1.8e6, 2.7e6, 4.1e6)), (1, (7.5e6, 11.5e6, 17e6))):
        share = int(estate.packed.day_share[fuel, 28]) / 2**36
        meter = np.arange(fuel, estate.meter_count, 2)
        zero = np.zeros(len(meter), np.int32)
        used = register_wh(estate, meter, zero + estate.slot_count) - register_wh(estate, meter, zero)
        assert np.percentile(used / share, [25, 50, 75]) == pytest.approx(quartiles, rel=0.02)


def test_shares_of_schedules_regions_data_centres_and_partitions():
    estate = build_estate(scenario_of(premises=100_000))
    premises = np.arange(100_000)
    meter = np.arange(200_000)
    assert estate.schedule_of(meter).mean() == pytest.approx(0.25, abs=0.004)
    assert np.bincount(estate.region_of(premises)) / 1e5 == pytest.approx([0.35, 0.35, 0.30], abs=0.006)
    assert np.bincount(estate.home_dc_of(premises)) / 1e5 == pytest.approx([0.5, 0.5], abs=0.006)
    partition = estate.partition_of(meter)
    assert (partition[0::2] == partition[1::2]).all()  # both fuels of a premises
    counts = np.bincount(partition[::2], minlength=4096)
    assert len(counts) == 4096
    assert counts.var() == pytest.approx(counts.mean(), rel=0.1)  # as if thrown at random


def test_simulate_counts_what_the_trace_holds(estate):
    shares: list[float] = []
    simulation = simulate(scenario_of(), progress=shares.append)
    trace = columns_of(estate)
    assert simulation.messages == {kind: int((trace["kind"] == kind).sum()) for kind in MessageKind}
    seconds = np.bincount(trace["due_us"] // simulation.bin_us, minlength=simulation.offered.shape[1])
    assert simulation.bin_us == 1_000_000
    assert (simulation.offered.sum(axis=0) == seconds).all()
    assert simulation.reading_count == estate.meter_count * estate.slot_count
    assert simulation.digest == trace_digest(estate)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_energy_of_the_simulation_is_conserved(estate):
    """The sum over every interval of every meter is the sum of register differences, to the watt-hour."""
    simulation = simulate(scenario_of(), estate=estate)
    meter = np.arange(estate.meter_count)
    used = intervals_wh(estate, meter, np.zeros(len(meter), np.int32), estate.slot_count).astype(np.int64)
    assert simulation.energy_wh == {Fuel.ELECTRICITY: int(used[::2].sum()), Fuel.GAS: int(used[1::2].sum())}


def test_ten_second_readings_have_the_digest_of_their_blocks():
    """The walk goes through them without a list; the blocks are that list, over midnights and a change of schedule."""
    scenario = Scenario.model_validate(
        {
            "title": "every ten seconds",
            "estate": {
                "premises": 6,
                "fuels": ["electricity", "gas"],
                "read_schedules": {"daily": 0.4, "ten_second": 0.6},
                "schedule_changes": [{"to": "ten_second", "share": 0.5, "until_h": 20.0}],
                "rollout": {"start_share": 0.5, "over_days": 1},
            },
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"days": 2, "wall_s": 60},
        }
    )
    estate = build_estate(scenario)
    blocks = list(trace_blocks(estate))
    tallies = walk(estate)
    assert merkle_root(tiles_of_blocks(estate, blocks)) == merkle_root(tallies.tiles)
    kinds = np.bincount(np.concatenate([block.kind for block in blocks]), minlength=len(MessageKind))
    assert (tallies.offered.sum(axis=1) == kinds).all()
    assert kinds[MessageKind.PUSH_TEN_SECOND] > 8_640 and kinds[MessageKind.PUSH_TEN_SECOND] % 8_640 == 0


@pytest.mark.parametrize(("days", "bin_us"), [(1, 1_000_000), (5, 60_000_000)])
def test_ten_second_readings_are_counted_in_the_bin_that_they_arrive_in(days, bin_us):
    """A short span is counted by the second, a long one by the minute; neither divides."""
    scenario = Scenario.model_validate(
        {
            "title": "every ten seconds",
            "estate": {"premises": 3, "read_schedules": {"daily": 0.0, "ten_second": 1.0}},
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"days": days, "wall_s": 60},
        }
    )
    estate = build_estate(scenario)
    blocks = list(trace_blocks(estate))
    kind = np.concatenate([block.kind for block in blocks])
    due_us = np.concatenate([block.due_us for block in blocks])[kind == MessageKind.PUSH_TEN_SECOND]
    offered = walk(estate).offered[MessageKind.PUSH_TEN_SECOND]
    assert simulate(scenario).bin_us == bin_us
    assert (offered == np.bincount(due_us // bin_us, minlength=len(offered))).all()
    assert offered.sum() == 3 * days * 8_640


def test_a_window_of_the_walk_is_what_is_sent_in_it():
    estate = build_estate(scenario_of(premises=50))
    cuts = (0, 7 * HOUR_US + 1, DAY_US, estate.span_us)
    parts = [walk(estate, from_us=start, until_us=end) for start, end in itertools.pairwise(cuts)]
    assert (sum(part.offered for part in parts) == walk(estate).offered).all()
    assert all(part.offered.sum() > 0 for part in parts)


@pytest.mark.parametrize("days", [1, 5])
def test_windows_of_ten_second_readings_add_up_to_the_whole(days):
    """Cut within the two seconds after a slot's end, on its end, within a slot, in its last two readings and at midnight."""
    estate = build_estate(
        Scenario.model_validate(
            {
                "title": "every ten seconds",
                "estate": {"premises": 3, "read_schedules": {"daily": 0.0, "ten_second": 1.0}},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": days, "wall_s": 60},
            }
        )
    )
    cuts = (
        0,
        HOUR_US + 1_000_000,
        2 * HOUR_US,
        2 * HOUR_US + 5_000_001,
        3 * HOUR_US - 9_000_000,
        DAY_US,
        estate.span_us,
    )
    parts = [walk(estate, from_us=start, until_us=end) for start, end in itertools.pairwise(cuts)]
    whole = walk(estate)
    assert (sum(part.offered for part in parts) == whole.offered).all()
    assert (sum(part.tiles for part in parts) == whole.tiles).all()
    assert all(part.offered.sum() > 0 for part in parts)


def test_parts_of_a_slot_are_its_ten_second_registers():
    estate = build_estate(scenario_of(premises=4))
    parts = np.empty(181, np.int64)
    for meter, slot in ((0, 0), (3, 47), (5, 60)):
        low = register_wh_kernel(estate.packed, meter, slot)
        used = register_wh_kernel(estate.packed, meter, slot + 1) - low
        fill_parts(estate.packed, meter, slot, low, used, new_drawn(), parts)
        expected = [ten_second_register_wh(estate.packed, meter, slot * 180 + part) for part in range(181)]
        assert parts.tolist() == expected
        assert (np.diff(parts) >= 0).all()
        assert parts[-1] - parts[0] == used > 0


def test_commands_are_tallied_as_each_of_them_ends():
    """Against every single command: states, attempts, late and repeated answers, and displays that are right in time."""
    scenario = Scenario.model_validate(
        {
            "title": "a price for displays",
            "estate": {"premises": 400},
            "wan": {"outages": [{"region": "north", "at_h": 5.0, "for_h": 2.0}]},
            "campaigns": [
                {
                    "name": "price",
                    "kind": "update_price",
                    "share": 0.9,
                    "at_h": 4.0,
                    "over_h": 2.0,
                    "effective_h": 6.5,
                    "attempts_max": 3,
                    "timeout_s": 60.0,
                    "backoff_s": 300.0,
                    "success": 0.8,
                    "refusal": 0.05,
                    "duplicate": 0.2,
                }
            ],
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 60},
        }
    )
    estate = build_estate(scenario)
    p, sent, answers = estate.packed, np.zeros(31, np.int64), np.zeros((31, 2), np.int64)
    outcomes = [
        (meter, run_command(p, 0, meter, region_index(p, meter), meter, sent, answers))
        for meter in range(400)
        if is_target(p, 0, meter, region_index(p, meter), meter)
    ]
    outcome = simulate(scenario, estate=estate).campaigns[0]
    assert outcome.targets == len(outcomes) > 300
    states = Counter(ended.state for _, ended in outcomes)
    assert outcome.states == {state: states[state] for state in CommandState}
    assert min(states[state] for state in (CommandState.APPLIED, CommandState.REJECTED, CommandState.EXHAUSTED)) > 0
    assert outcome.attempts == sum(ended.attempts for _, ended in outcomes) > len(outcomes)
    assert outcome.late_answers == sum(ended.is_late for _, ended in outcomes) > 0
    assert outcome.repeated_answers == sum(ended.repeats for _, ended in outcomes) > 0
    shown = [displayed_us(p, 0, meter, ended.applied_us) for meter, ended in outcomes]
    assert outcome.displays == len(outcomes)
    assert outcome.displays_correct_at_effective == sum(at <= 6.5 * HOUR_US for at in shown)
    assert 0 < outcome.displays_correct_at_effective < len(outcomes)
    assert outcome.ended.sum() == len(outcomes)
    assert outcome.displayed.sum() == sum(at < estate.span_us for at in shown)


def test_energy_counts_from_the_day_that_a_home_joins():
    scenario = Scenario.model_validate(
        {
            "title": "joining",
            "estate": {"premises": 300, "rollout": {"start_share": 0.3, "over_days": 2}},
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 60, "days": 3},
        }
    )
    estate = build_estate(scenario)
    expected, days = 0, set()
    for premises in range(300):
        day = joined_us(estate.packed, premises) // DAY_US
        days.add(day)
        used = intervals_wh(estate, np.array([premises]), np.array([day * 48], np.int32), (3 - day) * 48)
        expected += int(used.sum())
    assert days == {0, 1, 2}
    assert simulate(scenario, estate=estate).energy_wh == {Fuel.ELECTRICITY: expected}


def test_the_hash_of_an_upload_leaves_out_what_the_meter_has_lost():
    """With a lost half-hour it is another hash than that of the whole day, without one the same."""
    fields = {"title": "gaps", "estate": {"premises": 200}, "reads": {"gap_share": 0.02}, "run": {"wall_s": 60}}
    topology = {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]}
    lossy = build_estate(Scenario.model_validate(fields | {"topology": topology})).packed
    whole = build_estate(Scenario.model_validate(fields | {"topology": topology, "reads": {}})).packed
    seen = set()
    for meter in range(200):
        has_gap = any(is_gap(lossy, meter, slot) for slot in range(48))
        is_same = hash_of_day(lossy, meter, 0, new_scratch(lossy)) == hash_of_day(whole, meter, 0, new_scratch(whole))
        assert is_same != has_gap
        seen.add(has_gap)
    assert seen == {True, False}
