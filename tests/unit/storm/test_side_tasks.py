"""What works beside a storm does its last work side by side: one after another a verdict comes later for nothing."""

import threading

from loadtests.backend.timed_statements import RequestLog
from loadtests.metrics.instruments import Instruments
from loadtests.storm.side_tasks import Beside, SideWork, wait_for
from scenarios.spec import parse_scenario

MEET_S = 5.0
SCENARIO = parse_scenario(
    'title = "one"\n[estate]\npremises = 1\n[topology]\ndcs = [{ name = "one", nodes = 1, rf = 1 }]\n[run]\nwall_s = 10\n',
    "one",
)


def test_last_work_is_done_side_by_side() -> None:
    is_office_closing = threading.Event()

    def carry_out(_: SideWork) -> bool:
        return is_office_closing.wait(MEET_S)  # work that goes on after the storm

    def keep_office(bench: SideWork) -> bool:
        bench.over.wait()
        is_office_closing.set()
        return True

    log = RequestLog(Instruments(SCENARIO).closed_loop())
    with Beside("gateway", carry_out, None, log) as gateway, Beside("office", keep_office, None, log) as office:
        gateway.start(0)
        office.start(0)
        wait_for(gateway, office)
        assert gateway.result() and office.result()
