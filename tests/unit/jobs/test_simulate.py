"""What `meterstorm simulate` leaves: results.json true to the simulation, Parquet true to the trace, and what it refuses."""

import errno
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from rich.progress import Progress
from typer.testing import CliRunner, Result

from loadtests.errors import HarnessError
from meterstorm.cli import app as cli
from meterstorm.display.simulation import print_simulation
from meterstorm.jobs import export as columns
from meterstorm.jobs import simulate as job
from meterstorm.outcomes.simulation import operation_name, results_of
from reports.results.file import schema_text
from reports.results.simulation import FigureEstimate, ReplicationsResult, SimulationResults, load_simulation
from reports.simulation.series import bin_width_s, campaign_course, highest, levels, mean_per_s, summed
from scenarios.domain import CommandState
from scenarios.spec import Scenario, ScenarioError, parse_scenario
from sim.estate.lookup import mpxn_of
from sim.estate.model import EstateModel, build_estate
from sim.trace.blocks import trace_blocks
from sim.trace.messages import MessageKind
from sim.virtual_time.summary import Simulation, memory_needed_bytes
from sim.virtual_time.summary import simulate as simulate_estate
from tests.unit.reports.run.test_page import outline

ROOT = Path(__file__).parents[3]
SCENARIO = """
title = "an outage and a tariff"
question = "Does the tariff reach the displays of a region without WAN?"
[estate]
premises = 2_000
fuels = ["electricity", "gas"]
[estate.read_schedules]
daily = 0.9
half_hourly = 0.1
[wan.cellular]
delay_ms_min = 100
delay_ms_max = 2_000
loss = 0.02
[[wan.outages]]
region = "south"
at_h = 1.0
for_h = 3.0
return_over_h = 1.0
[traffic]
bill_per_premises_day = 0.1
[[campaigns]]
name = "spring"
kind = "update_tariff"
at_h = 2.0
over_h = 1.0
effective_h = 3.5
[[campaigns]]
name = "nobody"
kind = "read_on_demand"
share = 0.0
at_h = 5.0
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse_scenario(SCENARIO, "test")


@pytest.fixture(scope="module")
def estate(scenario: Scenario) -> EstateModel:
    return build_estate(scenario)


@pytest.fixture(scope="module")
def simulation(scenario: Scenario, estate: EstateModel) -> Simulation:
    return simulate_estate(scenario, estate=estate)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "outage.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def made(path: Path) -> Path:
    """A folder that the command made, and an export within it."""
    folder = path.parent / "made"
    arguments = f"simulate {path} --out {folder} --export {folder}/trace.parquet --from-h 0.5 --until-h 1.25 --quiet"
    result = invoke(*shlex.split(arguments))
    assert result.exit_code == 0, result.output
    assert "In-home displays" in result.output and f"report: {folder}/report.html" in result.output
    return folder


@pytest.fixture(scope="module")
def results(made: Path) -> SimulationResults:
    return load_simulation(made)


def columns_of(estate: EstateModel) -> dict[str, np.ndarray]:
    blocks = list(trace_blocks(estate))
    names = ("due_us", "kind", "meter", "first_slot", "slot_count", "draw_index")
    return {name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}


def test_published_schema_is_the_models() -> None:
    published = (ROOT / "docs" / "simulation.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(SimulationResults), (
        "uv run python -m reports.results.simulation > docs/simulation.schema.json"
    )


def test_the_folder_holds_a_whole_simulation(made: Path) -> None:
    names = {"results.json", "scenario.resolved.toml", "offered.parquet", "report.html", "trace.parquet"}
    assert {each.name for each in made.iterdir()} == names


def test_results_say_what_the_simulation_says(
    results: SimulationResults, simulation: Simulation, scenario: Scenario
) -> None:
    assert results == results_of(scenario, simulation)
    assert (results.digest, results.premises, results.meters) == (simulation.digest, 2_000, 4_000)
    assert results.readings == simulation.reading_count == 4_000 * 48
    assert results.messages == {operation_name(kind): count for kind, count in simulation.messages.items()}
    assert sum(results.messages.values()) == results.offered["all"].count
    assert results.offered["upload_day"].peak_per_s == simulation.offered[MessageKind.UPLOAD_DAY].max()
    at = results.offered["upload_day"].peak_at_s
    assert simulation.offered[MessageKind.UPLOAD_DAY, at] == results.offered["upload_day"].peak_per_s
    assert results.offered["all"].mean_per_s * results.span_s == pytest.approx(sum(results.messages.values()))
    assert {name: sum(hours) for name, hours in results.offered_by_hour.items()} == {
        name: count for name, count in results.messages.items() if count
    }


def test_commands_and_displays_add_up(results: SimulationResults, simulation: Simulation) -> None:
    campaign, outcome = results.campaigns["spring"], simulation.campaigns[0]
    assert campaign.targets == 2_000 == campaign.applied + campaign.rejected + campaign.exhausted + campaign.in_flight
    assert campaign.applied == outcome.states[CommandState.APPLIED] > 1_000
    assert campaign.attempts == outcome.attempts > campaign.targets
    ihd = results.ihd["spring"]
    assert ihd.effective_s == 3.5 * 3_600
    assert ihd.displays == 2_000
    assert ihd.correct_at_effective == outcome.displays_correct_at_effective < ihd.correct_at_end
    assert ihd.share_at_effective == ihd.correct_at_effective / 2_000
    assert set(results.ihd) == {"spring"}
    assert any("campaign nobody has no target" in sentence.lower() for sentence in results.warnings)


def test_the_outage_shows_in_its_region_alone(results: SimulationResults, simulation: Simulation) -> None:
    south = results.backlog["south"]
    assert south.peak > 10 * max(each.peak for name, each in results.backlog.items() if name != "south")
    account = next(each for each in simulation.wan if each.region == "south")
    assert south.peak == account.backlog.max() == account.backlog[south.peak_at_s // 60 - 1]
    assert south.sent - south.arrived == south.in_flight == account.in_flight
    assert 3.9 <= south.peak_at_s / 3_600 <= 5.1


def test_unknown_fields_survive_and_others_are_refused(made: Path, tmp_path: Path) -> None:
    data = json.loads((made / "results.json").read_text()) | {"of_a_later_version": 3}
    (tmp_path / "results.json").write_text(json.dumps(data))
    load_simulation(tmp_path).write(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["of_a_later_version"] == 3
    (tmp_path / "results.json").write_text('{"scenario": 3}')
    with pytest.raises(ScenarioError, match=r"results\.json: scenario: "):
        load_simulation(tmp_path)
    with pytest.raises(ScenarioError, match="there is no such folder; name that of a simulation"):
        load_simulation(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScenarioError, match=r"holds no results\.json; name the folder of a simulation"):
        load_simulation(tmp_path / "empty")


def test_offered_parquet_holds_every_message_once(made: Path, simulation: Simulation) -> None:
    table = pq.read_table(made / "offered.parquet")
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("start_s", "int64"),
        ("width_s", "int32"),
        ("operation", "dictionary<values=string, indices=int8, ordered=0>"),
        ("count", "int64"),
    ]
    rows = table.to_pydict()
    assert min(rows["count"]) > 0 and set(rows["width_s"]) == {1}
    assert rows["start_s"] == sorted(rows["start_s"])
    again = np.zeros_like(simulation.offered)
    kinds = {operation_name(kind): int(kind) for kind in MessageKind}
    for start_s, name, count in zip(rows["start_s"], rows["operation"], rows["count"], strict=True):
        again[kinds[name], start_s] += count
    assert (again == simulation.offered).all()


def test_the_export_of_a_window_is_the_trace_in_it(made: Path, estate: EstateModel, scenario: Scenario) -> None:
    trace = columns_of(estate)
    chosen = (trace["due_us"] >= 0.5 * 3.6e9) & (trace["due_us"] < 1.25 * 3.6e9)
    table = pq.read_table(made / "trace.parquet")
    assert table.column_names == [
        *("due_us", "operation", "meter", "mpxn", "first_slot", "slot_count", "draw_index", "premises", "region")
    ]
    assert table.num_rows == chosen.sum() > 100
    for name in ("due_us", "meter", "first_slot", "slot_count", "draw_index"):
        assert (table[name].to_numpy() == trace[name][chosen]).all(), name
    meter = trace["meter"][chosen]
    assert (table["mpxn"].to_numpy() == mpxn_of(estate, meter)).all()
    assert (table["premises"].to_numpy() == meter // 2).all()
    names = [region.name for region in scenario.estate.regions]
    assert table["region"].to_pylist() == [names[index] for index in estate.region_of(meter // 2)]
    assert table["operation"].to_pylist() == [operation_name(MessageKind(kind)) for kind in trace["kind"][chosen]]
    assert table.schema.metadata[b"seed"] == b"1"


@pytest.mark.parametrize("index", [7, 1_234])
def test_the_export_of_one_meter_is_its_trace(
    estate: EstateModel, scenario: Scenario, tmp_path: Path, index: int
) -> None:
    trace = columns_of(estate)
    its = trace["meter"] == index
    number = int(mpxn_of(estate, np.array([index]))[0])
    for meter in (index, number):
        choice = columns.choose_events(estate, from_h=None, until_h=None, meter=meter)
        file = tmp_path / f"{meter}.parquet"
        assert columns.export_events(estate, scenario, choice, file) == its.sum() > 0
        table = pq.read_table(file)
        assert (table["due_us"].to_numpy() == trace["due_us"][its]).all()
        assert set(table["meter"].to_pylist()) == {index}
        assert set(table["mpxn"].to_pylist()) == {number}


def test_an_export_that_fails_leaves_nothing(
    estate: EstateModel, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(columns, "_batch", full)
    choice = columns.choose_events(estate, from_h=None, until_h=None, meter=None)
    with pytest.raises(OSError, match="No space"):
        columns.export_events(estate, scenario, choice, tmp_path / "trace.parquet")
    assert not list(tmp_path.iterdir())


def test_too_large_an_export_is_refused_with_the_way_to_narrow_it(
    estate: EstateModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "EVENTS_MAX", 1_000)
    with pytest.raises(ScenarioError, match=r"about [\d,]+ events, and may write 1,000: narrow it with --from-h"):
        columns.choose_events(estate, from_h=None, until_h=None, meter=None)
    assert columns.choose_events(estate, from_h=None, until_h=None, meter=3).meter == 3
    assert columns.choose_events(estate, from_h=12.0, until_h=12.01, meter=None).meter is None


def test_the_report_is_self_contained_and_says_the_numbers(made: Path, results: SimulationResults) -> None:
    page = (made / "report.html").read_text(encoding="utf-8")
    parsed = outline(page)
    assert {tag for tag, _ in parsed.elements} & {"script", "link", "img", "iframe", "object"} == set()
    assert "@import" not in page
    for number in (results.campaigns["spring"].applied, results.backlog["south"].peak, results.offered["all"].count):
        assert f"{number:,}" in parsed.text
    assert results.digest in parsed.text
    figures = [each for tag, each in parsed.elements if tag == "svg" and each.get("class") == "figure"]
    operations = sum(count > 0 for count in results.messages.values())
    # load, backlog, the one campaign and its displays twice (for phones), and a panel an operation
    assert len(figures) == 8 + operations
    assert all(each["role"] == "img" and len(each["aria-label"] or "") > 40 for each in figures)
    identifiers = [each["id"] for _, each in parsed.elements if "id" in each]
    assert len(identifiers) == len(set(identifiers))


def test_courses_keep_sums_and_peaks(simulation: Simulation, results: SimulationResults) -> None:
    courses = results.courses
    assert {name: sum(counts) for name, counts in courses.offered.items()} == {
        name: count for name, count in results.messages.items() if count
    }
    assert {name: max(levels) for name, levels in courses.backlog.items()} == {
        name: each.peak for name, each in results.backlog.items()
    }
    spring, course = results.campaigns["spring"], courses.campaigns["spring"]
    ends = (course.applied[-1], course.rejected[-1], course.exhausted[-1], course.displayed[-1])
    assert ends == (spring.applied, spring.rejected, spring.exhausted, results.ihd["spring"].correct_at_end)
    assert course.minute[0] < 2 * 60 and course.applied[0] == 0
    assert list(course.applied) == sorted(course.applied)
    assert courses.campaigns["nobody"].displayed == ()
    assert courses.bin_s == 600 and len(courses.offered["upload_day"]) == -(-simulation.span_us // 600_000_000)


def test_bins_worked_by_hand() -> None:
    assert bin_width_s(27 * 3_600) == 600
    assert summed(np.array([1, 2, 3, 4, 5]), from_s=60, width_s=120) == (3, 7, 5)
    assert highest(np.array([1, 9, 3, 4, 5]), width_s=120) == (9, 4, 5)
    mean = mean_per_s((120, 60), width_s=120, span_s=180)
    assert mean.edges_h.tolist() == [0, 120 / 3_600, 180 / 3_600]
    assert mean.values.tolist() == [1, 1]  # the last bin is shorter
    assert levels((9, 4), width_s=120, span_s=180).values.tolist() == [9, 4]


def test_a_campaigns_course_worked_by_hand() -> None:
    """It starts in minute 60 and last ends one in minute 99: shown from five minutes before to five after minute 100."""
    ended = {"applied": np.zeros(1_440, np.int64), "rejected": np.zeros(1_440, np.int64)}
    ended["exhausted"] = np.zeros(1_440, np.int64)
    ended["applied"][[60, 62, 99]] = (5, 2, 1)
    course = campaign_course(ended, np.zeros(0, np.int64), at_h=1.0, effective_h=None)
    assert course.minute == tuple(range(55, 106))
    assert course.applied[:9] == (0, 0, 0, 0, 0, 0, 5, 5, 7)
    assert course.applied[-7:] == (7, 8, 8, 8, 8, 8, 8)
    assert (set(course.rejected), course.displayed) == ({0}, ())
    longer = campaign_course(ended, np.zeros(1_440, np.int64), at_h=1.0, effective_h=23.0)
    assert longer.minute[:2] == (8, 13) and longer.minute[-1] == 1_433  # 5 minutes a step, and the end
    assert longer.applied[-1] == 8


def test_the_report_is_drawn_again_from_what_the_folder_holds(made: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for name in ("results.json", "scenario.resolved.toml"):
        shutil.copy(made / name, again)
    result = invoke("report", str(again))
    assert (result.exit_code, result.output) == (0, f"report: {again}/report.html\n")
    assert (again / "report.html").read_bytes() == (made / "report.html").read_bytes()
    assert {each.name for each in again.iterdir()} == {"report.html", "results.json", "scenario.resolved.toml"}


def test_what_is_no_simulation_is_not_drawn(made: Path, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"scenario": 3}')
    assert invoke("report", str(tmp_path)).exit_code == 2
    assert "holds the results of no job that there is" in " ".join(invoke("report", str(tmp_path)).output.split())
    shutil.copy(made / "results.json", tmp_path)
    result = invoke("report", str(tmp_path))
    assert result.exit_code == 2
    assert "holds no simulation (scenario.resolved.toml is missing)" in " ".join(result.output.split())
    assert not (tmp_path / "report.html").exists()
    both = invoke("report", str(made), str(made), "--out", str(tmp_path / "both"))
    assert both.exit_code == 2
    assert "is a simulation's; name the folder of a run" in " ".join(both.output.split())


def test_no_table_is_cut_at_80_columns(results: SimulationResults) -> None:
    """With the longest names and a nation's numbers."""
    name, nation = "r" * 31, 53_000_000
    spring, ihd, south = results.campaigns["spring"], results.ihd["spring"], results.backlog["south"]
    every = dict.fromkeys(("targets", "applied", "rejected", "exhausted", "attempts", "late_answers"), nation)
    displays = {"displays": nation, "correct_at_effective": nation, "correct_at_end": nation, "effective_s": 36_061}
    backlog = {"sent": nation * 48, "peak": nation, "peak_at_s": 36_061, "in_flight": nation, "drain_s": None}
    figure = FigureEstimate(values=(nation, nation), mean=nation, low=nation - 1.0, high=nation + 1.0)
    figures = {f"campaigns.{name}.exhausted": figure.model_copy(update={"values": (nation, 0)})}
    nations = results.model_copy(
        update={
            "campaigns": {name: spring.model_copy(update=every)},
            "ihd": {name: ihd.model_copy(update=displays)},
            "backlog": {name: south.model_copy(update=backlog)},
            "replications": ReplicationsResult(seeds=(1, 2), digests=("", ""), confidence=0.95, figures=figures),
        }
    )
    printed = StringIO()
    print_simulation(Console(file=printed, width=80, markup=False), nations)
    text = printed.getvalue()
    assert "…" not in text
    assert max(len(line) for line in text.splitlines() if not line.startswith(("note: ", "digest: "))) <= 80
    assert text.count("53,000,000") == 2 + 6 + 3 + 1  # by table
    for words in ("correct at the end", "in flight at the end", "15 Jan 10:01:01", "not by the end", "52,999,999.0 to"):
        assert all(word in text for word in words.split())


