"""Profile files as people have them: each convention is decided from the whole file and told, or refused by its name."""

import codecs
import gzip
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from meterstorm.outcomes.run import profile_faults
from reports.run.setting import fault_pairs
from scenarios.spec import ScenarioError
from sim.profiles.choose import profile_named
from sim.profiles.demand import YEAR_ONE, DemandProfile, tables_of
from sim.profiles.elexon import COLUMNS
from sim.profiles.faults import ImportReport

START = date(2026, 1, 15)
TRIAL = "LCLid,stdorToU,DateTime,KWH/hh (per half hour) "
ELEXON = "Time," + ",".join(column.title() for column in COLUMNS)


def read(path: Path, text: str | bytes, start: date = START, days: int = 1) -> tuple[DemandProfile, ImportReport]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    profile, report = profile_named(str(path), start, days)
    assert report is not None
    return profile, report


def refusal(path: Path, text: str | bytes) -> str:
    with pytest.raises(ScenarioError) as refused:
        read(path, text)
    return str(refused.value)


def trial(stamp: Callable[[int], str], kwh: Callable[[int], str] = lambda slot: f"0.{slot + 10}") -> str:
    return "\n".join([TRIAL, *(f"MAC1,Std,{stamp(slot)},{kwh(slot)}" for slot in range(48)), ""])


def clock(half_hours: int) -> str:
    return f"{half_hours // 2:02d}:{half_hours % 2 * 30:02d}"


def plain_stamp(slot: int) -> str:
    return f"2013-01-11 {clock(slot)}:00"


def elexon(labels: list[str], slots: list[int]) -> str:
    return "\n".join(
        [ELEXON, *(",".join([label, *[str(slot + 1)] * 15]) for label, slot in zip(labels, slots, strict=True)), ""]
    )


def shape(profile: DemandProfile) -> list[int]:
    return [round(48 * value / profile.share[0].max()) for value in profile.share[0].tolist()]


@pytest.mark.parametrize("seconds", ["", ":00"], ids=["HH:MM", "HH:MM:SS"])
def test_labels_from_midnight_on_are_starts_with_and_without_seconds(tmp_path: Path, seconds: str) -> None:
    profile, report = read(tmp_path / "p.csv", elexon([clock(slot) + seconds for slot in range(48)], list(range(48))))
    assert shape(profile) == list(range(1, 49))
    assert any("starts of half-hours" in note for note in report.notes)


@pytest.mark.parametrize("last", ["00:00", "24:00", "00:00:00", "24:00:00"])
def test_labels_up_to_midnight_are_ends(tmp_path: Path, last: str) -> None:
    labels = [clock(slot + 1) + last[5:] for slot in range(47)] + [last]
    profile, report = read(tmp_path / "p.csv", elexon(labels, list(range(48))))
    assert shape(profile) == list(range(1, 49))
    assert any("ends of half-hours" in note for note in report.notes)


def test_labels_from_which_starts_and_ends_cannot_be_told_are_refused(tmp_path: Path) -> None:
    slots = [*range(10, 48), *range(10)]
    told = refusal(tmp_path / "p.csv", elexon([clock(slot) for slot in slots], slots))
    assert "starts or the ends of half-hours can't be told" in told
    both = refusal(tmp_path / "p.csv", elexon(["24:00", *[clock(slot) for slot in range(47)]], list(range(48))))
    assert "both 00:00 and 24:00" in both
    mixed = refusal(tmp_path / "p.csv", elexon(["1", *[clock(slot) for slot in range(1, 48)]], list(range(48))))
    assert "some times are settlement periods" in mixed


def test_a_profile_without_any_use_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "without any use" in refusal(tmp_path / "p.csv", trial(plain_stamp, lambda _: " 0 "))
    rows = "\n".join(f"{slot + 1}," + ",".join(["0"] * 15) for slot in range(48))
    assert "without any use" in refusal(tmp_path / "p.csv", f"{ELEXON}\n{rows}\n")


@pytest.mark.parametrize("start", [date(2026, 1, 12), date(2026, 7, 4)], ids=["winter", "a summer Saturday"])
def test_a_day_without_use_is_legal_in_every_season(tmp_path: Path, start: date) -> None:
    weekdays = ",".join("0" if "sat" in column or "sun" in column else "1" for column in COLUMNS)
    rows = "\n".join(f"{slot + 1},{weekdays}" for slot in range(48))
    profile, _ = read(tmp_path / "p.csv", f"{ELEXON}\n{rows}\n", start, 7)
    used = profile.share.sum(axis=1)
    assert sorted(used == 0) == [False] * int((used > 0).sum()) + [True] * int((used == 0).sum())
    assert (used == 0).any()
    assert (np.diff(tables_of(profile).day_share) >= 0).all()


