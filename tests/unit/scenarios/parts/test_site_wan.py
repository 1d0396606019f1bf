"""`[topology.wan]`: which pair of sites has which quality, and what is refused."""

import pytest
from pydantic import ValidationError

from scenarios.parts.site_wan import FIELD, LinkQuality, SiteLink, SiteWan
from scenarios.spec import ScenarioError, parse_scenario

WAN = SiteWan(delay_ms=20.0, loss=0.01, links=(SiteLink(between=("north", "south"), delay_ms=80.0),))
SCENARIO = """
title = "Two sites"
[estate]
premises = 10
[estate.read_schedules]
daily = 1.0
[topology]
dcs = [{{ name = "north", nodes = 1, rf = 1 }}, {{ name = "{other}", nodes = 1, rf = 1 }}]
[topology.wan]
{wan}
"""


def test_a_link_has_its_own_quality_either_way_and_other_pairs_the_wans() -> None:
    assert WAN.between("south", "north") == WAN.between("north", "south")
    assert WAN.between("north", "south").delay_ms == 80.0
    assert WAN.between("north", "south").loss == 0.0  # nothing of the WAN's own is mixed in
    assert (WAN.between("north", "west").delay_ms, WAN.between("north", "west").loss) == (20.0, 0.01)


def test_there_is_no_distance_to_the_field_unless_a_link_says_so() -> None:
    assert WAN.between(FIELD, "north") == LinkQuality()
    near = SiteWan(delay_ms=20.0, links=(SiteLink(between=("north", FIELD), delay_ms=5.0),))
    assert near.between(FIELD, "north").delay_ms == 5.0


def test_among_fewer_data_centres_links_of_others_fall_away() -> None:
    assert WAN.among(["north", "south"]) == WAN
    assert WAN.among(["north", "west"]).links == ()


def test_a_quality_is_told_in_words() -> None:
    quality = LinkQuality(delay_ms=75.0, jitter_ms=5.0, loss=0.02, duplicate=0.001, rate_mbit=200.0)
    assert str(quality) == (
        "75 ms, up to 5 ms more, 0.02 of the packets lost, 0.001 of the packets doubled, 200 Mbit/s"
    )


@pytest.mark.parametrize(
    ("wan", "said"),
    [
        ('links = [{ between = ["north", "north"] }]', "names 'north' twice"),
        ('links = [{ between = ["north", "south"] }, { between = ["south", "north"] }]', "have a link already"),
        ('links = [{ between = ["north", "west"] }]', "'west' is the name of no site; there are north, south, field"),
        ("delay_ms = -1.0", "delay_ms"),
        ("loss = 1.5", "loss"),
        ("rate_mbit = 0.0", "rate_mbit"),
        ("delay = 20.0", "unknown field"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(wan: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(SCENARIO.format(other="south", wan=wan), "two")


def test_a_data_centre_is_not_called_as_the_field() -> None:
    with pytest.raises(ScenarioError, match="a data centre can't be named 'field'"):
        parse_scenario(SCENARIO.format(other="field", wan="delay_ms = 1.0"), "two")


def test_a_link_is_of_two_sites() -> None:
    with pytest.raises(ValidationError):
        SiteLink.model_validate({"between": ("north",)})
