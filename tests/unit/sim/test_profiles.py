"""Profile files: what a clean one gives, and what is found in a dirty one, by line."""

from datetime import date

import numpy as np
import pytest

from scenarios.spec import Scenario, ScenarioError
from sim.estate.model import build_estate
from sim.profiles import households, lines
from sim.profiles.bdew import bdew_household
from sim.profiles.choose import profile_named
from sim.profiles.demand import YEAR_ONE
from sim.profiles.elexon import COLUMNS, read_elexon, season_of
from sim.profiles.faults import LINES_KEPT_MAX, RowFault
from sim.profiles.london_trial import _calendar, read_london_trial
from sim.profiles.rows import BLANK, CODES, USABLE, Columns, parse_rows
from sim.profiles.stored import read_profile, write_profile

START = date(2026, 1, 15)  # a Thursday
TRIAL_HEADER = "LCLid,stdorToU,DateTime,KWH/hh (per half hour) "
ELEXON_HEADER = "Time," + ",".join(column.title() for column in COLUMNS)


def write(path, *rows):
    path.write_text("\n".join([*rows, ""]), encoding="utf-8")
    return path


def day_rows(household="MAC000002", day="2012-10-15", kwh="0.5", skip=()):
    times = [f"{slot // 2:02d}:{slot % 2 * 30:02d}" for slot in range(48) if slot not in skip]
    return [f"{household},Std,{day} {time}:00.0000000,{kwh}" for time in times]


def faults_of(report):
    return {fault.fault: (fault.count, fault.lines) for fault in report.faults}


def parsed(*rows):
    text = "\n".join(rows).encode()
    return parse_rows(np.frombuffer(text, np.uint8), len(rows), Columns(0, 2, 3, 4))


@pytest.mark.parametrize(
    ("kwh", "micro_kwh"),
    [
        ("0", 0),
        ("0.143", 143_000),
        (".5", 500_000),
        ("5.", 5_000_000),
        ("100", 100_000_000),
        ("0.00000049", 0),
        ("0.0000005", 1),
        ("0.12345678901234567890", 123_457),
        ("1.2e-05", 12),
        ("1.5E+1", 15_000_000),
        ('"0.25"', 250_000),
    ],
)
def test_numbers_are_read_in_millionths(kwh, micro_kwh):
    rows = parsed(f"A,Std,2012-10-15 00:30:00,{kwh}")
    assert rows.fault[0] == USABLE
    assert rows.micro_kwh[0] == micro_kwh


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("A,Std,2012-10-15 00:30:00", RowFault.WRONG_COLUMNS),
        ("A,Std,2012-10-15 00:30:00,0.1,9", RowFault.WRONG_COLUMNS),
        ("A,Std,15/10/2012 00:30,0.1", RowFault.BAD_TIME),
        ("A,Std,2012-13-15 00:30:00,0.1", RowFault.BAD_TIME),
        ("A,Std,2013-02-29 00:30:00,0.1", RowFault.BAD_TIME),
        ("A,Std,2012-10-15 24:00:00,0.1", RowFault.BAD_TIME),
        ("A,Std,1999-10-15 00:30:00,0.1", RowFault.BAD_TIME),
        ("A,Std,2012-10-15 00:30:00.x,0.1", RowFault.BAD_TIME),
        ("A,Std,,0.1", RowFault.BAD_TIME),
        ("A,Std,2012-12-18 15:13:41.0000000,Null", RowFault.OFF_GRID),
        ("A,Std,2012-10-15 00:30:00.0000001,0.1", RowFault.OFF_GRID),
        ("A,Std,2012-10-15 00:15:00,0.1", RowFault.OFF_GRID),
        ("A,Std,2012-10-15 00:30:00,Null", RowFault.NULL),
        ("A,Std,2012-10-15 00:30:00, NULL ", RowFault.NULL),
        ("A,Std,2012-10-15 00:30:00,", RowFault.NULL),
        *(
            (f"A,Std,2012-10-15 00:30:00,{kwh}", RowFault.BAD_NUMBER)
            for kwh in (
                "-0.1",
                "nan",
                "inf",
                "1_0",
                "0,5".replace(",", ";"),
                "1.2.3",
                "100.1",
                "1e9",
                "1e",
                "e5",
                ".",
                "٣",
            )
        ),
    ],
)
def test_each_fault_of_a_row_is_told_apart(row, fault):
    assert parsed(row).fault[0] == CODES[fault]


