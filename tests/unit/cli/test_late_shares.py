"""Shares of late deliveries as a person names them."""

import pytest

from meterstorm.cli.late_shares import late_shares_of
from scenarios.spec import ScenarioError


def test_percent_become_shares_in_their_order() -> None:
    assert late_shares_of("0, 2,10") == (0.0, 0.02, 0.1)
    assert late_shares_of(" ") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0,two", "'two' is no share"),
        ("-1", "percent from 0 to 50"),
        ("nan", "'nan' is no share"),
        ("51", "percent from 0 to 50"),
        ("2,2.0", "2 is named twice"),
        ("0,,2", "'' is no share"),
        ("1,2,3,4,5,6", "6 shares are too many: at most 5"),
    ],
)
def test_what_is_no_share_is_refused(text: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        late_shares_of(text)
