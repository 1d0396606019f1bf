"""Loopback addresses for a local cluster: a free block 127.42.k.*, held for as long as the cluster lives.

The hold is a listening socket, which the kernel lets go of with the process, so a killed run blocks nobody.
"""

import errno
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from loadtests.cluster.layout import NATIVE_PORT, STORAGE_PORT
from loadtests.errors import HarnessError

BLOCK_COUNT = 255
HOLD_HOST = 254  # above any node's: a topology has at most 8 x 32 nodes, but no machine runs 253 of them
NODE_COUNT_MAX = HOLD_HOST - 1


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


def claim_free_block(node_count: int) -> AddressBlock:
    """The first block that nobody holds and whose ports are free. Raises HarnessError when there is none."""
    obstacle: AddressesTaken | None = None
    for block in range(BLOCK_COUNT):
        try:
            return claim_block(block, node_count)
        except AddressesTaken as taken:
            obstacle = taken
    raise HarnessError(f"no free addresses for a cluster: {obstacle}")


def claim_block(block: int, node_count: int) -> AddressBlock:
    """Hold block 127.42.`block`.* for `node_count` nodes. Raises AddressesTaken when it is held or a port is in use."""
    if node_count > NODE_COUNT_MAX:
        raise HarnessError(f"a local cluster has at most {NODE_COUNT_MAX} nodes, not {node_count}")
    hold = socket.socket()
    try:
        hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(
            hold,
            f"127.42.{block}.{HOLD_HOST}",
            STORAGE_PORT,
            f"another cluster holds addresses 127.42.{block}.*; stop it",
        )
        hold.listen(1)
        addresses = tuple(f"127.42.{block}.{host}" for host in range(1, node_count + 1))
        for address in addresses:
            for port in (NATIVE_PORT, STORAGE_PORT):
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
