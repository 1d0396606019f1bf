"""The acknowledged rate came out a fifth too low: seconds in which a back office was at its last work counted as the storm's."""

from pathlib import Path

from loadtests.recording.history import HistoryWriter, SecondCounts, counts_of, read_history
from reports.run.summary import summarise_operations
from scenarios.spec import parse_scenario

SCENARIO = parse_scenario(
    """
title = "small"
estate = { premises = 10 }
topology = { dcs = [{ name = "north", nodes = 1, rf = 1 }] }
run = { wall_s = 4, warm_up_s = 0 }
""",
    "test",
)


def test_the_rate_is_of_the_storm_alone(tmp_path: Path) -> None:
    """100 readings a second for four seconds, then a second of projections alone: 100 a second, and not 80."""
    busy, idle = SecondCounts(100, 100, 100, 0, 0, 0), SecondCounts(0, 0, 0, 0, 0, 0)
    with HistoryWriter(tmp_path, ["ingest_reading", "record_receipt"]) as writer:
        for second in range(5):
            of_load, of_office = (busy, idle) if second < 4 else (idle, busy)
            times = {
                name: counts_of([1_000] * one.ok)
                for name, one in (("ingest_reading", of_load), ("record_receipt", of_office))
            }
            counts = {"ingest_reading": of_load, "record_receipt": of_office}
            writer.write_second(second, counts, times, times, counts_of([10]))
    found = summarise_operations(read_history(tmp_path), SCENARIO, {"record_receipt"})
    assert found["ingest_reading"].rate_per_s == 100.0
