"""The few system calls of a tick, made from compiled code: no interpreter, so no interpreter lock to wait for.

Linux on 64 bits only, and plain TCP only; everywhere else, and for TLS, `links` does the same through Python.
Each kernel calls the C library's function by its name; numbers are those of Linux's headers.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel
from loadtests.sender.state import MESSAGE_SIZE, LinkField, LinkStatus, Total, WireState

_CLOCK_REALTIME = 0  # the clock of the kernel's stamps
_CLOCK_MONOTONIC = 1  # the clock of time.perf_counter_ns on Linux
_MSG_DONTWAIT = 0x40
_MSG_NOSIGNAL = 0x4000
_POLLIN = 1
_NOT_POLLED = -1
_SOL_SOCKET, _SO_RCVLOWAT = 1, 18
_EINTR = 4
_EAGAIN = 11
_STAMP = 35 << 32 | 1  # SCM_TIMESTAMPNS of SOL_SOCKET, as a control header has them
_IOVEC, _CONTROL = 7, 9  # where they are in a message's int64s
_CONTROL_BYTES = (MESSAGE_SIZE - _CONTROL) * 8
_CLOCK_PAIR_NS_MAX = 5_000  # two readings of a clock that are further apart enclose an interruption
_CLOCK_PAIRS_MAX = 5
_ASTRAY_US = 5_000  # a stamp that is further from when its bytes can have come is one of a clock that was set meanwhile

_recvmsg = types.ExternalFunction("recvmsg", types.int64(types.int32, types.uintp, types.int32))
_send = types.ExternalFunction("send", types.int64(types.int32, types.uintp, types.uintp, types.int32))
_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))
_ppoll = types.ExternalFunction("ppoll", types.int32(types.uintp, types.uint64, types.uintp, types.uintp))
_setsockopt = types.ExternalFunction(
    "setsockopt", types.int32(types.int32, types.int32, types.int32, types.uintp, types.uint32)
)
_nanosleep = types.ExternalFunction("nanosleep", types.int32(types.uintp, types.uintp))
_errno_location = types.ExternalFunction("__errno_location", types.CPointer(types.int32)())


@borrowing_kernel
def clock_ns(timespec: NDArray[np.int64]) -> int:
    """The clock of `time.perf_counter_ns` [ns]. timespec: int64[2], scratch."""
    _clock_gettime(_CLOCK_MONOTONIC, timespec.ctypes.data)
    return timespec[0] * 1_000_000_000 + timespec[1]  # type: ignore[no-any-return]


@borrowing_kernel
def realtime_offset_ns(timespec: NDArray[np.int64]) -> int:
    """By how much the clock of the kernel's stamps is ahead of `clock_ns` now [ns]. timespec: int64[2], scratch.

    Too little by a microsecond at most, so that what came is never taken for earlier. Where the thread was interrupted
    between two readings, they are taken again, and the closest two count.
    """
    offset_ns, closest_ns = 0, 1 << 62
    for _ in range(_CLOCK_PAIRS_MAX):
        before_ns = clock_ns(timespec)
        _clock_gettime(_CLOCK_REALTIME, timespec.ctypes.data)
        stamp_ns = timespec[0] * 1_000_000_000 + timespec[1]
        after_ns = clock_ns(timespec)
        apart_ns = after_ns - before_ns
        if apart_ns < closest_ns:
            offset_ns, closest_ns = stamp_ns - after_ns, apart_ns
        if apart_ns <= _CLOCK_PAIR_NS_MAX:
            break
    return offset_ns


@borrowing_kernel
def sleep_ns(timespec: NDArray[np.int64], wait_ns: int) -> None:
    """Sleep for `wait_ns`, less than a second; a signal may end it sooner. timespec: int64[2], scratch."""
    timespec[0] = 0
    timespec[1] = wait_ns
    _nanosleep(timespec.ctypes.data, 0)


@borrowing_kernel
def wait_for_bytes(state: WireState, wait_us: int) -> bool:
    """Sleep until an open link's socket holds `LinkField.LOW_BYTES`, for `wait_us` at the longest; does one?

    What does not suffice wakes nobody: the kernel counts the bytes as they come.
    """
    links, polled, timespec = state.links, state.polled, state.timespec
    for link in range(links.shape[0]):
        is_open = links[link, LinkField.STATUS] == LinkStatus.OPEN
        polled[link] = links[link, LinkField.FD] | _POLLIN << 32 if is_open else _NOT_POLLED
    timespec[0] = 0
    timespec[1] = wait_us * 1_000
    return bool(_ppoll(polled.ctypes.data, links.shape[0], timespec.ctypes.data, 0) > 0)


@borrowing_kernel
def wake_at(fd: int, size: int, scratch: NDArray[np.int64]) -> None:
    """Have a socket wake its reader once it holds `size` bytes. Where that can't be, any wake it. scratch: int64[n]."""
    scratch[0] = size  # the low half of it is the C int
    _setsockopt(fd, _SOL_SOCKET, _SO_RCVLOWAT, scratch.ctypes.data, 4)