def test_times_become_half_hours_since_1970():
    rows = parsed("A,Std,2000-01-01 00:00:00,1", "A,Std,2012-02-29 23:30:00.000,1", "A,Std,2059-12-31 23:30:00,1")
    days = [(date(*day) - date(1970, 1, 1)).days for day in ((2000, 1, 1), (2012, 2, 29), (2059, 12, 31))]
    assert rows.slot.tolist() == [days[0] * 48, days[1] * 48 + 47, days[2] * 48 + 47]


def test_blank_lines_are_no_rows_and_carriage_returns_no_spaces():
    rows = parsed("A,Std,2012-10-15 00:30:00,1\r", "", "  ", "\r", "A,Std,2012-10-15 01:00:00,1 \r")
    assert rows.fault.tolist() == [USABLE, BLANK, BLANK, BLANK, USABLE]
    assert rows.spaces.tolist() == [False, False, False, False, True]


def test_calendar_counts_a_summer_half_hour_by_local_time():
    calendar = _calendar()
    midnight = (date(2012, 6, 30) - date(1970, 1, 1)).days * 48 - calendar.first_slot  # a Saturday
    assert calendar.cell[midnight] == (5 * 3 + 1) * 48 + 2
    assert calendar.cell[midnight + 46] == (6 * 3 + 2) * 48  # local Sunday, the first of July
    assert calendar.year_first_day[midnight // 48] == (date(2012, 1, 1) - date(2000, 1, 1)).days


def test_a_clean_file_gives_its_means(tmp_path):
    week = [f"2012-11-{day}" for day in (16, 17, 18)]  # Friday, Saturday, Sunday
    rows = [row for day, kwh in zip(week, ("0.2", "0.4", "0.6"), strict=True) for row in day_rows(day=day, kwh=kwh)]
    profile, report = read_london_trial(write(tmp_path / "lcl.csv", TRIAL_HEADER, *rows), START, 3)
    assert (report.rows_read, report.rows_used, report.faults) == (144, 144, ())
    days = profile.share.sum(axis=1) / profile.share[0].sum()
    assert days == pytest.approx([1, 1, 2, 3], rel=1e-6)  # Thursday, Friday, Saturday, Sunday
    assert "no readings in Jan, Feb, Mar, Apr, May, Jun, Jul, Aug, Sep, Oct, Dec" in report.notes[-1]


def test_a_year_of_a_file_is_a_year_of_energy(tmp_path):
    path = write(tmp_path / "lcl.csv", TRIAL_HEADER, *day_rows())
    profile, _ = read_london_trial(path, date(2026, 1, 1), 365)
    assert profile.share[:-1].sum() / YEAR_ONE == pytest.approx(1, rel=1e-6)


def test_a_dirty_file_is_reported_by_line_and_used_where_it_can_be(tmp_path):
    rows = day_rows()
    rows[3] += " "
    rows.insert(10, rows[9])  # line 12 repeats line 11
    rows[20] = rows[20].replace(",0.5", ",Null")
    rows[25] = rows[25].replace(",0.5", ",much")
    rows[30] = rows[30].replace(":00.0000000", ":07.0000000")
    path = write(tmp_path / "lcl.csv", TRIAL_HEADER, *rows, "", *day_rows(household="MAC000003", skip=(7, 8, 9)))
    profile, report = read_london_trial(path, START, 1)
    assert faults_of(report) == {
        RowFault.STRAY_SPACES: (1, (5,)),
        RowFault.DUPLICATE: (1, (12,)),
        RowFault.NULL: (1, (22,)),
        RowFault.BAD_NUMBER: (1, (27,)),
        RowFault.OFF_GRID: (1, (32,)),
        RowFault.GAP: (4, (33, 59)),  # what is off the grid is not a half-hour; and three of the other household
    }
    assert (report.rows_read, report.rows_used) == (94, 90)
    assert profile.share.min() == profile.share.max()  # all usable readings are 0.5


def test_the_first_of_two_readings_counts(tmp_path):
    rows = [*day_rows(), *day_rows(kwh="99")]
    with pytest.raises(
        ScenarioError, match=r"48 of 96 rows can't be used .* duplicate \(48 rows, the first at line 50\)"
    ):
        read_london_trial(write(tmp_path / "lcl.csv", TRIAL_HEADER, *rows), START, 1)
    path = write(tmp_path / "lcl.csv", TRIAL_HEADER, *rows[:50])
    profile, report = read_london_trial(path, START, 1)
    assert faults_of(report)[RowFault.DUPLICATE] == (2, (50, 51))
    assert profile.share.min() == profile.share.max()


def test_only_the_first_lines_of_a_fault_are_kept(tmp_path):
    rows = [row + " " for row in day_rows()]
    _, report = read_london_trial(write(tmp_path / "lcl.csv", TRIAL_HEADER, *rows), START, 1)
    assert faults_of(report) == {RowFault.STRAY_SPACES: (48, tuple(range(2, 2 + LINES_KEPT_MAX)))}


def test_blocks_do_not_show(tmp_path, monkeypatch):
    rows = [
        *day_rows(),
        *day_rows(),
        *day_rows(household="B", kwh="0.25")[:20],
        *day_rows(day="2013-07-01", kwh="0.75"),
    ] * 2
    path = write(tmp_path / "lcl.csv", TRIAL_HEADER, *day_rows(household="C", day="2012-01-02"), *rows)
    monkeypatch.setattr("sim.profiles.faults.FAULT_SHARE_MAX", 1.0)
    whole = read_london_trial(path, START, 5)
    monkeypatch.setattr(lines, "BLOCK_SIZE", 77)
    cut = read_london_trial(path, START, 5)
    assert cut[1] == whole[1]
    assert (cut[0].share == whole[0].share).all()


def test_a_file_without_line_ends_is_read_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK_SIZE", 1_000)
    path = tmp_path / "endless.csv"
    path.write_text("x" * 50_000)
    blocks = list(lines.blocks_of(path))
    assert max(map(len, blocks)) <= lines.LINE_SIZE_MAX
    path.write_text("x" * 50_000 + "\nend\n")
    assert list(lines.lines_of(path))[-1] == b"end"


def test_households_beyond_the_bound_are_forgotten_oldest_first_and_said_so(tmp_path, monkeypatch):
    small = households.nothing_met(years_kept_max=8, households_kept_max=8)
    monkeypatch.setattr("sim.profiles.london_trial.nothing_met", lambda: small)
    names = [f"MAC{number}" for number in range(9)]
    rows = [row for name in names for row in day_rows(household=name)]
    rows += [day_rows(household="MAC0")[0], day_rows(household="MAC8")[0]]
    _, report = read_london_trial(write(tmp_path / "lcl.csv", TRIAL_HEADER, *rows), START, 1)
    assert faults_of(report)[RowFault.DUPLICATE] == (1, (len(rows) + 1,))  # MAC8's; MAC0 was forgotten
    assert any("within the 8 household-years last met; 2 earlier ones were forgotten" in note for note in report.notes)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ((TRIAL_HEADER,), "holds a header and no rows"),
        (
            (TRIAL_HEADER, "a,b,c,d", "a,b,c,d"),
            r"2 of 2 rows can't be used .* unreadable time \(2 rows, the first at line 2\)",
        ),
        (
            (TRIAL_HEADER, *day_rows(skip=(6,))),
            "no household has a reading at 04:00 local time",
        ),  # 03:00 GMT in October
        (("id;time;kwh", "1;2;3"), "'id;time;kwh' is the header of no profile layout"),
        ((), "the profile file is empty"),
    ],
)
def test_an_unusable_file_is_refused_with_a_mend(tmp_path, rows, sentence):
    path = write(tmp_path / "my.csv", *rows)
    with pytest.raises(ScenarioError, match=sentence) as refusal:
        profile_named(str(path), START, 1)
    assert str(path) in str(refusal.value)


