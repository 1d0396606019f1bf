from pathlib import Path
from typing import cast

from loadtests.cluster.local import LocalCluster
from loadtests.monitoring.node_metrics import GcLog, NodeSampler, data_on_disk, folder_size
from tests.support.two_nodes import TwoNodes

HEAD = "[2026-11-24T06:47:26.191+0000][0.010s] Using Serial\n"
YOUNG = "[2026-11-24T06:47:32.724+0000][6.542s] GC(2) Pause Young (Allocation Failure) 118M->29M(371M) 32.443ms\n"
FULL = "[2026-11-24T06:47:28.998+0000][2.816s] GC(0) Pause Full (Metadata GC Threshold) 80M->10M(371M) 39.931ms\n"


def test_each_pause_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "gc.log"
    path.write_text(HEAD + FULL)
    log = GcLog(path)

    assert log.new_pauses_ms() == [39.931]
    assert log.new_pauses_ms() == []
    with path.open("a") as file:
        file.write(YOUNG + YOUNG)
    assert log.new_pauses_ms() == [32.443, 32.443]


def test_a_line_that_is_half_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "gc.log"
    path.write_text(YOUNG[:-10])
    log = GcLog(path)

    assert log.new_pauses_ms() == []
    path.write_text(YOUNG)
    assert log.new_pauses_ms() == [32.443]


def test_a_rotated_log_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "gc.log"
    path.write_text(HEAD + FULL + YOUNG)
    log = GcLog(path)
    log.new_pauses_ms()

    path.write_text(YOUNG)

    assert log.new_pauses_ms() == [32.443]
    path.unlink()
    assert log.new_pauses_ms() == []


def test_a_folders_size_is_that_of_all_files_below(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "deep" / "er" / "b").write_bytes(b"123")

    assert folder_size(tmp_path) == 8
    assert folder_size(tmp_path / "none") == 0


def test_what_compaction_has_left_to_do_is_counted_on_the_disk(tmp_path: Path) -> None:
    table = tmp_path / "data" / "meterstorm" / "events-1"
    table.mkdir(parents=True)
    for generation in (1, 2):
        for part in ("Data", "Index", "Statistics"):
            (table / f"da-{generation}-bti-{part}.db").write_bytes(b"12345")

    assert data_on_disk(tmp_path / "data") == (30, 2)


def test_a_node_that_has_died_is_not_sampled_whoever_knows_of_it(tmp_path: Path) -> None:
    """A process that has ended stays to be seen, at no cost and without memory, until its parent asks for its exit code."""
    with TwoNodes(tmp_path) as nodes:
        sampler = NodeSampler(cast(LocalCluster, nodes))
        living = [[sample.node for sample in sampler.sample(0)]]
        nodes.kill("south")
        living.append([sample.node for sample in sampler.sample(1)])
        nodes.collect("south")
        living.append([sample.node for sample in sampler.sample(2)])
    assert living == [["north-1", "south-1"], ["north-1"], ["north-1"]]
