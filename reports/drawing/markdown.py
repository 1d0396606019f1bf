"""Texts in Markdown: what comes from outside is neither markup nor HTML."""

import re

from scenarios.texts.printable import printable


def escaped(text: str) -> str:
    """Text that Markdown and HTML leave alone, on one line."""
    line = printable(" ".join(text.split()))
    return re.sub(r"([\\`*_\[\]<>|#~&@])", r"\\\1", line)


def code(text: str) -> str:
    """Text within backticks."""
    return printable(" ".join(text.split())).replace("`", "'")