def test_what_was_put_right_counted_and_left_out_are_told_apart(tmp_path: Path) -> None:
    rows = trial(plain_stamp, lambda slot: " 0.2 " if slot != 5 else "Null").splitlines()
    del rows[21]
    other_day = [row.replace("01-11", "01-12") for row in trial(plain_stamp).splitlines()[1:]]
    _, report = read(tmp_path / "p.csv", "\n".join([*rows, *other_day]))
    told = {name: words.split(" (")[0] for name, words in fault_pairs(profile_faults(report))}
    assert (report.rows_read, report.rows_used) == (95, 94)
    assert told == {
        "Stray spaces": "46 rows put right",
        "Null or empty value": "1 row left out",
        "Missing half-hour": "1 counted",
    }


@pytest.mark.parametrize("bom, name", [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_utf_16_is_read(tmp_path: Path, bom: bytes, name: str) -> None:
    plain = read(tmp_path / "p.csv", trial(plain_stamp))
    wide = read(tmp_path / "p.csv", bom + trial(plain_stamp).encode(name))
    assert (wide[0].share == plain[0].share).all()
    assert "the file is text in UTF-16" in wide[1].notes


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_with_decimal_commas_are_read_and_told(tmp_path: Path, separator: str) -> None:
    text = trial(plain_stamp)
    plain = read(tmp_path / "p.csv", text)
    other = read(tmp_path / "p.csv", text.replace(",", separator).replace(".", ","))
    assert (other[0].share == plain[0].share).all()
    assert any("decimal signs" in note for note in other[1].notes)


@pytest.mark.parametrize("suffix", ["Z", "+00:00", "+0000", ".0000000+00:00"])
def test_stamps_with_an_offset_are_that_instant(tmp_path: Path, suffix: str) -> None:
    plain = read(tmp_path / "p.csv", trial(plain_stamp))[0]
    assert (read(tmp_path / "p.csv", trial(lambda slot: plain_stamp(slot) + suffix))[0].share == plain.share).all()


def test_an_offset_moves_a_stamp_to_utc(tmp_path: Path) -> None:
    plain = read(tmp_path / "p.csv", trial(plain_stamp))[0]
    ahead = trial(lambda slot: f"2013-01-{11 + (slot + 2) // 48} {clock((slot + 2) % 48)}:00+01:00")
    behind = trial(lambda slot: f"2013-01-{11 + (slot - 3) // 48} {clock((slot - 3) % 48)}:00-01:30")
    for text in (ahead, behind):
        assert (read(tmp_path / "p.csv", text)[0].share == plain.share).all()
    assert "unreadable time" in refusal(tmp_path / "p.csv", trial(lambda slot: plain_stamp(slot) + "+1"))
    assert "off the half-hour grid" in refusal(tmp_path / "p.csv", trial(lambda slot: plain_stamp(slot) + "+05:45"))


def test_a_comment_before_the_header_is_passed_over_and_told_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    text = (
        "# exported, on a Monday\n\n" + trial(plain_stamp, lambda slot: "Null" if slot == 0 else "0.2") + plain_stamp(0)
    )
    text = text.replace(
        plain_stamp(0) + ",Null", plain_stamp(0) + ",Null\nMAC1,Std," + plain_stamp(0) + ",0.2"
    ).removesuffix(plain_stamp(0))
    _, report = read(tmp_path / "p.csv", text)
    assert any("the header is line 3" in note for note in report.notes)
    assert [(fault.fault.value, fault.lines) for fault in report.faults] == [("Null or empty value", (4,))]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        (gzip.compress(b"time,kW\n", mtime=0), "compressed by gzip"),
        (b"PK\x03\x04 and so on", "a zip archive or a spreadsheet"),
        (b"PAR1....", "a Parquet file"),
        (trial(plain_stamp).replace("\n", "\r").encode(), "lone carriage returns"),
        (trial(plain_stamp).encode("utf-16-le"), "NUL bytes"),
        (codecs.BOM_UTF16_LE + b"a\0b", "UTF-16"),
        (b"household,when,energy\n1,2,3\n", "'household,when,energy' is the header of no profile layout"),
    ],
)
def test_what_is_no_profile_is_called_what_it_is(tmp_path: Path, content: bytes, name: str) -> None:
    assert name in refusal(tmp_path / "p.csv", content)


