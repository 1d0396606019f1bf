from pathlib import Path

from loadtests.cluster.metrics import GcLog, folder_size

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
