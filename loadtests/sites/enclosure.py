"""A command that needs a network of its own starts itself again in namespaces of its own, without root."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from loadtests.errors import HarnessError

ENTER = Path(__file__).with_name("enter_namespaces.py")
OUTSIDE = (
    "METERSTORM_OUTSIDE"  # in the environment of what runs inside: number and time of creation of its process outside
)
ALLOWING = (
    "run as root, or allow user namespaces and /dev/net/tun (modprobe tun; sysctl kernel.unprivileged_userns_clone=1; of a "
    "container --device /dev/net/tun --security-opt seccomp=unconfined --security-opt apparmor=unconfined)"
)
PROBE_S_MAX = 20.0
_PROBE = "import os; os.close(os.open('/dev/net/tun', os.O_RDWR))"


def is_inside() -> bool:
    """Do we run in namespaces of our own?"""
    return OUTSIDE in os.environ


def outer_process() -> tuple[int, float] | None:
    """Number and time of creation of our process as it is known outside; None where we are in no namespaces of our own."""
    pid, _, created_s = os.environ.get(OUTSIDE, "").partition(" ")
    return (int(pid), float(created_s)) if pid else None


def require_inside() -> None:
    """Raises HarnessError where we don't: then nothing of a network that we make would end with us."""
    if not is_inside():
        raise HarnessError(
            "a scenario with [topology.wan] or faults of the network needs a network of its own, in which run, audit, "
            "find-max and matrix start themselves again; use one of them, or leave it out"
        )


def obstacle() -> str | None:
    """Why this machine does not let us make a network of our own; None where it does."""
    if sys.platform != "linux":
        return "network namespaces are Linux' own"
    try:
        tried = subprocess.run(
            [*_entering(), sys.executable, "-I", "-S", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode == 0:
        return None
    return (tried.stderr.strip().splitlines() or ["it ended without a word"])[-1]


def start_again_inside(command: Sequence[str]) -> None:
    """Become the command, in namespaces of its own. Does not return. Raises HarnessError where the machine forbids it."""
    if (reason := obstacle()) is not None:
        raise HarnessError(
            f"a network of the run's own, for [topology.wan] and faults of the network, can't be made: {reason}; {ALLOWING}; or "
            "leave these out, and no distance is emulated"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(
        sys.executable,
        [*_entering(), *command],
        {**os.environ, OUTSIDE: f"{os.getpid()} {psutil.Process().create_time()!r}"},
    )


def _entering() -> list[str]:
    return [sys.executable, "-I", "-S", str(ENTER)]
