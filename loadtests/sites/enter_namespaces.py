"""Run a command in namespaces of its own: network, mount and process, without root by a user namespace. All in them ends with us.

Run as `python -I -S enter_namespaces.py COMMAND ...`: it ends as the command does. Three processes: this one waits outside;
the first process inside (whose end is that of all others there, by the kernel) collects orphans and passes signals on; its
child becomes the command. It imports nothing of ours, since it must start in milliseconds.

Linux alone. Exit code 125: the machine does not let us, and the reason is on standard error.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable
from types import FrameType

NEW_USER, NEW_NETWORK, NEW_MOUNTS, NEW_PIDS = 0x10000000, 0x40000000, 0x00020000, 0x20000000  # linux/sched.h
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18  # linux/mount.h
PR_SET_PDEATHSIG = 1
FORBIDDEN = 125
# A terminal sends SIGINT to the command as well, which takes two at once for one (`loadtests.interrupts`).
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_libc = ctypes.CDLL(None, use_errno=True)


def main(command: list[str]) -> int:
    """Run the command to its end inside; its exit code, or 128 and the signal that ended it."""
    if os.geteuid() != 0 or _libc.unshare(NEW_NETWORK | NEW_MOUNTS | NEW_PIDS) != 0:
        _become_user()  # root needs none, and would lose what it may do outside: real-time scheduling, say
    alive, held = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(held)
        os._exit(_be_first(command, alive))
    os.close(alive)
    _pass_on_to(first)
    return _ending(os.waitpid(first, 0)[1])


def _become_user() -> None:
    """Enter all namespaces with a user namespace over them, in which we are root."""
    user, group = os.getuid(), os.getgid()
    _call("namespaces of its own", _libc.unshare, NEW_USER | NEW_NETWORK | NEW_MOUNTS | NEW_PIDS)
    with contextlib.suppress(FileNotFoundError):  # kernels before 3.19
        _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {user} 1")
    _write("/proc/self/gid_map", f"0 {group} 1")


def _be_first(command: list[str], alive: int) -> int:
    """The first process of the namespaces: its exit code is the command's. alive: a pipe that ends with the parent."""
    try:
        _call("an end with its parent", _libc.prctl, PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if select.select([alive], [], [], 0)[0]:  # it went before we asked
            return 128 + signal.SIGKILL
        os.close(alive)
        _call("mounts of its own", _libc.mount, b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        _call("/proc of its own", _libc.mount, b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
        child = os.fork()
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return FORBIDDEN
    if child == 0:
        os.execvp(command[0], command)
    _pass_on_to(child)
    while True:
        ended, status = os.wait()
        if ended == child:
            return _ending(status)


def _pass_on_to(pid: int) -> None:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)


def _ending(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode("ascii"))
    finally:
        os.close(file)


def _call(what: str, function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as failure:
        print(failure.strerror or failure, file=sys.stderr)
        sys.exit(FORBIDDEN)
