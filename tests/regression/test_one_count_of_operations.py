"""A page told of two counts of operations: its figure of the load counted the closed loop, its tile and its check did not."""

from pathlib import Path

from reports.run.gallery import run_gallery
from reports.run.page import read_run
from tests.support.synthetic_run import write_synthetic_run

CLOSED = ("ingest_register", "read_state")


def test_the_figure_of_the_load_counts_what_tile_and_check_count(tmp_path: Path) -> None:
    results = write_synthetic_run(tmp_path, wall_s=10)
    operations = {
        name: each.model_copy(update={"is_open_loop": name not in CLOSED}) for name, each in results.operations.items()
    }
    results.model_copy(update={"operations": operations}).write(tmp_path)
    run = read_run(tmp_path)
    due = sum(each.offered for name, each in operations.items() if name not in CLOSED)
    more = sum(each.offered for name, each in operations.items() if name in CLOSED)
    assert run.results.closed_loop == set(CLOSED)
    load = run_gallery(run.history, run.scenario, run.results.closed_loop).load
    assert load is not None
    assert f"of {due:,} operations of meters and customers were acknowledged" in load.caption
    assert f"{more:,} operations of gateways and back office, in closed loop, are not in this figure" in load.caption


def test_without_a_closed_loop_nothing_is_left_out(tmp_path: Path) -> None:
    results = write_synthetic_run(tmp_path, wall_s=10)
    run = read_run(tmp_path)
    load = run_gallery(run.history, run.scenario).load
    assert load is not None and "closed loop" not in load.caption
    assert f"of {sum(each.offered for each in results.operations.values()):,} operations" in load.caption
