"""The sockets between Locust's master and its workers: who may speak, as whom, and how much. In place of `locust.rpc`.

Rules that hold here:
- With a secret every message, Locust's own too, goes through CurveZMQ: encrypted and authenticated by keys of the session, so
  that none can be read, altered or replayed. The server's key pair is derived from the secret and its public half is
  never sent, so only who knows the secret can speak to the server, and only such a server can answer. Source: RFC 26/CurveZMQ.
- A peer is known by the routing id of its connection, which is one at a time; a message that claims another sender is dropped.
- A message larger than MESSAGE_BYTES_MAX ends the connection before it is in memory; one that can't be parsed is dropped.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

import msgpack
import zmq.green as zmq
from locust.exception import RPCError, RPCReceiveError
from locust.rpc.protocol import Message
from locust.rpc.zmqrpc import BaseSocket
from zmq.error import ZMQError
from zmq.utils import z85

MESSAGE_BYTES_MAX = 8 << 20  # a second of forty busy operations is below 1 MB
_PEER = re.compile(r"[\w.-]{1,200}", re.ASCII)  # Locust's: the machine's name and a random number

# Of this process and of those that it forks: `--processes` needs no file to share a secret.
FORKED_SECRET = secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The server's key pair (Curve25519, Z85). `repr` says nothing of it, so that no log does."""

    public: bytes
    private: bytes

    def __repr__(self) -> str:
        return "Seal(...)"


def seal_of(secret: str) -> Seal:
    """The key pair that a secret stands for. Takes some 50 ms, so that guessing secrets takes long."""
    private = hashlib.scrypt(secret.encode(), salt=b"meterstorm fleet", n=2**14, r=8, p=1, dklen=32)
    encoded = z85.encode(private)
    return Seal(public=zmq.curve_public(encoded), private=encoded)


class _Socket(BaseSocket):
    """What both ends have in common."""

    def __init__(self, kind: int, host: str, port: int) -> None:
        super().__init__(kind, self.ipv4_only(host, port))
        self.socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES_MAX)


class Server(_Socket):
    """The master's end. `seal`: None on loopback, where no secret was given."""

    def __init__(self, host: str, port: int, seal: Seal | None) -> None:
        super().__init__(zmq.ROUTER, host, port)
        if seal is not None:
            self.socket.setsockopt(zmq.CURVE_SERVER, 1)
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, seal.private)
        try:
            if port == 0:
                self.port = self.socket.bind_to_random_port(f"tcp://{host}")
            else:
                self.socket.bind(f"tcp://{host}:{port}")
                self.port = port
        except ZMQError as error:
            raise RPCError(f"Socket bind failure: {error}") from error

    def recv_from_client(self) -> tuple[str, Message]:
        """(who, what). Raises RPCReceiveError for what is to be dropped, RPCError when the network is broken."""
        try:
            frames = self.socket.recv_multipart()
        except ZMQError as error:
            raise RPCError("ZMQ network broken") from error
        who = frames[0].decode("ascii", "replace")
        if not _PEER.fullmatch(who):
            raise RPCReceiveError("a peer without a proper name was not heard")
        try:
            message = message_of(frames[1:])
        except ValueError as error:
            raise RPCReceiveError(f"what {who} sent is no message: {error}") from error
        if message.node_id != who:
            raise RPCReceiveError(f"{who} spoke for another and was not heard")
        return who, message


class Client(_Socket):
    """A worker's end."""

    def __init__(self, host: str, port: int, identity: str, seal: Seal | None) -> None:
        super().__init__(zmq.DEALER, host, port)
        self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        if seal is not None:
            public, private = zmq.curve_keypair()
            self.socket.setsockopt(zmq.CURVE_SERVERKEY, seal.public)
            self.socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, private)
        self.socket.connect(f"tcp://{host}:{port}")

    def recv(self) -> Message:
        """The master's next message. Raises RPCError for what is to be dropped."""
        try:
            return message_of(self.socket.recv_multipart())
        except ZMQError as error:
            raise RPCError("ZMQ network broken") from error
        except ValueError as error:
            raise RPCError(f"what the master sent is no message: {error}") from error


def message_of(frames: list[bytes]) -> Message:
    """What one frame holds: type, data and sender. Raises ValueError for anything else.

    Without Locust's own hook for objects, which calls constructors on what a peer has sent; nobody here sends such.
    """
    if len(frames) != 1:
        raise ValueError(f"{len(frames)} frames")
    try:
        parts: Any = msgpack.unpackb(frames[0], raw=False, strict_map_key=False)
    except TypeError as error:  # a key that can't be hashed
        raise ValueError(str(error)) from error
    match parts:
        case [str() as kind, data, str() as sender]:
            return Message(kind, data, sender)
    raise ValueError("not of three parts")
