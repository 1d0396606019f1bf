"""The storm while it goes on, in words and a sketch: offered and achieved, how late, what waits, the nodes. Pure."""

from collections.abc import Sequence

from loadtests.monitoring.live import COURSE_SIZE, ClosedSecond
from loadtests.storm.coordinator import Live
from scenarios.texts.wording import NO_FIGURE, clock, count, milliseconds

BARS = "▁▂▃▄▅▆▇█"
BAR_WIDTH = 24
NODES_SHOWN_MAX = 6


def live_lines(live: Live, wall_s: float) -> list[str]:
    """The lines of the view on a terminal; what is not known yet is left out."""
    elapsed_s = min(max(live.elapsed_s, 0.0), wall_s)
    done = round(BAR_WIDTH * elapsed_s / wall_s)
    lines = [f"{'━' * done}{'─' * (BAR_WIDTH - done)} {clock(elapsed_s)} of {clock(wall_s)}  {_totals(live)}"]
    if live.recent is None:
        return lines
    if live.recent.seconds:
        lines.append(_latest(live, live.recent.seconds[-1]))
    if live.recent.node_cores:
        lines.append(f"node CPU  {_cores(live.recent.node_cores)}")
    course = [second.p99_ms for second in live.recent.seconds]
    if known := [each for each in course if each is not None]:
        lines.append(f"p99, last minute  {sparkline(course, COURSE_SIZE)}  at most {milliseconds(max(known))}")
    return lines


def plain_line(live: Live, wall_s: float) -> str:
    """The view in one line, for a log."""
    line = f"{max(live.elapsed_s, 0.0):5.0f} of {wall_s:g} s: {_totals(live)}"
    if live.recent is None or not live.recent.seconds:
        return line
    line += f"; {_latest(live, live.recent.seconds[-1])}"
    return f"{line}; node CPU {_cores(live.recent.node_cores)}" if live.recent.node_cores else line


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The last `width` values as bars from zero to the greatest; a gap where there is none."""
    shown = list(values)[-width:]
    most = max((value for value in shown if value is not None), default=0.0)
    return "".join(
        " " if value is None else BARS[min(int(value / most * len(BARS)), len(BARS) - 1) if most > 0 else 0]
        for value in shown
    )


def _totals(live: Live) -> str:
    return f"{count(live.ok)} ok, {count(live.failed)} failed, {count(live.indeterminate)} indeterminate"


def _latest(live: Live, second: ClosedSecond) -> str:
    waiting = f"in flight {count(live.in_flight)}, unsent {count(live.unsent)}"
    if live.unsent is None:
        waiting = f"unanswered {count(live.in_flight)}"
    return (
        f"offered {count(second.offered)}/s, achieved {count(second.ok)}/s, p99 {milliseconds(second.p99_ms)}, "
        f"late p99 {milliseconds(second.late_p99_ms)}, errors {count(second.errors)}/s, {waiting}"
    )


def _cores(node_cores: Sequence[tuple[str, float]]) -> str:
    """'north-1 0.8, south-1 0.7 cores'; of many nodes the busiest."""
    if not node_cores:
        return NO_FIGURE
    busiest = sorted(node_cores, key=lambda node: -node[1])[:NODES_SHOWN_MAX]
    shown = [node for node in node_cores if node in busiest]
    rest = len(node_cores) - len(shown)
    more = f" and {rest} less busy" if rest else ""
    return f"{', '.join(f'{name} {cores:.1f}' for name, cores in shown)} cores{more}"
