"""The frame of every page: its template, its tiles."""

from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.drawing.palette import css_variables
from scenarios.texts import wording
from scenarios.texts.printable import printable

TEMPLATES = Path(__file__).parents[1] / "templates"


class Tile(NamedTuple):
    """A figure to be seen first."""

    name: str
    value: str
    unit: str
    note: str
    is_bad: bool = False


def page(template: str, **context: object) -> str:
    """Fill in a template; every value in it is escaped unless it is our own drawing."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=wording.count,
        figure=lambda value: wording.NO_FIGURE if value is None else wording.significant(value),
        percent=wording.percent,
        change=wording.change,
        size=wording.size,
        duration=wording.duration,
        moment=wording.moment,
        milliseconds=wording.milliseconds,
        percentile_name=wording.percentile_name,
    )
    return environment.get_template(template).render(
        css=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        css_light=Markup(css_variables("light")),
        css_dark=Markup(css_variables("dark")),
        **context,
    )


def _shown(value: object) -> object:
    """A value as a page may hold it: a server's words without control characters."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value, keep="\n\t")
