"""Loopback addresses for a local cluster: a free block 127.42.k.*, held for as long as the cluster lives.

The hold is a listening socket, which the kernel lets go of with the process, so a killed run blocks nobody.
"""

import errno
import shlex
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

from loadtests.cluster.layout import NATIVE_PORT, STORAGE_PORT
from loadtests.errors import HarnessError

BLOCK_COUNT = 255
NODE_PORTS = (NATIVE_PORT, STORAGE_PORT)
HOLD_HOST = 254  # above any node's: a topology has at most 8 x 32 nodes, but no machine runs 253 of them
NODE_COUNT_MAX = HOLD_HOST - 1
COMMAND_LENGTH_MAX = 200  # of a holder's command line, as it is told


class AddressesTaken(HarnessError):
    """A block that can't be had now; the message says which address, port or holder is in the way."""


@dataclass(slots=True, kw_only=True)
class AddressBlock:
    """The held block `127.42.{block}.*`."""

    block: int
    addresses: tuple[str, ...]
    hold: socket.socket

    def release(self) -> None:
        """Let another cluster have the block."""
        self.hold.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def claim_free_block(node_count: int, ports: Sequence[int] = NODE_PORTS) -> AddressBlock:
    """The first block that nobody holds and whose ports are free. Raises HarnessError when there is none."""
    obstacle: AddressesTaken | None = None
    for block in range(BLOCK_COUNT):
        try:
            return claim_block(block, node_count, ports)
        except AddressesTaken as taken:
            obstacle = taken
    raise HarnessError(f"no free addresses for a cluster: {obstacle}")


def claim_block(block: int, node_count: int, ports: Sequence[int] = NODE_PORTS) -> AddressBlock:
    """Hold block 127.42.`block`.* for `node_count` nodes with these ports.

    Raises AddressesTaken when it is held or a port is in use.
    """
    if node_count > NODE_COUNT_MAX:
        raise HarnessError(f"a local cluster has at most {NODE_COUNT_MAX} nodes, not {node_count}")
    hold = socket.socket()
    try:
        hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held = f"127.42.{block}.{HOLD_HOST}"
        try:
            _bind(hold, held, STORAGE_PORT, f"another cluster holds addresses 127.42.{block}.*")
        except AddressesTaken as taken:
            raise AddressesTaken(f"{taken}{_holder(held)}; wait until it has ended, or stop it") from taken
        hold.listen(1)
        addresses = tuple(f"127.42.{block}.{host}" for host in range(1, node_count + 1))
        for address in addresses:
            for port in ports:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    _bind(probe, address, port, f"port {port} of {address} is taken by another program; end it")
    except BaseException:
        hold.close()
        raise
    return AddressBlock(block=block, addresses=addresses, hold=hold)


def _bind(sock: socket.socket, address: str, port: int, when_taken: str) -> None:
    try:
        sock.bind((address, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressesTaken(when_taken) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise HarnessError(
                f"this machine has no loopback address {address}; add it (macOS: sudo ifconfig lo0 alias {address})"
            ) from error
        raise HarnessError(f"can't listen on {address}:{port}: {error}") from error


def _holder(address: str) -> str:
    """Which process holds a block by its socket on `address`, in words; nothing where the system does not tell."""
    try:
        held = (address, STORAGE_PORT)
        pid = next(one.pid for one in psutil.net_connections("tcp") if one.laddr == held and one.pid is not None)
        return f", that of process {pid} ({shlex.join(psutil.Process(pid).cmdline())[:COMMAND_LENGTH_MAX]})"
    except (StopIteration, psutil.Error, OSError):
        return ""
