"""Network namespaces made and joined: what a site is for the kernel. All act in the thread that calls them, and end with the run.

Each raises OSError, or pyroute2's NetlinkError, where the machine does not let us.
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from loadtests.sites.packets import MTU

NEW_NETWORK = 0x40000000  # linux/sched.h
ALL_SITES = "10.77.0.0/16"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_SCOPE_LINK = 253  # linux/rtnetlink.h
_DEVICE = "wan0"
_NODE_DEVICE = "lan0"
_QUEUE_PACKETS = 10_000  # the kernel's, towards us

_libc = ctypes.CDLL(None, use_errno=True)


def new_namespace() -> int:
    """A network namespace with its loopback, which this thread is in from now on; its descriptor."""
    from pyroute2 import IPRoute

    require(_libc.unshare(NEW_NETWORK), "a network namespace")
    with IPRoute() as route:
        route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def join_nodes(nodes: Mapping[str, int]) -> None:
    """Make this thread's namespace the router of nodes, by their addresses: a pair of devices to the namespace of each."""
    from pyroute2 import IPRoute, NetlinkError

    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")  # of this thread's namespace
    with IPRoute() as route:
        for number, (address, namespace) in enumerate(nodes.items(), start=1):
            near = f"node{number}"
            try:
                route.link("add", ifname=near, kind="veth", peer={"ifname": _NODE_DEVICE, "net_ns_fd": namespace})
            except NetlinkError as error:
                raise OSError(
                    error.code,
                    f"a data centre of several nodes needs veth devices, which `modprobe veth` brings: {error}",
                ) from error
            index = route.link_lookup(ifname=near)[0]
            route.link("set", index=index, mtu=MTU, state="up")
            route.route("add", dst=f"{address}/32", oif=index, scope=_SCOPE_LINK)


def join_router(namespace: int, address: str, gateway: str) -> None:
    """Give a node's namespace its address, and its way to all others through the router."""
    from pyroute2 import IPRoute

    enter(namespace, "the network of a node")
    with IPRoute() as route:
        index = route.link_lookup(ifname=_NODE_DEVICE)[0]
        route.addr("add", index=index, address=address, prefixlen=32)
        route.link("set", index=index, mtu=MTU, state="up")
        route.route("add", dst=f"{gateway}/32", oif=index, scope=_SCOPE_LINK)
        route.route("add", dst=ALL_SITES, gateway=gateway, prefsrc=address)


def make_device(address: str) -> int:
    """A TUN device with this address in the thread's network namespace, on the way to all sites; its descriptor."""
    from pyroute2 import IPRoute

    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
        with IPRoute() as route:
            route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
            index = route.link_lookup(ifname=_DEVICE)[0]
            route.addr("add", index=index, address=address, prefixlen=32)
            route.link("set", index=index, mtu=MTU, txqlen=_QUEUE_PACKETS, state="up")
            route.route("add", dst=ALL_SITES, oif=index, prefsrc=address)
    except BaseException:
        os.close(device)
        raise
    return device


def enter(namespace: int, what: str) -> None:
    """Have this thread be in a network namespace from now on. what: for, in the words of the OSError where it can't."""
    require(_libc.setns(namespace, NEW_NETWORK), what)


def throw_away(receiver: str, *, is_cut: bool) -> None:
    """Have this thread's namespace throw away what goes to an address, or not any more; where it is so already, nothing."""
    from pyroute2 import IPRoute, NetlinkError

    with IPRoute() as route:
        try:
            route.route("replace" if is_cut else "del", dst=f"{receiver}/32", type="blackhole")
        except NetlinkError as error:
            if is_cut or error.code != errno.ESRCH:  # no such route
                raise


def require(result: int, what: str) -> None:
    """Raises OSError with what failed for a system call that did."""
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
