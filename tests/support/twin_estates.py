"""Small estates in which everything happens: for the twin, the control plane and the closed loop."""

from typing import Any, NamedTuple

import numpy as np

from scenarios.spec import Scenario
from sim.control.plane import CommandAnswer, CommandRecord, SimulatedCommand
from sim.draws.streams import Purpose, words
from sim.estate.commands import CommandOutcome, run_command
from sim.estate.homes import NEVER_US, region_index
from sim.estate.model import EstateModel, build_estate
from sim.estate.parameters import KernelParameters

TARIFF: dict[str, Any] = {
    "name": "tariff",
    "kind": "update_tariff",
    "share": 0.8,
    "at_h": 6.5,
    "over_h": 3.0,
    "effective_h": 30.0,
    "attempts_max": 5,
    "timeout_s": 90.0,
    "backoff_s": 400.0,
    "success": 0.8,
    "ack_mean_s": 60.0,
    "silent": 0.05,
    "refusal": 0.03,
    "duplicate": 0.1,
}

SWITCHES: list[dict[str, Any]] = [  # of read schedules, by commands that meet each other, lost attempts and the outage
    TARIFF | {"name": name, "kind": "change_schedule", "effective_h": None} | fields
    for name, fields in {
        "all_to_half_hours": {"to": "half_hourly", "share": 0.5, "at_h": 1.0, "over_h": 22.0},
        "gas_to_monthly": {"to": "monthly", "fuel": "gas", "at_h": 4.0, "over_h": 6.0, "ack_mean_s": 600.0},
        "back_to_daily": {"to": "daily", "share": 0.4, "at_h": 20.0, "over_h": 6.0, "refusal": 0.3, "success": 0.5},
    }.items()
]
FIRMWARE: list[dict[str, Any]] = [
    TARIFF | {"name": "new_meters", "kind": "update_firmware", "effective_h": None, "over_h": 30.0, "success": 0.4},
    TARIFF
    | {"name": "newer_meters", "kind": "update_firmware", "effective_h": None, "at_h": 8.0, "over_h": 20.0}
    | {"silent": 0.4, "silent_for_h": 0.2},  # they come back before the third attempt
]


def estate_of(**parts: Any) -> EstateModel:
    """An estate of two fuels over the night on which the clocks go forward; `parts` replace parts of the scenario."""
    run = {"start": "2026-03-28", "days": 2, "wall_s": 60, "seed": parts.pop("seed", 1)}
    scenario = {
        "title": "an estate in which everything happens",
        "estate": {"premises": 12, "fuels": ["gas", "electricity"]} | parts.pop("estate", {}),
        "wan": WAN,
        "reads": READS,
        "alerts": ALERTS,
        "campaigns": [TARIFF],
        "traffic": TRAFFIC,
        "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
        "run": run | parts.pop("run", {}),
    }
    return build_estate(Scenario.model_validate(scenario | parts))


WAN: dict[str, Any] = {
    "cellular": {"delay_ms_min": 80.0, "delay_ms_max": 900.0, "loss": 0.05, "retry_s": 30.0},
    "long_range_radio": {"delay_ms_min": 400.0, "delay_ms_max": 4_000.0, "loss": 0.1, "retry_s": 45.0},
    "hub_outages_per_day": 0.05,
    "hub_outage_h_max": 5.0,
    "catch_up_speed": 12,
    "outages": [{"region": "north", "at_h": 7.0, "for_h": 5.0, "return_over_h": 1.5}],
}
READS: dict[str, Any] = {
    "gap_share": 0.01,
    "estimate_after_h": 3.0,
    "duplicate_share": 0.02,
    "duplicate_after_s": 600.0,
    "settlement_runs": [{"name": "ii", "after_days": 1, "share": 0.002}],
}
ALERTS: dict[str, Any] = {
    "per_hub_day": 0.3,
    "storms": [{"region": "north", "at_h": 9.0, "share": 0.7, "over_s": 900.0}],
}
TRAFFIC: dict[str, Any] = {
    "usage_month_per_premises_day": 0.6,
    "intervals_day_per_premises_day": 0.4,
    "state_per_premises_day": 0.3,
    "comparison_per_premises_day": 0.2,
    "bill_per_premises_day": 0.1,
    "ihd_refresh_per_premises_day": 0.2,
    "bursts": [{"at_h": 18.0, "share": 0.5, "over_h": 0.5}],
}


class ArrayCommand(NamedTuple):
    """A command by the array form: its outcome, the instants of its attempts, and its answers in order of arrival."""

    outcome: CommandOutcome
    sent_us: list[int]
    answers: list[CommandAnswer]


def array_command(p: KernelParameters, command: SimulatedCommand) -> ArrayCommand:
    """What `sim.estate.commands.run_command` says of a command; an answer is a refusal when the command is refused."""
    sent_us, answers_us = np.empty(31, np.int64), np.empty((31, 2), np.int64)
    premises = command.meter // p.fuel_count
    region = region_index(p, premises)
    outcome = run_command(p, command.campaign, premises, region, command.meter, sent_us, answers_us)
    refusal = words(p.seed, int(Purpose.COMMAND), command.meter, command.campaign, 0)[3]
    is_refused = bool(refusal < p.campaigns[command.campaign]["refusal_below"])
    answers = [
        CommandAnswer(number + 1, is_refused, bool(again), int(answers_us[number, again]))
        for number in range(outcome.attempts)
        for again in range(2)
        if answers_us[number, again] < NEVER_US
    ]
    return ArrayCommand(outcome, sent_us[: outcome.attempts].tolist(), in_order(answers))


def in_order(answers: list[CommandAnswer]) -> list[CommandAnswer]:
    return sorted(answers, key=lambda one: (one.at_us, one.attempt, one.is_repeat))


def record_of(record: CommandRecord) -> ArrayCommand:
    """A record of the SimPy processes in the same form."""
    return ArrayCommand(record.outcome(), record.sent_us, in_order(record.answers))
