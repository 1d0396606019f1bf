"""The page of the tables is what the schema says."""

from pathlib import Path

from store.schemas import SCHEMAS
from store.schemas.describe import described


def test_the_published_page_is_the_schemas() -> None:
    page = (Path(__file__).parents[4] / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == described(SCHEMAS["home_months"]), "uv run python -m store.schemas.describe > docs/tables.md"
