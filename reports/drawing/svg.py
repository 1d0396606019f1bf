"""A matplotlib figure as SVG and PNG files, and as SVG that lives in an HTML page.

Text stays text, in the page's own font; colours are the roles of `reports.drawing.palette` as CSS variables, so that
one drawing is right on a light and on a dark page and on paper. Identifiers get the figure's name in front: many
figures share one page.
"""

import re
from dataclasses import dataclass
from html import escape
from io import BytesIO, StringIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from reports.drawing.axes import PIXELS_PER_INCH, STYLE
from reports.drawing.palette import css_colour_of, css_variables

_FONT = "-apple-system,'Segoe UI',Roboto,'Noto Sans',Cantarell,Ubuntu,'Liberation Sans','DejaVu Sans',Arial,sans-serif"
_STROKES = "stroke-linejoin:round;stroke-linecap:butt"
PNG_DOTS_PER_INCH = 144  # two dots a CSS pixel: sharp on a phone and in print


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One figure, for a page and for files."""

    name: str
    element: str  # an <svg> for a page whose CSS defines the palette's variables
    svg: str  # a file by itself, which follows the viewer's colour scheme
    figure: Figure

    def write(self, folder: Path) -> None:
        """Write FOLDER/NAME.svg and FOLDER/NAME.png."""
        (folder / f"{self.name}.svg").write_text(self.svg, encoding="utf-8")
        (folder / f"{self.name}.png").write_bytes(self.png())

    def png(self) -> bytes:
        """The figure on white. It is drawn for this once more, which a figure of a page alone is spared."""
        image = BytesIO()
        with mpl.rc_context(STYLE):
            self.figure.savefig(
                image, format="png", dpi=PNG_DOTS_PER_INCH, facecolor="white", metadata={"Software": None}
            )
        return image.getvalue()


def render(figure: Figure, *, name: str, alt: str) -> Rendered:
    """Render a figure; `alt` says in words what it shows."""
    body = _body(figure, name)
    width_px = figure.get_figwidth() * PIXELS_PER_INCH
    style = (
        f":root{{{css_variables('light')}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{css_variables('dark')}}}}}"
        f"svg{{background:var(--page);font-family:{_FONT}}}*{{{_STROKES}}}"
    )
    inside = body.replace(">", f"><title>{escape(alt)}</title><style>{style}</style>", 1)
    return Rendered(
        name=name,
        element=f'<svg class="figure" role="img" aria-label="{escape(alt)}" {body}',
        svg=f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_px:.0f}" {inside}\n',
        figure=figure,
    )


def _body(figure: Figure, name: str) -> str:
    """From the viewBox attribute to the closing tag, slimmed: matplotlib's markup is half white space and digits."""
    text = StringIO()
    # No date and no salt from outside: the same figure is the same text, byte for byte.
    with mpl.rc_context(STYLE):  # ticks, and the choice between text and outlines, are made only now
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    view_box = re.search(r'viewBox="[^"]*"', drawing)
    assert view_box is not None, "matplotlib wrote an SVG without a viewBox"
    drawing = drawing[drawing.index("</metadata>") + len("</metadata>") :]
    drawing = re.sub(r"<style.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)
    drawing = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', drawing)
    drawing = re.sub(r'xlink:href="#([^"]*)"', rf'href="#{name}-\1"', drawing)
    drawing = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", drawing)
    drawing = re.sub(r" ?font-family: [^;\"]*;?", "", drawing)
    drawing = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", drawing)
    drawing = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), drawing)  # in tags, not in texts
    drawing = re.sub(r"\s+", " ", drawing).replace("> <", "><").replace("<defs></defs>", "")
    for colour, variable in css_colour_of().items():
        drawing = drawing.replace(colour, variable)
    return f"{view_box.group()}>{drawing.strip()}"
