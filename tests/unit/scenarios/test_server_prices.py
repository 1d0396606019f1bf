"""A price list is refused with file, field and reason."""

from pathlib import Path

import pytest

from scenarios.server_prices import load_prices
from scenarios.spec import ScenarioError

WHOLE = 'currency = "GBP"\ncore_hour = 0.04\ndisk_gib_month = 0.08\nnetwork_gib = 0.01\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (WHOLE.replace("disk_gib_month = 0.08\n", ""), "disk_gib_month: is missing; see docs/schemas.md"),
        (WHOLE + "gpu_hour = 3.0\n", "gpu_hour: there is no such field"),
        (WHOLE.replace("0.04", "-0.04"), "core_hour = -0.04: must be at least 0"),
        (WHOLE.replace("0.04", "nan"), "core_hour = nan: must be a finite number"),
        (WHOLE + "disk_used_share = 0.0\n", "disk_used_share = 0.0: must be more than 0"),
        ("currency = ", "not valid TOML"),
    ],
)
def test_a_wrong_price_list_is_refused_by_file_and_field(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as raised:
        load_prices(path)
    assert str(raised.value).startswith(f"{path}: ") and told in str(raised.value)


def test_a_whole_one_is_read_and_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(WHOLE)
    assert load_prices(path).disk_gib_month == 0.08 and load_prices(path).core_used_share == 1
    with pytest.raises(ScenarioError, match="there is no such file"):
        load_prices(tmp_path / "none.toml")
