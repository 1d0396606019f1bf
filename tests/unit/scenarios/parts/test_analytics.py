"""`[[analytics]]`: when jobs are done and through which data centre, and what is refused before anything is started."""

import pytest

from scenarios.spec import Scenario, ScenarioError, parse_scenario, require_no_faults

BUSINESS = '{ name = "north", nodes = 1, rf = 1 }'
BOTH = f'{BUSINESS}, {{ name = "warehouse", role = "analytics", nodes = 1, rf = 1 }}'


def scenario(analytics: str, dcs: str = BOTH) -> Scenario:
    return parse_scenario(
        f"""
        title = "asked"
        [estate]
        premises = 50
        [topology]
        dcs = [{dcs}]
        [run]
        wall_s = 20
        {analytics}
        """,
        "asked.toml",
    )


def test_a_job_reads_the_analytics_data_centre_and_another_only_where_that_is_meant() -> None:
    [once, misdirected] = scenario(
        """
        [[analytics]]
        job = "settlement"
        at_s = 5.0
        [[analytics]]
        job = "profiles"
        at_s = 0.0
        every_s = 4.5
        dc = "north"
        misdirected = true
        """
    ).analytics
    dcs = scenario("").topology.dcs
    assert (once.dc_of(dcs), str(once)) == ("warehouse", "settlement at 5 s")
    assert (misdirected.dc_of(dcs), str(misdirected)) == ("north", "profiles at 0 s and every 4.5 s")


@pytest.mark.parametrize(
    ("fields", "dcs", "said"),
    [
        ("at_s = 20.0", BOTH, r"at_s 20 is beyond the end of the storm, run.wall_s 20"),
        ("at_s = 1.0", BUSINESS, r"the topology has no data centre with role 'analytics'"),
        ('at_s = 1.0\ndc = "north"', BOTH, r"north is a business data centre"),
        ('at_s = 1.0\ndc = "south"', BOTH, r"no data centre 'south'; there are north, warehouse"),
        ("at_s = 1.0\nmisdirected = true", BOTH, r"misdirected goes with dc"),
        ("at_s = 1.0\nevery_s = 0.5", BOTH, r"analytics.0.every_s = 0.5"),
        ("at_s = 1", BOTH, None),
    ],
)
def test_what_can_not_be_is_told_with_its_field(fields: str, dcs: str, said: str | None) -> None:
    text = f'[[analytics]]\njob = "settlement"\n{fields}'
    if said is None:
        assert scenario(text, dcs).analytics[0].at_s == 1.0
        return
    with pytest.raises(ScenarioError, match=said):
        scenario(text, dcs)


def test_what_measures_a_load_alone_refuses_questions_beside_it() -> None:
    asked = scenario('[[analytics]]\njob = "settlement"\nat_s = 1.0')
    with pytest.raises(
        ScenarioError, match=r"analytics: a gate asks nothing beside its load; leave out \[\[analytics\]\]"
    ):
        require_no_faults(asked, "a gate")