def test_threads_do_not_show(path: Path, results: SimulationResults) -> None:
    printed = invoke("simulate", str(path), "--json", "--quiet", "--threads", "1").stdout
    assert SimulationResults.model_validate_json(printed) == results


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--meter 3", "go with --export"),
        ("--until-h 3", "go with --export"),
        ("--open", "--open goes with --out"),
        ("--threads 0", "Invalid value for '--threads'"),
        ("--export {there}", "is already there; name a new file"),
        ("--export {new}/deep/trace.parquet", "is no folder that you may write to"),
        ("--export {new} --meter 4000", "the estate has no such meter; give an index from 0 to 3999"),
        ("--export {new} --from-h 5 --until-h 5", r"--until-h 5 must be after --from-h 5"),
        ("--export {new} --from-h 99", r"beyond the end of the span, 27"),
        ("--out {folder}", "already holds something"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(path: Path, tmp_path: Path, arguments: str, said: str) -> None:
    words = arguments.format(there=path, new=tmp_path / "new", folder=path.parent)
    result = invoke("simulate", str(path), *shlex.split(words))
    assert result.exit_code == 2, result.output
    assert re.search(said, " ".join(result.output.split())), result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_told_before_anything_starts(
    scenario: Scenario, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed_mib = [-(-memory_needed_bytes(scenario, threads) // 2**20) for threads in (1, 8)]
    monkeypatch.setattr(job, "available_memory_mib", lambda: needed_mib[0])
    job.require_memory(scenario, 1)
    with pytest.raises(HarnessError, match=r"needs about [\d,]+ MiB .* with 8 threads.*give --threads [1-7],"):
        job.require_memory(scenario, 8)
    monkeypatch.setattr(job, "available_memory_mib", lambda: 17)
    result = invoke("simulate", str(path), "--out", str(tmp_path / "new"))
    said = " ".join(result.output.split())
    assert result.exit_code == 3
    assert "this machine has 17 MiB free: simulate fewer run.days" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("is_there", "name"), [(False, "results"), (True, "report")])
def test_a_full_disk_is_told_and_leaves_nothing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool, name: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", f"{name}.json")

    out = tmp_path / "new"
    if is_there:
        out.mkdir()
    target = {
        "results": "reports.results.simulation.SimulationResults.write",
        "report": "meterstorm.jobs.simulate.write_simulation_report",
    }
    monkeypatch.setattr(target[name], full)
    result = invoke("simulate", str(path), "--out", str(out), "--quiet")
    assert result.exit_code == 3
    assert f"the disk is full ({name}.json)" in " ".join(result.output.split())
    assert out.exists() == is_there
    assert not is_there or not list(out.iterdir())


def test_a_long_step_without_a_terminal_tells_what_is_left(monkeypatch):
    """Of a step that goes on from a half: it went from 50 to 75 % in its time, so as much again is left."""
    lines = StringIO()
    shared: dict[str, Any] = {}

    class AtOnce:
        def __init__(self, line: Callable[[str, float], None]) -> None:
            shared["line"] = line

        def begin(self, doing: str) -> None:
            pass

        def stop(self) -> None:
            pass

    def work(tell: Callable[[float], None]) -> None:
        tell(0.5)
        shared["line"]("working", 120.0)
        tell(0.75)
        shared["line"]("working", 59.0)
        shared["line"]("working", 300.0)

    monkeypatch.setattr(job, "Heartbeat", AtOnce)
    job._step(Progress(console=Console(file=lines)), "working", work)
    told = [line.strip() for line in lines.getvalue().splitlines() if line.startswith("working:")]
    assert told == [
        "working: 50% after 120 s",
        "working: 75% after 59 s",
        "working: 75% after 300 s, some 5 min left",
    ]


def test_ctrl_c_ends_work_that_was_just_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    def work(tell: Callable[[float], None]) -> None:
        for number in range(300):
            time.sleep(0.01)
            tell(number / 300)
            told.append(number / 300)

    class Interrupted(ThreadPoolExecutor):
        """Ctrl-C comes when the thread has begun, and nobody waits for it yet."""

        def submit(self, *args: Any, **kwargs: Any) -> Any:
            super().submit(*args, **kwargs)
            raise KeyboardInterrupt

    monkeypatch.setattr(job, "ThreadPoolExecutor", Interrupted)
    with pytest.raises(KeyboardInterrupt), Progress(console=Console(quiet=True)) as bar:
        job._step(bar, "working", work)
    assert len(told) < 299


def test_ctrl_c_ends_the_work_when_it_next_tells_how_far_it_is() -> None:
    told: list[float] = []

    def work(tell: Callable[[float], None]) -> None:
        for number in range(3_000):
            time.sleep(0.01)
            tell(number / 3_000)
            told.append(number / 3_000)

    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), Progress(console=Console(quiet=True)) as bar:
        job._step(bar, "working", work)
    assert 0 < len(told) < 2_999


def test_ctrl_c_is_one_line_and_leaves_nothing(path: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.toml"
    large.write_text(SCENARIO.replace("premises = 2_000", "premises = 20_000_000"))
    out = tmp_path / "new"
    command = [sys.executable, "-m", "meterstorm.cli.app", "simulate", str(large), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not out.exists():
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    printed, told = process.communicate(timeout=300)
    assert process.returncode == 130
    assert printed == ""
    assert [line for line in told.splitlines() if line.strip()][-1].startswith("meterstorm: interrupted")
    assert "Traceback" not in told
    assert not out.exists()


def test_a_backlog_that_is_there_at_the_end_is_not_called_drained(tmp_path: Path) -> None:
    """An outage that outlives the span: null for machines, words for people."""
    path = tmp_path / "dark.toml"
    path.write_text(SCENARIO.replace("for_h = 3.0", "for_h = 300.0").replace("premises = 2_000", "premises = 200"))
    out = tmp_path / "new"
    result = invoke("simulate", str(path), "--out", str(out), "--quiet")
    assert result.exit_code == 0, result.output
    backlog = load_simulation(out).backlog
    assert backlog["south"].drain_s is None and backlog["south"].in_flight == backlog["south"].peak > 0
    assert backlog["north"].drain_s is not None
    assert "not by the end" in (out / "report.html").read_text()
    assert "not by the end" in result.output


def test_a_simulation_loads_neither_pandas_nor_scipys_distributions() -> None:
    """They take some four seconds of the processor together, at every start of the command, and it needs neither."""
    ask = (
        "import sys, meterstorm.jobs.simulate, meterstorm.jobs.replicate, meterstorm.display.simulation; "
        "print([name for name in ('pandas', 'scipy.stats') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "[]"