def test_a_missing_file_is_named_with_the_places_looked_in(tmp_path):
    with pytest.raises(ScenarioError, match=r"estate.profile = 'no.csv': no such file") as refusal:
        profile_named("no.csv", START, 1, tmp_path)
    assert str(tmp_path / "no.csv") in str(refusal.value)


def test_a_relative_path_is_looked_for_beside_the_scenario_then_in_the_working_directory(tmp_path, monkeypatch):
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder, kwh in ((beside, "0.5"), (here, "0.25")):
        folder.mkdir()
        write(folder / "lcl.csv", TRIAL_HEADER, *day_rows(kwh=kwh))
    monkeypatch.chdir(here)
    scenario = Scenario.model_validate(
        {
            "title": "from a file",
            "estate": {"premises": 3, "profile": "lcl.csv"},
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 60},
        }
    )
    reports = [build_estate(scenario, folder=folder).profile_report for folder in (beside, None)]
    assert [report and report.path for report in reports] == [str(beside / "lcl.csv"), str(here / "lcl.csv")]


def elexon_rows(label=lambda slot: str(slot + 1), value=lambda slot, column: f"{column + 1}"):
    return [",".join([label(slot), *(value(slot, column) for column in range(15))]) for slot in range(48)]


def test_elexon_columns_are_seasons_and_kinds_of_day(tmp_path):
    path = write(tmp_path / "pc1.csv", ELEXON_HEADER, *elexon_rows())
    profile, report = read_elexon(path, START, 3)
    assert (report.rows_read, report.rows_used, report.faults) == (48, 48, ())
    days = profile.share.sum(axis=1) / profile.share[0].sum() * 13
    assert days == pytest.approx([13, 13, 14, 15], rel=1e-6)  # winter: working days, Saturday, Sunday
    year = read_elexon(path, date(2026, 1, 1), 365)[0].share[:-1].sum()
    assert year / YEAR_ONE == pytest.approx(
        1, rel=1e-4
    )  # on the days of 46 and 50 half-hours some are left out and doubled


