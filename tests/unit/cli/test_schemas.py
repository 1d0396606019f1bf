"""`schemas` refuses what is wrong before a node is started, and the docs' own files are right."""

import re
from pathlib import Path

from typer.testing import CliRunner

from meterstorm.cli.app import app
from scenarios.server_prices import load_prices

DOCS = Path(__file__).parents[3] / "docs" / "schemas.md"


def documented_prices() -> str:
    (block,) = re.findall(r"```toml\n(currency = .*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def test_the_price_list_of_the_docs_is_one(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(documented_prices())
    assert load_prices(path).currency == "GBP"


def test_a_price_list_that_lacks_a_price_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    path, out = tmp_path / "prices.toml", tmp_path / "out"
    path.write_text(documented_prices().replace("network_gib", "# network_gib"))
    command = ["schemas", "compare", "smoke", "--variants", "zstd", "--prices", str(path), "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2 and "prices.toml: network_gib: is missing" in result.output
    assert not out.exists()


def test_what_of_alterations_was_checked_is_told_of_those_that_have_any() -> None:
    result = CliRunner().invoke(app, ["schemas", "check", "smoke", "--variants", "zstd,half_hours"])
    told = {line.partition(":")[0]: line for line in result.output.splitlines()}
    assert result.exit_code == 0 and set(told) == {"plain", "zstd", "half_hours"}
    assert [name for name, line in told.items() if "kind and table were checked" in line] == ["zstd"]
