"""Small estates of everything that may go on, drawn: for the naive oracle against the kernels."""

from hypothesis import strategies as st

from scenarios.spec import Scenario
from sim.estate.model import build_estate


def estate_of(*, days=2, seed=1, start="2026-01-15", traffic=None, **fields):
    parts = {name: fields.pop(name) for name in ("wan", "reads", "alerts", "campaigns", "tariffs") if name in fields}
    estate = {"premises": 12, "fuels": ("gas", "electricity"), "read_schedules": {"daily": 0.5, "half_hourly": 0.5}}
    return build_estate(
        Scenario.model_validate(
            {
                "title": "trace",
                "estate": estate | fields,
                "traffic": {"usage_month_per_premises_day": 3.0} if traffic is None else traffic,
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": days, "wall_s": 60, "seed": seed, "start": start},
                **parts,
            }
        )
    )


SCHEDULES = (
    {"daily": 1.0},
    {"daily": 0.5, "half_hourly": 0.5},
    {"daily": 0.3, "half_hourly": 0.3, "monthly": 0.3, "ten_second": 0.1},
)
CHANGES = (
    (),
    (
        {"to": "half_hourly", "share": 0.5, "from_h": 3.0, "until_h": 40.0},
        {"to": "daily", "share": 0.3, "until_h": 9.0},
    ),
    (
        {"to": "half_hourly", "share": 0.5, "fuel": "electricity", "from_h": 3.0, "until_h": 40.0, "per_day_max": 100},
        {"to": "monthly", "share": 0.4, "until_h": 30.0},
    ),
    (
        {"to": "monthly", "share": 0.6, "from_h": 20.0, "until_h": 60.0},
        {"to": "ten_second", "share": 0.05, "until_h": 1.0},
    ),
)
METERINGS = (
    {},
    {},
    {"gas": 0.6, "smart": 0.7, "traditional_mode": 0.2},
    {"gas": 0.9, "smart": 0.9, "traditional_mode": 0.1},
    {"smart": 0.0},
)
ROLLOUTS = (None, None, {"start_share": 0.3, "over_days": 2}, {"over_days": 5})
LINKS = (
    {},
    {"delay_ms_min": 5.0, "delay_ms_max": 5.0},
    {"delay_ms_min": 200.0, "delay_ms_max": 600_000.0, "loss": 0.3, "retry_s": 900.0},
    {"loss": 0.5, "retry_s": 0.001},
)
SWAPS = (
    None,
    None,
    {"share": 0.6, "until_h": 40.0, "without_wan_h": 5.0},
    {"share": 1.0, "from_h": 10.0, "until_h": 11.0, "without_wan_h": 0.1},
)
OUTAGES = (
    (),
    ({"at_h": 20.0, "for_h": 5.0},),
    (
        {"region": "north", "at_h": 2.0, "for_h": 3.0, "return_over_h": 0.5},
        {"region": "south", "at_h": 4.0, "for_h": 30.0},
    ),
    ({"at_h": 0.0, "for_h": 2.0, "return_over_h": 0.0}, {"region": "north", "at_h": 23.5, "for_h": 2.0}),
    ({"region": "south", "at_h": 12.0, "for_h": 9_000.0},),
)
RUNS = (
    (),
    ({"name": "ii", "after_days": 1, "share": 0.1}, {"name": "sf", "after_days": 2, "share": 0.02}),
    ({"name": "ii", "after_days": 2, "share": 0.0},),
)
STORMS = ((), ({"region": "north", "at_h": 17.0}, {"at_h": 23.9, "share": 0.5, "over_s": 3_600.0}))
BURSTS = ((), ({"at_h": 18.0, "share": 0.5, "over_h": 1.0}, {"at_h": 23.0, "share": 1.0, "over_h": 50.0}))
CAMPAIGNS = (
    {"kind": "update_price", "fuel": "gas", "at_h": 2.0, "over_h": 20.0, "effective_h": 24.0},
    {
        "kind": "top_up",
        "at_h": 16.0,
        "over_h": 6.0,
        "prepayment_only": True,
        "share": 0.8,
        "timeout_s": 20.0,
        "backoff_s": 0.0,
    },
    {
        "kind": "read_on_demand",
        "at_h": 4.5,
        "region": "south",
        "attempts_max": 31,
        "timeout_s": 30.0,
        "backoff_s": 0.001,
    },
    {
        "kind": "update_firmware",
        "at_h": 0.0,
        "waves": 3,
        "wave_every_h": 8.0,
        "success": 0.4,
        "silent": 0.2,
        "refusal": 0.2,
        "duplicate": 0.5,
    },
    {
        "kind": "change_schedule",
        "to": "half_hourly",
        "at_h": 1.0,
        "over_h": 40.0,
        "share": 0.7,
        "success": 0.5,
        "timeout_s": 20_000.0,
        "silent": 0.4,
        "silent_for_h": 9.0,  # to before the third attempt
    },
    {
        "kind": "change_schedule",
        "to": "monthly",
        "fuel": "gas",
        "at_h": 0.0,
        "waves": 2,
        "wave_every_h": 24.0,
        "over_h": 24.0,
        "ack_mean_s": 3_600.0,
        "timeout_s": 300.0,
        "attempts_max": 2,
    },
    {"kind": "change_schedule", "to": "ten_second", "at_h": 20.0, "over_h": 5.0, "share": 0.2, "refusal": 0.5},
    {"kind": "change_schedule", "to": "daily", "at_h": 22.0, "over_h": 20.0, "waves": 2, "success": 0.6},
    {"kind": "enable_supply", "at_h": 3.0, "share": 0.6, "silent": 1.0, "timeout_s": 60.0, "backoff_s": 30.0}
    | {"silent_for_h": 0.05},
    {"kind": "arm_supply", "at_h": 4.0, "success": 0.0, "timeout_s": 86_400.0, "attempts_max": 3, "ack_mean_s": 0.5},
)
RATES = ("usage_month", "intervals_day", "state", "comparison", "bill", "ihd_refresh")


