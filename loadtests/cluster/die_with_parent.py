"""Tie a child process to its parent: when the parent is gone, however it went, the child is killed.

Run as `python die_with_parent.py PARENT_PID [net:FD] COMMAND ...` with the read end of a pipe from the parent as standard
input; it becomes COMMAND, so the process that the parent knows is the node itself. FD: a file descriptor of the
network namespace to enter first. It imports nothing of ours, since it must
start in milliseconds.

Linux kills the child itself (PR_SET_PDEATHSIG survives exec). Elsewhere a forked watcher waits for the end of the pipe.
"""

import ctypes
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NEW_NETWORK = 0x40000000  # linux/sched.h
NAMESPACE = "net:"
WATCH_INTERVAL_S = 0.5


def die_with_parent_by_kernel(parent_pid: int) -> None:
    """Ask the kernel for SIGKILL when the parent ends. Its *thread* that forked us counts as the parent here."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # it went before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_parent_by_watcher(parent_pid: int) -> None:
    """Fork a watcher that kills us when the pipe on standard input ends, and ends itself when we have ended."""
    child_pid = os.getpid()
    if os.fork() != 0:
        return
    while os.getppid() == child_pid:
        readable, _, _ = select.select([0], [], [], WATCH_INTERVAL_S)
        if readable and os.read(0, 1) == b"":
            os.kill(child_pid, signal.SIGKILL)
            break
    os._exit(0)


def enter_network(namespace: int) -> None:
    """Enter the network namespace of a file descriptor, which is closed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(namespace)


def main(arguments: list[str]) -> None:
    """Become the command, tied."""
    parent_pid, command = int(arguments[0]), arguments[1:]
    if command[0].startswith(NAMESPACE):
        enter_network(int(command.pop(0).removeprefix(NAMESPACE)))
    if sys.platform == "linux" and not os.environ.get("METERSTORM_TETHER_WATCHER"):
        die_with_parent_by_kernel(parent_pid)
    else:
        die_with_parent_by_watcher(parent_pid)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
