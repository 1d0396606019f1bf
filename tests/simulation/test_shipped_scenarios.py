"""Each shipped scenario of the estate runs, with few homes, and brings what its question is about."""

from pathlib import Path

import numpy as np
import pytest

from scenarios.domain import DAY_US, SLOTS_PER_DAY, CommandState
from scenarios.spec import load_scenario
from sim.trace.messages import MessageKind
from sim.virtual_time.summary import Simulation, simulate

SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"
HOUR_US = 3_600_000_000
PREMISES = 600


def of(name: str, premises: int = PREMISES) -> Simulation:
    scenario = load_scenario(SCENARIOS / f"{name}.toml")
    estate = scenario.estate.model_copy(update={"premises": premises})
    return simulate(scenario.model_copy(update={"estate": estate}))


def by_day(simulation: Simulation, kind: MessageKind) -> list[int]:
    """Messages of a kind that arrive on each UTC day of the span."""
    bins = DAY_US // simulation.bin_us
    offered = simulation.offered[kind]
    return [int(offered[start : start + bins].sum()) for start in range(0, len(offered), bins)]


def test_the_rollout_ramp_grows_from_night_to_night_to_all():
    simulation = of("rollout_ramp")
    nights = by_day(simulation, MessageKind.UPLOAD_DAY)[1:]
    assert nights == sorted(nights) and nights[0] < nights[-1]
    assert nights[-1] == simulation.meter_count


def test_the_midnight_storm_is_one_upload_a_meter_within_three_hours():
    simulation = of("midnight_storm")
    hour = np.flatnonzero(simulation.offered[MessageKind.UPLOAD_DAY]) * simulation.bin_us / HOUR_US
    assert hour.min() >= 24 and hour.max() < 27
    assert simulation.messages[MessageKind.UPLOAD_DAY] == simulation.meter_count


def test_ten_second_reads_are_8640_a_meter():
    simulation = of("ten_second_reads", premises=20)
    assert simulation.messages[MessageKind.PUSH_TEN_SECOND] == 20 * 8_640


def test_the_regional_outage_holds_back_the_north_and_drains():
    accounts = {account.region: account for account in of("regional_outage").wan}
    assert set(accounts) == {"central", "south", "north"}
    peaks = {name: int(account.backlog.max()) for name, account in accounts.items()}
    assert peaks["north"] > 10 * max(peaks["central"], peaks["south"])
    at_peak_h = int(accounts["north"].backlog.argmax()) / 60
    assert 29.5 < at_peak_h < 30.5  # half-hours still come in for ten minutes after the first hubs are back
    assert HOUR_US < accounts["north"].drain_us() < 4 * HOUR_US


def test_the_tariff_change_reaches_nearly_every_display_by_midnight():
    for campaign in of("tariff_change").campaigns:
        assert campaign.targets == campaign.displays == PREMISES
        assert 0.9 < campaign.displays_correct_at_effective / campaign.displays <= 1
        assert campaign.effective_us == 23 * HOUR_US


def test_the_firmware_campaign_ends_for_every_meter():
    (campaign,) = of("firmware_campaign").campaigns
    assert campaign.states[CommandState.IN_FLIGHT] == 0
    assert campaign.states[CommandState.APPLIED] > 0.95 * PREMISES
    assert campaign.states[CommandState.REJECTED] > 0
    assert campaign.attempts > 1.05 * PREMISES


def test_the_migration_turns_uploads_into_pushes():
    simulation = of("half_hourly_settlement")
    pushes, uploads = (by_day(simulation, kind) for kind in (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY))
    assert pushes[11] > 10 * pushes[0]
    assert uploads[11] < 0.3 * uploads[1]
    assert simulation.messages[MessageKind.CHANGE_PREFERENCE] == pytest.approx(0.9 * PREMISES, rel=0.1)


def test_settlement_runs_revise_on_the_days_that_they_come():
    corrections = by_day(of("settlement_reruns", premises=100), MessageKind.CORRECT)
    assert sum(corrections[:7]) == 0
    half_hours = 100 * SLOTS_PER_DAY
    for first, end, share in ((8, 24, 0.03), (25, 57, 0.04), (58, 122, 0.045), (123, 130, 0.047)):
        assert np.mean(corrections[first:end]) == pytest.approx(share * half_hours, rel=0.15)


@pytest.mark.parametrize("season", ["spring", "autumn"])
def test_each_half_hour_around_a_clock_change_is_read_once(season):
    simulation = of(f"clock_change_{season}")
    assert simulation.reading_count == simulation.meter_count * 3 * SLOTS_PER_DAY


def test_prepay_friday_tops_up_prepayment_homes_alone():
    electricity, gas = of("prepay_friday", premises=4_000).campaigns
    assert electricity.targets == pytest.approx(4_000 * 0.15 * 0.6, rel=0.2)
    assert gas.targets == pytest.approx(4_000 * 0.15 * 0.5, rel=0.2)
    assert electricity.states[CommandState.APPLIED] > 0.95 * electricity.targets


def test_prepaid_accounts_are_topped_up_by_a_share_of_those_on_a_prepaid_tariff():
    electricity, gas = of("prepaid_accounts").campaigns
    assert electricity.targets == pytest.approx(PREMISES * 0.3 * 0.6, rel=0.2)
    assert gas.targets == pytest.approx(PREMISES * 0.3 * 0.5, rel=0.2)
    for campaign in (electricity, gas):
        assert campaign.states[CommandState.APPLIED] > 0.9 * campaign.targets


def test_the_alert_storm_is_the_whole_south_in_minutes():
    simulation = of("alert_storm")
    alerts = simulation.offered[MessageKind.ALERT]
    bins = 150 * 1_000_000 // simulation.bin_us  # two minutes and the WAN's delay
    start = 17 * HOUR_US // simulation.bin_us
    assert alerts[start : start + bins].sum() == pytest.approx(0.35 * PREMISES, rel=0.15)
    assert alerts[start : start + bins].sum() > 20 * alerts[start - bins : start].sum()


def test_the_impatient_campaign_pays_for_its_haste():
    impatient, patient = of("retry_storm").campaigns
    assert impatient.attempts > 4 * patient.attempts
    assert impatient.late_answers > 10 * max(patient.late_answers, 1)
    assert impatient.repeated_answers > patient.repeated_answers


def test_thirteen_months_arrive_in_a_night_and_each_half_hour_once():
    simulation = of("backfill_13_months", premises=60)
    hours = np.flatnonzero(simulation.offered[MessageKind.UPLOAD_DAY]) * simulation.bin_us / HOUR_US
    assert hours.min() >= 9_480
    assert simulation.reading_count == 60 * 396 * SLOTS_PER_DAY
    assert sum(account.in_flight for account in simulation.wan) == 0


def test_customers_change_what_they_consent_to():
    simulation = of("consent_change")
    assert simulation.messages[MessageKind.CHANGE_PREFERENCE] == pytest.approx(0.32 * 2 * PREMISES, rel=0.15)
    assert simulation.messages[MessageKind.PUSH_TEN_SECOND] > 0
    assert simulation.messages[MessageKind.READ_REGISTER] > 0
    (lapsed,) = simulation.campaigns
    assert lapsed.targets == pytest.approx(0.05 * PREMISES, rel=0.4)
    assert lapsed.states[CommandState.APPLIED] > 0.9 * lapsed.targets
