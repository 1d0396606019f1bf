"""In a log a long phase said nothing for minutes: warming, the drain, `simulate gb_2026` for all of its eleven minutes."""

import io
import time
from collections.abc import Callable

import pytest

from meterstorm.cli.cluster import background_lines
from meterstorm.display import heartbeat
from meterstorm.display.heartbeat import Heartbeat
from meterstorm.display.run import Display
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs import simulate
from tests.unit.display.test_live import live_of

EVERY_S = 0.2


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    def beat(tell: Callable[[str, float], None]) -> Heartbeat:
        return Heartbeat(tell, EVERY_S)

    monkeypatch.setattr("meterstorm.display.run.Heartbeat", beat)
    monkeypatch.setattr("meterstorm.jobs.simulate.Heartbeat", beat)


def until(said: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not said():
        assert time.monotonic() < deadline
        time.sleep(EVERY_S)


def test_a_step_that_lasts_is_told_until_the_next_begins() -> None:
    told: list[tuple[str, float]] = []
    beat = Heartbeat(lambda doing, for_s: told.append((doing, for_s)), EVERY_S)
    beat.begin("one")
    until(lambda: len(told) >= 2)
    beat.begin("two")
    until(lambda: told[-1][0] == "two")
    beat.stop()
    assert [doing for doing, _ in told] == sorted(doing for doing, _ in told)
    assert told[1][1] > told[0][1] >= EVERY_S
    time.sleep(3 * EVERY_S)
    count = len(told)
    time.sleep(5 * EVERY_S)
    assert len(told) == count
    assert heartbeat.EVERY_S <= 10


@pytest.mark.usefixtures("often")
def test_warming_and_the_time_after_the_storm_are_not_silent() -> None:
    out = io.StringIO()
    display = Display(PlainConsole(file=out, width=80))
    display.phase("Storming with 9 meters for 45 s")
    display.detail("warming the nodes for 10 s before the clock starts")
    until(lambda: "still 0 s later: warming the nodes for 10 s" in out.getvalue())
    display.detail("node north-1 (127.0.0.1) serves CQL, 6 s; waiting for south-1, south-2")
    until(lambda: "still 0 s later: waiting for south-1, south-2" in out.getvalue())
    display.live(live_of(elapsed_s=51), 45.0)
    until(lambda: "waiting for what is still under way after the storm" in out.getvalue())
    display.close()


@pytest.mark.usefixtures("often")
def test_while_the_storm_tells_itself_nothing_else_does() -> None:
    out = io.StringIO()
    display = Display(PlainConsole(file=out, width=80))
    for step in range(40):
        display.live(live_of(elapsed_s=step / 10), 45.0)
        time.sleep(EVERY_S / 10)
    display.close()
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.usefixtures("often")
def test_a_simulation_tells_a_log_how_far_it_is() -> None:
    out = io.StringIO()
    console = PlainConsole(file=out, width=80)

    def work(tell: simulate.Tell) -> int:
        tell(0.25)
        until(lambda: "simulating: 25% after" in out.getvalue())
        return 7

    with simulate._progress(console) as bar:
        assert simulate._step(bar, "simulating", work) == 7
    quiet = io.StringIO()
    with simulate._progress(PlainConsole(file=quiet, quiet=True)) as bar:
        simulate._step(bar, "simulating", lambda tell: time.sleep(3 * EVERY_S))
    assert quiet.getvalue() == ""


@pytest.mark.usefixtures("often")
def test_a_start_in_the_background_says_nothing_once_it_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """Seen in a whole test run: the line of a `monitor up` came in the output of another command, minutes later."""
    with background_lines(quiet=False) as tell:
        tell("waiting for prometheus")
        until(lambda: "still 0 s later: waiting for prometheus" in capsys.readouterr().err)
    time.sleep(EVERY_S)
    capsys.readouterr()
    time.sleep(5 * EVERY_S)
    assert capsys.readouterr().err == ""
