"""The few system calls of a tick, made from compiled code: no interpreter, so no interpreter lock to wait for.

Linux on 64 bits only, and plain TCP only; everywhere else, and for TLS, `links` does the same through Python.
Each kernel calls the C library's function by its name; numbers are those of Linux's headers.
"""

from numba import types

from loadtests.kernels import borrowing_kernel
from loadtests.sender.state import LinkField, LinkStatus, WireState

_CLOCK_MONOTONIC = 1  # the clock of time.perf_counter_ns on Linux
_MSG_DONTWAIT = 0x40
_MSG_NOSIGNAL = 0x4000
_EINTR = 4
_EAGAIN = 11

_recv = types.ExternalFunction("recv", types.int64(types.int32, types.uintp, types.uintp, types.int32))
_send = types.ExternalFunction("send", types.int64(types.int32, types.uintp, types.uintp, types.int32))
_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))
_nanosleep = types.ExternalFunction("nanosleep", types.int32(types.uintp, types.uintp))
_errno_location = types.ExternalFunction("__errno_location", types.CPointer(types.int32)())


@borrowing_kernel
def now_us(state: WireState, start_ns: int) -> int:
    """Time since `start_ns` [us]."""
    timespec = state.timespec
    _clock_gettime(_CLOCK_MONOTONIC, timespec.ctypes.data)
    return (timespec[0] * 1_000_000_000 + timespec[1] - start_ns) // 1_000  # type: ignore[no-any-return]


@borrowing_kernel
def sleep_us(state: WireState, wait_us: int) -> None:
    """Sleep for `wait_us`, less than a second; a signal may end it sooner."""
    state.timespec[0] = 0
    state.timespec[1] = wait_us * 1_000
    _nanosleep(state.timespec.ctypes.data, 0)


@borrowing_kernel
def receive_all(state: WireState) -> None:
    """Read what has come on every open link into its in buffer; a link whose connection ended is LOST."""
    links = state.links
    for link in range(links.shape[0]):
        data = state.in_bytes[link]
        end = links[link, LinkField.IN_END]
        if links[link, LinkField.STATUS] != LinkStatus.OPEN or end == data.size:
            continue
        size = _recv(links[link, LinkField.FD], data.ctypes.data + end, data.size - end, _MSG_DONTWAIT)
        if size > 0:
            links[link, LinkField.IN_END] = end + size
        elif size == 0 or not _would_block():
            links[link, LinkField.STATUS] = LinkStatus.LOST


@borrowing_kernel
def send_all(state: WireState) -> None:
    """Write every open link's unsent bytes, as far as its socket takes them; a link that is broken is LOST."""
    links = state.links
    for link in range(links.shape[0]):
        start, end = links[link, LinkField.OUT_START], links[link, LinkField.OUT_END]
        if links[link, LinkField.STATUS] != LinkStatus.OPEN or start == end:
            continue
        data = state.out_bytes[link]
        flags = _MSG_DONTWAIT | _MSG_NOSIGNAL
        size = _send(links[link, LinkField.FD], data.ctypes.data + start, end - start, flags)
        if size == end - start:
            links[link, LinkField.OUT_START] = 0
            links[link, LinkField.OUT_END] = 0
        elif size >= 0:
            links[link, LinkField.OUT_START] = start + size
        elif not _would_block():
            links[link, LinkField.STATUS] = LinkStatus.LOST


@borrowing_kernel
def _would_block() -> bool:
    """Did the last call fail only because there was nothing to read, or no room to write?"""
    error = _errno_location()[0]
    return error == _EAGAIN or error == _EINTR  # type: ignore[no-any-return]
