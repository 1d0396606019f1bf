"""Files that people hand us in another encoding or packed, and numbers of thousands of digits: exit 2, in one line of our own."""

import codecs
import gzip
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.cluster.connect import read_password_file
from loadtests.errors import HarnessError
from loadtests.recording.history import read_history
from loadtests.recording.ledger import Ledger
from meterstorm.cli import app as cli
from meterstorm.cli.exits import ExitCode
from scenarios.spec import ScenarioError, load_scenario
from sim.profiles.stored import read_profile
from tests.support.synthetic_run import Story, write_synthetic_run

GOOD = """
title = "Stra\N{LATIN SMALL LETTER SHARP S}e"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
"""
MANY_DIGITS = "1" * 5_000
ENCODINGS = {
    "UTF-16, little end first": (codecs.BOM_UTF16_LE + GOOD.encode("utf-16-le"), "text in UTF-16"),
    "UTF-16, big end first": (codecs.BOM_UTF16_BE + GOOD.encode("utf-16-be"), "text in UTF-16"),
    "UTF-16 without its mark": (GOOD.encode("utf-16-le"), "UTF-16 without its first mark"),
    "UTF-32": (codecs.BOM_UTF32_LE + GOOD.encode("utf-32-le"), "text in UTF-32"),
    "gzip": (gzip.compress(GOOD.encode(), mtime=0), "compressed by gzip"),
    "zip": (b"PK\x03\x04" + bytes(40), "a zip archive"),
    "Latin-1": (GOOD.encode("latin-1"), "not in UTF-8, at line 2"),
}
PYTHONS_WORDS = re.compile(r"codec|set_int_max_str_digits|invalid start byte|integer string conversion")


@pytest.mark.parametrize(("content", "named"), ENCODINGS.values(), ids=ENCODINGS)
def test_a_scenario_in_another_encoding_is_called_what_it_is(content: bytes, named: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    result = CliRunner().invoke(cli.app, ["simulate", str(path)])
    assert result.exit_code == ExitCode.USAGE
    assert str(path) in result.output and named in result.output and len(result.output.splitlines()) == 1
    assert not PYTHONS_WORDS.search(result.output)


def test_a_scenario_may_begin_with_the_mark_of_utf_8(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(codecs.BOM_UTF8 + GOOD.encode())
    assert load_scenario(tmp_path / "mine.toml").title == "Stra\N{LATIN SMALL LETTER SHARP S}e"


def test_a_number_of_5000_digits_is_too_long_in_words_of_our_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("premises = 10", f"premises = {MANY_DIGITS}"), encoding="utf-8")
    result = CliRunner().invoke(cli.app, ["simulate", str(path)])
    assert result.exit_code == ExitCode.USAGE
    assert f"{path}: not valid TOML: a whole number of 5,000 digits is too long" in result.output
    assert not PYTHONS_WORDS.search(result.output)


@pytest.mark.parametrize(
    "arguments",
    [
        ["matrix", "smoke", "--dcs", MANY_DIGITS],
        ["matrix", "smoke", "--rf", MANY_DIGITS],
        ["run", "smoke", "--workers", "1", "--listen", f"127.0.0.1:{MANY_DIGITS}"],
        ["simulate", "smoke", "--seed", MANY_DIGITS],
        ["simulate", "smoke", "--meter", MANY_DIGITS],
        ["run", "smoke", "--contact-points", "127.0.0.1", "--port", MANY_DIGITS],
    ],
    ids=lambda arguments: arguments[-2],
)
def test_an_option_of_5000_digits_is_wrong_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == ExitCode.USAGE
    assert "defect" not in result.output and not PYTHONS_WORDS.search(result.output)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "run"
    write_synthetic_run(folder, story=Story.LOST)
    return folder


@pytest.mark.parametrize("name", ["results.json", "history/intervals.csv", "history/errors.csv", "history/nodes.csv"])
@pytest.mark.parametrize("how", ["UTF-16", "gzip", "long number", "other columns"])
def test_a_recorded_file_that_was_converted_or_edited_is_refused(
    recorded: Path, tmp_path: Path, name: str, how: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(recorded, folder)
    content = (folder / name).read_bytes()
    changed = {
        "UTF-16": codecs.BOM_UTF16_LE + content.decode().encode("utf-16-le"),
        "gzip": gzip.compress(content, mtime=0),
        "long number": re.sub(rb"\b\d+\b", MANY_DIGITS.encode(), content),
        "other columns": b"a,b\n1,2\n",
    }
    (folder / name).write_bytes(changed[how])
    result = CliRunner().invoke(cli.app, ["report", str(folder)])
    assert result.exit_code == ExitCode.USAGE, result.output
    assert "defect" not in result.output and not PYTHONS_WORDS.search(result.output)
    if how in ("UTF-16", "gzip"):
        assert how in result.output


def test_a_profile_ledger_and_password_of_another_kind_are_called_what_they_are(tmp_path: Path) -> None:
    wide = codecs.BOM_UTF16_LE + "secret".encode("utf-16-le")
    for name in ("profile.csv", "ledger.json", "password"):
        (tmp_path / name).write_bytes(wide)
    with pytest.raises(ScenarioError, match="text in UTF-16"):
        read_profile(tmp_path / "profile.csv")
    with pytest.raises(HarnessError, match="text in UTF-16"):
        Ledger.open(tmp_path)
    with pytest.raises(ScenarioError, match="text in UTF-16"):
        read_password_file(tmp_path / "password")


@pytest.mark.parametrize("digits", [MANY_DIGITS, "1" * 30])
def test_numbers_beyond_any_column_are_damage_and_no_defect(digits: str, tmp_path: Path) -> None:
    (tmp_path / "profile.csv").write_text(f"profile,mine,2026-01-01\n{','.join([digits] * 48)}\n")
    with pytest.raises(ScenarioError, match="missing or damaged"):
        read_profile(tmp_path / "profile.csv")
    (tmp_path / "ledger.json").write_text(f'{{"planes": ["a"], "meter_count": {digits}, "slot_count": 48}}')
    with pytest.raises(HarnessError):
        Ledger.open(tmp_path)
    (tmp_path / "intervals.csv").write_text(f"second,operation,offered\n0,a,{digits}\n")
    with pytest.raises(ScenarioError, match="history can't be read"):
        read_history(tmp_path)