def by_index(first: int, step_minutes: int, days: int = 365, unit: str = "kW") -> str:
    """A year whose half-hours of day have 1 to 48, day for day the same."""
    steps = [at * step_minutes // 30 % 48 + 1 for at in range(days * 1_440 // step_minutes)]
    return "\n".join([f"index,{unit}", *(f"{first + at},{value}" for at, value in enumerate(steps)), ""])


def by_time(step_minutes: int, first: str, days: int = 365, suffix: str = "") -> str:
    begin = np.datetime64(first)
    rows = (begin + np.arange(days * 1_440 // step_minutes) * np.timedelta64(step_minutes, "m")).astype(str).tolist()
    values = [at * step_minutes // 30 % 48 + 1 for at in range(len(rows))]
    return "\n".join(["time,kW", *(f"{time}{suffix},{value}" for time, value in zip(rows, values, strict=True)), ""])


@pytest.mark.parametrize(
    "text", [by_index(0, 30), by_index(1, 30, 366), by_index(0, 15, unit="kWh"), by_time(30, "2025-01-01T00:00")]
)
def test_a_plain_year_is_taken_half_hour_by_half_hour(tmp_path: Path, text: str) -> None:
    profile, report = read(tmp_path / "year.csv", text, date(2026, 7, 1), 2)
    assert profile.share.tolist() == [[(slot + 1) * YEAR_ONE // (365 * 1_176) for slot in range(48)]] * 3
    assert report.layout == "two-column year CSV" and report.rows_used == report.rows_read


def test_hours_of_a_plain_year_are_halved(tmp_path: Path) -> None:
    profile, _ = read(tmp_path / "year.csv", by_index(0, 60))
    assert profile.share[0, 0] == profile.share[0, 1] and profile.share[0, 46] == profile.share[0, 47]


def test_a_plain_year_may_begin_anywhere_and_have_its_steps_ends(tmp_path: Path) -> None:
    starts = read(tmp_path / "year.csv", by_time(30, "2024-04-01T00:00", 365))
    ends = read(tmp_path / "year.csv", by_time(30, "2024-04-01T00:30", 365))
    offset = read(tmp_path / "year.csv", by_time(30, "2024-04-01T01:00", 365, "+01:00"))
    assert (starts[0].share == ends[0].share).all() and (starts[0].share == offset[0].share).all()
    assert "taken as the starts" in starts[1].notes[0] and "taken as the ends" in ends[1].notes[0]


def test_a_plain_years_days_are_those_of_the_same_date(tmp_path: Path) -> None:
    values = ["time,kW"]
    for day in range(366):
        values += [f"{date(2024, 1, 1) + timedelta(days=day)} {clock(slot)},{day}" for slot in range(48)]
    profile, _ = read(tmp_path / "year.csv", "\n".join(values), date(2026, 2, 28), 1)
    assert profile.share[1, 0] / profile.share[0, 0] == pytest.approx(60 / 58)  # the 29th of February lies between them


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows[:-48], "364.0 days"),
        (lambda rows: rows[:500] + rows[501:], "line 501 comes 60 min after"),
        (lambda rows: rows[:500] + rows[499:], "line 501 comes 0 min after"),
        (lambda rows: [*rows[:9], rows[9].rpartition(",")[0] + ",nan", *rows[10:]], "line 10 can't be used (bad number)"),
        (lambda rows: [*rows[:9], "yesterday,1", *rows[10:]], "line 10 can't be used (unreadable time)"),
        (lambda rows: [rows[0], *rows[8:]], "neither 00:00 UTC nor a step later"),
        (lambda rows: rows[:1], "a header and 0 rows"),
        (lambda rows: [rows[0], *(row.rpartition(",")[0] + ",0" for row in rows[1:])], "without any use"),
    ],
)  # fmt: skip
def test_a_plain_year_that_is_none_is_refused_by_line(
    tmp_path: Path, change: Callable[[list[str]], list[str]], sentence: str
) -> None:
    rows = by_time(30, "2025-01-01T00:00").splitlines()
    assert sentence in refusal(tmp_path / "year.csv", "\n".join(change(rows)) + "\n")


def year_of(step_minutes: int) -> str:
    """A year that uses twice as much in the second step of each half-hour as in the others."""
    steps = 365 * 24 * 60 // step_minutes
    values = (2 if step * step_minutes % 30 == step_minutes else 1 for step in range(steps))
    return "index,kWh\n" + "\n".join(f"{step},{value}" for step, value in enumerate(values)) + "\n"


@pytest.mark.parametrize(
    ("step_minutes", "shares", "is_cut"), [(15, [1, 2], False), (10, [1, 1], True), (30, [1, 1], True)]
)
def test_a_plain_year_of_short_steps_is_taken_by_the_quarter_hour(
    tmp_path: Path, step_minutes: int, shares: list[int], is_cut: bool
) -> None:
    path = tmp_path / "year.csv"
    path.write_text(year_of(step_minutes))
    profile, report = profile_named(str(path), START, 1, slots_per_day=96)
    assert report is not None and profile.share.shape == (2, 96)
    assert [round(value / profile.share[0, 0]) for value in profile.share[0, :2].tolist()] == shares
    assert ("each half-hour is cut into two even quarter-hours" in report.notes) is is_cut
