"""Figures as SVG: coordinates are shortened, what people read is not."""

import re

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