@borrowing_kernel
def receive_stamped(fd: int, address: int, room: int, message: NDArray[np.int64]) -> tuple[int, int]:
    """Read what has come on a socket: as `recv`, and when its latest bytes came [ns, on the real-time clock], 0 if not told.

    address, room: where the bytes go, and how many at most. message: int64[MESSAGE_SIZE], scratch.
    """
    base = message.ctypes.data
    message[:] = 0
    message[2] = base + 8 * _IOVEC
    message[3] = 1
    message[4] = base + 8 * _CONTROL
    message[5] = _CONTROL_BYTES
    message[_IOVEC] = address
    message[_IOVEC + 1] = room
    size = _recvmsg(fd, base, _MSG_DONTWAIT)
    if size > 0 and message[5] > 0 and message[_CONTROL + 1] == _STAMP:
        return size, message[_CONTROL + 2] * 1_000_000_000 + message[_CONTROL + 3]
    return size, 0


@borrowing_kernel
def send_bytes(fd: int, address: int, size: int) -> int:
    """As `send`: how many of `size` bytes at an address the socket took, or -1."""
    return int(_send(fd, address, size, _MSG_DONTWAIT | _MSG_NOSIGNAL))


@borrowing_kernel
def now_us(state: WireState, start_ns: int) -> int:
    """Time since `start_ns` [us]."""
    return (clock_ns(state.timespec) - start_ns) // 1_000


@borrowing_kernel
def is_credible(stamp_us: int, empty_us: int, now_us: int) -> bool:
    """May bytes that are read now have come at `stamp_us`, on a link that was empty at `empty_us`? Else the clock was set."""
    return empty_us - _ASTRAY_US <= stamp_us <= now_us + _ASTRAY_US


@borrowing_kernel
def receive_all(state: WireState, start_ns: int) -> None:
    """Read what has come on every open link into its in buffer, and when; a link whose connection ended is LOST."""
    links = state.links
    offset_ns = 0
    state.totals[Total.RECEIVED_BYTES] = 0
    for link in range(links.shape[0]):
        data = state.in_bytes[link]
        end = links[link, LinkField.IN_END]
        if links[link, LinkField.STATUS] != LinkStatus.OPEN or end == data.size:
            continue
        looked_us = now_us(state, start_ns)
        room = data.size - end
        size, stamp_ns = receive_stamped(links[link, LinkField.FD], data.ctypes.data + end, room, state.message)
        if size > 0:
            links[link, LinkField.IN_END] = end + size
            state.totals[Total.RECEIVED_BYTES] += size
            came_us = now_us(state, start_ns)
            is_told = False
            if stamp_ns > 0:
                if offset_ns == 0:
                    offset_ns = realtime_offset_ns(state.timespec)
                # Rounded up: what is measured is never too short.
                stamp_us = -(-(stamp_ns - offset_ns - start_ns) // 1_000)
                is_told = is_credible(stamp_us, links[link, LinkField.EMPTY_US], came_us)
                came_us = min(stamp_us, came_us) if is_told else came_us
            # It may have come before the link was empty: on a busy machine the kernel hands over later than it stamps.
            not_before_us = min(links[link, LinkField.EMPTY_US], came_us)
            links[link, LinkField.CAME_US] = came_us
            links[link, LinkField.NOT_BEFORE_US] = not_before_us
            links[link, LinkField.LAST_NOT_BEFORE_US] = came_us if is_told else not_before_us
        elif size == 0 or not _would_block():
            links[link, LinkField.STATUS] = LinkStatus.LOST
        if size < room:
            links[link, LinkField.EMPTY_US] = looked_us


@borrowing_kernel
def send_all(state: WireState) -> None:
    """Write every open link's unsent bytes, as far as its socket takes them; a link that is broken is LOST."""
    links = state.links
    for link in range(links.shape[0]):
        start, end = links[link, LinkField.OUT_START], links[link, LinkField.OUT_END]
        if links[link, LinkField.STATUS] != LinkStatus.OPEN or start == end:
            continue
        data = state.out_bytes[link]
        size = send_bytes(links[link, LinkField.FD], data.ctypes.data + start, end - start)
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
