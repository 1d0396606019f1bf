"""The report's colours, each by its role, in a light and a dark value; CSS and figures take them from here alone.

Series colours are Okabe and Ito's hues (distinguishable with the common kinds of colour blindness), darkened on white and
lightened on black until they stand out at 3:1 from the page. Nothing is told by colour alone: series differ in their dashes
and are labelled, outcomes have a sign and a word.
Source: Okabe and Ito, "Color Universal Design" (2008); contrast by WCAG 2.2, 1.4.11.
"""

from typing import NamedTuple


class Ink(NamedTuple):
    """One role's colour on a light and on a dark page. Every light value is unique: it stands for its role in a figure."""

    light: str
    dark: str


INKS = {
    "page": Ink("#ffffff", "#11161c"),
    "panel": Ink("#f5f7f9", "#1a2129"),
    "rule": Ink("#d9dfe5", "#323c47"),
    "grid": Ink("#e6eaee", "#2a333d"),
    "ink": Ink("#17202a", "#e8ecf0"),
    "muted": Ink("#5a6673", "#9eabb8"),
    "accent": Ink("#0b5c8f", "#7cc0f0"),
    "offered": Ink("#b9c6d2", "#4a5866"),
    "warm-up": Ink("#eef1f4", "#1f2730"),
    "p50": Ink("#6ba6cf", "#41749b"),
    "p95": Ink("#2e7cb5", "#69ace0"),
    "p99": Ink("#0a4a7d", "#c2e2fb"),
    "max": Ink("#8b96a1", "#77838f"),
    "limit": Ink("#b3400e", "#ff9a5c"),
    "pass": Ink("#00664a", "#4fd0a5"),
    "pass-tint": Ink("#e7f4ef", "#12291f"),
    "fail": Ink("#a8201a", "#ff8f85"),
    "fail-tint": Ink("#fbecea", "#361a19"),
    "inconclusive": Ink("#7d5200", "#f0c060"),
    "inconclusive-tint": Ink("#fbf3e2", "#302612"),
    "series-1": Ink("#0067ab", "#6bb4f2"),
    "series-2": Ink("#c35a00", "#ff9d4d"),
    "series-3": Ink("#008060", "#3fcb9d"),
    "series-4": Ink("#a0478a", "#e39bd0"),
    "series-5": Ink("#857000", "#e0cb45"),
    "series-6": Ink("#3391c9", "#a6d8f7"),
    "series-7": Ink("#47525d", "#c3ccd5"),
}
SERIES_COUNT = 7


def light(role: str) -> str:
    """The light value of a role: what figures are drawn with."""
    return INKS[role].light


def series(index: int) -> str:
    """The role of the `index`-th series; they repeat after SERIES_COUNT, with other dashes (see `dashes`)."""
    return f"series-{index % SERIES_COUNT + 1}"


def dashes(index: int) -> tuple[float, ...]:
    """On and off lengths of the `index`-th series' line [line widths]; empty is solid."""
    patterns = ((), (5.0, 1.6), (1.4, 1.4), (7.0, 1.6, 1.4, 1.6))
    return patterns[index % len(patterns)]


def css_variables(scheme: str) -> str:
    """CSS custom properties of all roles for 'light' or 'dark'."""
    return "".join(f"--{role}:{getattr(ink, scheme)};" for role, ink in INKS.items())


def css_colour_of() -> dict[str, str]:
    """Light value -> 'var(--role)', for a figure that follows its page's scheme."""
    return {ink.light: f"var(--{role})" for role, ink in INKS.items()}
