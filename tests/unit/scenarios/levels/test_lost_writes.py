"""What a power cut may take, said before anything starts: nothing where a replica keeps it or a sync was waited for."""

import pytest

from scenarios.levels.lost_writes import may_be_lost
from scenarios.spec import parse_scenario
from tests.unit.scenarios.parts.test_faults import fault, in_toml

# north has three nodes with rf 3, south two with rf 1
CUT_OF_SOUTH_1 = (
    "What south acknowledged in the last 10 s before the power_cut of south-1 from 10 s for 10 s may be lost there, since "
    "commit_log_sync is 'periodic'; no repair follows, so the audit must find what is lost there."
)


@pytest.mark.parametrize(("target", "said"), [("south-1", [CUT_OF_SOUTH_1]), ("north-1", []), ("north", None)])
def test_only_rows_of_which_no_replica_keeps_its_power_may_be_lost(target: str, said: list[str] | None) -> None:
    told = may_be_lost(parse_scenario(in_toml(fault("power_cut", target)), "cut"))
    if said is None:
        (sentence,) = told
        assert sentence.startswith("What north acknowledged in the last 10 s before the power_cut of north from")
    else:
        assert told == said


def test_a_repair_brings_it_back_and_a_killed_process_is_another_thing() -> None:
    (told,) = may_be_lost(parse_scenario(in_toml(fault("power_cut", "south")) + "repair = true\n", "repaired"))
    assert told.endswith("the repair afterwards brings back what another data centre had taken by then.")
    assert may_be_lost(parse_scenario(in_toml(fault("kill", "south")), "killed")) == []


@pytest.mark.parametrize("kind", ["truncated_commit_log", "bit_flip"])
def test_a_damaged_log_may_take_what_was_synced(kind: str) -> None:
    text = in_toml(fault(kind, "south")).replace(
        "[[topology.dcs]]", '[topology]\ncommit_log_sync = "batch"\n[[topology.dcs]]', 1
    )
    (told,) = may_be_lost(parse_scenario(text, "damaged"))
    assert told == (
        f"What south acknowledged last before the {kind} of south from 10 s for 10 s may be lost there, as far as it stands in "
        "its newest commit log alone; no repair follows, so the audit must find what is lost there."
    )
    assert may_be_lost(parse_scenario(in_toml(fault(kind, "north-1")), "kept")) == []


@pytest.mark.parametrize("mode", ["batch", "group"])
def test_what_waited_for_the_disk_is_not_lost(mode: str) -> None:
    text = in_toml(fault("power_cut", "south")).replace(
        "[[topology.dcs]]", f'[topology]\ncommit_log_sync = "{mode}"\n[[topology.dcs]]', 1
    )
    scenario = parse_scenario(text, "synced")
    assert scenario.topology.commit_log_sync == mode
    assert may_be_lost(scenario) == []