@pytest.mark.parametrize(
    "label",
    [
        lambda slot: str(slot + 1),
        lambda slot: f"{slot // 2:02d}:{slot % 2 * 30:02d}",
        lambda slot: f"{(slot + 1) // 2 % 24:02d}:{(slot + 1) % 2 * 30:02d}",
        lambda slot: f"{(slot + 1) // 2}:{(slot + 1) % 2 * 30:02d}",
    ],
    ids=["periods", "starts", "ends", "ends to 24:00"],
)
def test_elexon_times_may_be_periods_starts_or_ends(tmp_path, label):
    path = write(tmp_path / "pc1.csv", ELEXON_HEADER, *elexon_rows(label, lambda slot, _: str(slot + 1)))
    share = read_elexon(path, START, 1)[0].share[0]
    assert share / share[0] == pytest.approx(np.arange(1, 49), rel=1e-5)


def test_elexon_needs_all_half_hours(tmp_path):
    rows = elexon_rows()
    rows[4] = rows[4].replace(",7,", ",Null,")
    rows[9] = rows[8]
    path = write(tmp_path / "pc1.csv", ELEXON_HEADER, *rows)
    with pytest.raises(ScenarioError, match=r"periods 5, 10 are missing .*Null.* at line 6; duplicate at line 11"):
        read_elexon(path, START, 1)


@pytest.mark.parametrize(
    ("day", "season"),
    [
        (date(2026, 3, 28), "wtr"),
        (date(2026, 3, 29), "spr"),
        (date(2026, 5, 15), "spr"),
        (date(2026, 5, 16), "smr"),  # the sixteenth Saturday before the bank holiday, 31 August 2026
        (date(2026, 7, 24), "smr"),
        (date(2026, 7, 25), "hsr"),
        (date(2026, 9, 6), "hsr"),
        (date(2026, 9, 7), "aut"),
        (date(2026, 10, 24), "aut"),
        (date(2026, 10, 25), "wtr"),
    ],
)
def test_elexon_seasons_of_2026(day, season):
    assert season_of(day) == season


def test_a_kept_profile_is_the_same(tmp_path):
    profile = bdew_household(START, 3)
    write_profile(profile, tmp_path / "profile.csv")
    kept = read_profile(tmp_path / "profile.csv")
    assert (kept.name, kept.start) == (profile.name, profile.start)
    assert (kept.share == profile.share).all()


@pytest.mark.parametrize("text", ["", "profile,x,2026-01-15\n1,2,3\n", "profile,x,2026-01-15\n", "a,b\n"])
def test_a_damaged_kept_profile_is_refused(tmp_path, text):
    (tmp_path / "profile.csv").write_text(text)
    with pytest.raises(ScenarioError, match="missing or damaged"):
        read_profile(tmp_path / "profile.csv")
