"""Locust's --help can't list our options: the page and a command of our own do."""

import re
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

from loadtests.locust_fleet.options import add_arguments

PAGE = Path(__file__).parents[3] / "docs" / "locust.md"


def test_the_page_and_a_command_list_the_options_that_locusts_help_does_not() -> None:
    parser = ArgumentParser(add_help=False)
    add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    table = "".join(
        line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `--")
    )
    assert set(re.findall(r"--[a-z-]+", table)) == options
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.locust_fleet.options"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert options <= set(re.findall(r"--[a-z-]+", done.stdout))
    assert "--secret-file FILE" in done.stdout
