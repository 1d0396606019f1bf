"""The terminal: what comes from files and servers is shown as text, whatever stands in it."""

from typing import Any

from rich.console import Console
from rich.text import Text

from scenarios.texts.printable import printable


class PlainConsole(Console):
    """A console that takes no string for markup, and shows control characters as their escapes.

    A server's words may hold brackets, a title an escape sequence.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for every string that it is given, in tables too."""
        return super().render_str(printable(text, keep="\n\t"), **options)
