"""Texts from outside that become XML, HTML, TOML, file names or lines on a terminal. Pure.

A control character in them could make an XML file unreadable, or colour, move and overwrite what a terminal shows.
"""

import unicodedata

SHOWN_MAX = 80  # of a value in a sentence: enough to find it again

_UNPRINTABLE = (
    "Cc",
    "Cf",
    "Cs",
    "Zl",
    "Zp",
)  # controls, formats (those that turn the line's direction too), surrogates
_JOINERS = "\u200c\u200d"  # formats that spelling needs, in Persian say, and in emoji


def is_printable(text: str) -> bool:
    """Whether no character of `text` does anything but stand in its line."""
    return all(_is_printable(character) for character in text)


def printable(text: str, *, keep: str = "") -> str:
    r"""`text` with each unprintable character as its escape: ESC is `\x1b`. Those of `keep` stay, newlines say."""
    return "".join(
        character
        if character in keep or _is_printable(character)
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def shortened(text: str, length_max: int = SHOWN_MAX) -> str:
    """One printable line of at most some `length_max` characters, which says how many there are when it is cut."""
    if len(text) <= length_max:
        return printable(text)
    return f"{printable(text[:length_max])}... ({len(text):,} characters)"


def _is_printable(character: str) -> bool:
    if character in _JOINERS:
        return True
    code = ord(character)
    is_no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF  # XML has no place for them
    return not is_no_character and unicodedata.category(character) not in _UNPRINTABLE
