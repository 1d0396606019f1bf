"""Ctrl-C in the start of a fleet printed a traceback of each of its processes, and another of each greenlet that it met."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

LOCUSTFILE = Path(__file__).parents[2] / "loadtests" / "locustfile.py"
START = """
import os, signal, sys
class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, AtImport())
from locust.main import load_locustfile
load_locustfile(sys.argv[2])
"""
IN_A_GREENLET = """
import locust, os, signal
import loadtests.locust_fleet.interrupted
import gevent
def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    gevent.sleep(0)
gevent.spawn(interrupted)
gevent.sleep(30)
"""
OTHERWISE = """
import locust
import loadtests.locust_fleet.interrupted
import gevent
def broken():
    raise ValueError("of a greenlet")
gevent.spawn(broken).join()
raise ValueError("of the program")
"""


def ended(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", *command], capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("name", ["loadtests.locust_fleet.master", "numba"])
def test_while_the_locustfile_is_loaded_ctrl_c_ends_it_without_a_traceback(name: str) -> None:
    done = ended(START, name, str(LOCUSTFILE))
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")  # which a shell calls 130


def test_in_a_greenlet_ctrl_c_ends_it_without_a_traceback() -> None:
    done = ended(IN_A_GREENLET)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_what_is_no_interrupt_is_told_as_ever() -> None:
    done = ended(OTHERWISE)
    assert done.returncode == 1
    assert "ValueError: of a greenlet" in done.stderr and "ValueError: of the program" in done.stderr
