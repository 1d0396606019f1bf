"""The terminal: what comes from files and servers is shown as text, whatever stands in it."""

from typing import Any

from rich.console import Console
from rich.text import Text

from scenarios.texts.printable import printable


class PlainConsole(Console):
    """A console that takes no string for markup, shows control characters as their escapes, and breaks no line.

    A server's words may hold brackets, a title an escape sequence. Lines are broken by the terminal where it ends; what is
    piped stays whole, where rich would break it at 80 columns. Tables say themselves how wide they are.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for every string that it is given, in tables too."""
        return super().render_str(printable(text, keep="\n\t"), **options)