PREPAID_TARIFFS = [
    {"name": "credit", "share": 0.4, "rates": {"all": {"electricity": "24.5"}}},
    {"name": "before", "share": 0.3, "rates": {"all": {"electricity": "24.5"}}, "prepayment": {}},
    {"name": "night", "share": 0.2, "rates": {"all": {"electricity": "14.5"}}},
    {"name": "before, too", "share": 0.1, "rates": {"all": {"electricity": "24.5"}}, "prepayment": {}},
]


@st.composite
def scenarios(draw):
    """Arguments of `estate_of`: a small estate in which anything may go wrong."""
    campaigns = draw(st.lists(st.sampled_from(CAMPAIGNS), max_size=3))
    fuels = draw(st.sampled_from((("electricity",), ("electricity", "gas"), ("gas", "electricity"))))
    campaigns = [each for each in campaigns if each.get("fuel", "electricity") in fuels]
    is_by_tariff = draw(st.booleans())
    if is_by_tariff:
        campaigns = [each | ({"pays_pence": "10"} if each["kind"] == "top_up" else {}) for each in campaigns]
    rates = draw(st.lists(st.sampled_from((0.0, 0.5, 6.0)), min_size=len(RATES), max_size=len(RATES)))
    return {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "days": draw(st.integers(1, 3)),
        "start": draw(st.sampled_from(("2026-01-15", "2026-03-28", "2026-10-24", "2026-02-27"))),
        "premises": draw(st.integers(1, 9)),
        "fuels": fuels,
        "read_schedules": draw(st.sampled_from(SCHEDULES)),
        "schedule_changes": draw(st.sampled_from(CHANGES)),
        "meter_types": draw(st.sampled_from(({}, {"register_only": 0.4, "profile": 0.5}))),
        "metering": draw(st.sampled_from(METERINGS)),
        "rollout": draw(st.sampled_from(ROLLOUTS)),
        **({"tariffs": PREPAID_TARIFFS} if is_by_tariff else {"prepayment": draw(st.sampled_from((0.0, 0.5)))}),
        "push_jitter_s": draw(st.sampled_from((0.0, 0.000_004, 37.5, 1_800.0))),
        "upload_window_h": draw(st.sampled_from((0.1, 3.0, 24.0))),
        "wan": {
            "cellular": draw(st.sampled_from(LINKS)),
            "long_range_radio": draw(st.sampled_from(LINKS)),
            "four_g": draw(st.sampled_from(LINKS)),
            "hub_swaps": draw(st.sampled_from(SWAPS)),
            "hub_outages_per_day": draw(st.sampled_from((0.0, 0.5, 1.0))),
            "hub_outage_h_max": draw(st.sampled_from((0.5, 23.0))),
            "catch_up_speed": draw(st.sampled_from((2, 3, 20, 1_000))),
            "outages": draw(st.sampled_from(OUTAGES)),
        },
        "reads": {
            "gap_share": draw(st.sampled_from((0.0, 0.03))),
            "estimate_after_h": draw(st.sampled_from((0.0, 12.0, 30.0))),
            "duplicate_share": draw(st.sampled_from((0.0, 0.3))),
            "duplicate_after_s": draw(st.sampled_from((0.001, 300.0, 86_400.0))),
            "settlement_runs": draw(st.sampled_from(RUNS)),
        },
        "alerts": {"per_hub_day": draw(st.sampled_from((0.0, 3.0))), "storms": draw(st.sampled_from(STORMS))},
        "campaigns": [each | {"name": f"campaign_{number}"} for number, each in enumerate(campaigns)],
        "traffic": {f"{name}_per_premises_day": rate for name, rate in zip(RATES, rates, strict=True)}
        | {"bursts": draw(st.sampled_from(BURSTS))},
    }


EVERYTHING = {
    "premises": 40,
    "days": 3,
    "start": "2026-10-24",
    "read_schedules": SCHEDULES[2],
    "schedule_changes": CHANGES[1],
    "meter_types": {"register_only": 0.2, "profile": 0.7},
    "metering": METERINGS[3],
    "rollout": ROLLOUTS[2],
    "wan": {
        "cellular": LINKS[2],
        "long_range_radio": LINKS[1],
        "four_g": LINKS[3],
        "hub_swaps": SWAPS[2],
        "hub_outages_per_day": 0.3,
        "catch_up_speed": 3,
        "outages": OUTAGES[2],
    },
    "reads": {"gap_share": 0.03, "duplicate_share": 0.2, "settlement_runs": RUNS[1]},
    "alerts": {"per_hub_day": 3.0, "storms": STORMS[1]},
    "campaigns": [each | {"name": f"campaign_{number}"} for number, each in enumerate(CAMPAIGNS)],
    "traffic": {f"{name}_per_premises_day": 1.0 for name in RATES} | {"bursts": BURSTS[1]},
}
