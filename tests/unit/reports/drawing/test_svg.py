"""Figures as SVG: coordinates are shortened, what people read is not."""

import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from reports.drawing.svg import render


def test_numbers_in_texts_keep_their_digits_and_coordinates_lose_theirs() -> None:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0.0, 1.0], [0.0, 0.00412])
    axes.set_yticks([0.00412], labels=["0.00412"])
    element = render(figure, name="small", alt="a line").element
    assert ">0.00412<" in element
    paths = re.findall(r' d="([^"]*)"', element)
    assert paths and not any(re.search(r"\.\d{3}", path) for path in paths)


def test_a_figure_is_drawn_on_white_only_where_it_is_written_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a page alone it was drawn all the same: a third of the time that a simulation's page took."""
    formats: list[str] = []
    draw = Figure.savefig

    def counted(figure: Figure, file: Any, *, format: str, **rest: Any) -> None:
        formats.append(format)
        draw(figure, file, format=format, **rest)

    monkeypatch.setattr(Figure, "savefig", counted)
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0.0, 1.0], [0.0, 1.0])
    rendered = render(figure, name="small", alt="a line")
    assert formats == ["svg"]
    rendered.write(tmp_path)
    assert formats == ["svg", "png"]
    assert (tmp_path / "small.svg").read_text(encoding="utf-8") == rendered.svg
    assert (tmp_path / "small.png").read_bytes() == rendered.png() and rendered.png().startswith(b"\x89PNG")
