"""The emulated WAN's loop: packets are read from a TUN device a site, held for their delay, and written to another's.

Compiled, since every packet between sites goes through it: a request and its response are four or more. A packet is copied
twice, by the kernel; here it waits in the slot that it was read into.

Rules that hold here: packets of one pair of sites keep their order, unless one is drawn to overtake; a packet that is lost, cut
off or refused for want of room is counted; the same seed draws the same fates for the same packets of a pair.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from loadtests.kernels import copy_bytes
from sim.kernels import kernel, leaf_kernel

MTU = 9_000  # [bytes] of the devices: an SSTable's stream goes in few packets, and a request in one
SLOT_BYTES = 9_216
SLOTS = 32_768  # packets under way at once: 150 ms of 200 MB/s are 3,400 large ones
HOSTS = 256
READ_BATCH = 64  # packets of a site, before the others have their turn
LATENESS_BUCKETS = 2_001  # 100 ms; the last one holds what is later
LATENESS_BUCKET_NS = 50_000

_CLOCK_MONOTONIC = 1
_POLLIN = 1
_IDLE_NS = 20_000_000  # how late a change of the rules is seen while no packet comes
_IPV4 = 4
_SOURCE, _TARGET = 12, 16  # where an IPv4 header has its addresses [bytes]
_ALWAYS = 1 << 32  # a chance of one, of which a draw of 32 bits is always below


class RuleField(IntEnum):
    """Columns of `EmulatedWan.rules`, of a pair of sites in one direction."""

    DELAY_NS = 0
    JITTER_NS = 1  # a uniform draw of up to so much is added
    LOSS = 2  # chances, of _ALWAYS
    DUPLICATE = 3
    REORDER = 4
    PS_PER_BYTE = 5  # 0: no limit of the rate
    QUEUE_NS = 6  # what waits longer than that for its turn at the rate is dropped, as a router's queue does


class PacketCount(IntEnum):
    """Columns of `EmulatedWan.counts`, of a pair of sites in one direction."""

    PACKETS = 0
    BYTES = 1
    LOST = 2  # drawn
    CUT = 3  # of endpoints that are parted
    QUEUE_FULL = 4  # of the line's rate
    NO_ROOM = 5  # more than SLOTS under way: the emulator's own limit
    DUPLICATED = 6
    REORDERED = 7


class EmulatedWan(NamedTuple):
    """All that the loop reads and writes; other threads change `rules`, `is_cut` and `stop` while it runs.

    S sites, N endpoints (the field and the nodes).
    """

    fds: NDArray[np.int32]  # (S,) of the TUN devices
    endpoint_of: NDArray[np.int16]  # (S, HOSTS) by the last byte of an address; -1 is nobody
    rules: NDArray[np.int64]  # (S, S, RuleField)
    is_cut: NDArray[np.bool_]  # (N, N) from, to
    seed: NDArray[np.uint64]  # (1,)
    counts: NDArray[np.int64]  # (S, S, PacketCount)
    lateness: NDArray[np.int64]  # (LATENESS_BUCKETS,) how much later than due packets were written
    stop: NDArray[np.bool_]  # (1,)
    slots: NDArray[np.uint8]  # (SLOTS, SLOT_BYTES) packets
    sizes: NDArray[np.int32]  # (SLOTS,) [bytes]
    targets: NDArray[np.int32]  # (SLOTS,) sites
    free: NDArray[np.int32]  # (SLOTS,) a stack of slots that hold no packet
    due_ns: NDArray[np.int64]  # (2 * SLOTS,) a binary heap of instants [monotonic]
    due_slot: NDArray[np.int32]  # (2 * SLOTS,) the heap's slots, beside it
    sizes_of: NDArray[np.int64]  # (2,) how many slots are free; how many packets are in the heap
    last_ns: NDArray[np.int64]  # (S, S) when the last packet of a pair is due
    line_ns: NDArray[np.int64]  # (S, S) when the line of a pair is free
    poll: NDArray[np.int32]  # (S, 2) struct pollfd
    timespec: NDArray[np.int64]  # (2,)


def make_wan(fds: list[int], endpoint_of: NDArray[np.int16], seed: int) -> EmulatedWan:
    """A WAN without any rule between the devices of `fds`; int16[S, HOSTS] `endpoint_of` numbers who may send and receive."""
    sites, endpoints = len(fds), int(endpoint_of.max()) + 1
    poll = np.zeros((sites, 2), np.int32)
    poll[:, 0] = fds
    poll[:, 1] = _POLLIN
    return EmulatedWan(
        fds=np.array(fds, np.int32),
        endpoint_of=endpoint_of,
        rules=np.zeros((sites, sites, len(RuleField)), np.int64),
        is_cut=np.zeros((endpoints, endpoints), np.bool_),
        seed=np.array([seed], np.uint64),
        counts=np.zeros((sites, sites, len(PacketCount)), np.int64),
        lateness=np.zeros(LATENESS_BUCKETS, np.int64),
        stop=np.zeros(1, np.bool_),
        slots=np.empty((SLOTS, SLOT_BYTES), np.uint8),
        sizes=np.zeros(SLOTS, np.int32),
        targets=np.zeros(SLOTS, np.int32),
        free=np.arange(SLOTS, dtype=np.int32)[::-1].copy(),
        due_ns=np.zeros(2 * SLOTS, np.int64),
        due_slot=np.zeros(2 * SLOTS, np.int32),
        sizes_of=np.array([SLOTS, 0], np.int64),
        last_ns=np.zeros((sites, sites), np.int64),
        line_ns=np.zeros((sites, sites), np.int64),
        poll=poll,
        timespec=np.zeros(2, np.int64),
    )


_read = types.ExternalFunction("read", types.int64(types.int32, types.uintp, types.uintp))
_write = types.ExternalFunction("write", types.int64(types.int32, types.uintp, types.uintp))
_ppoll = types.ExternalFunction("ppoll", types.int32(types.uintp, types.uintp, types.uintp, types.uintp))
_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))


@kernel
def carry_packets(wan: EmulatedWan) -> None:
    """Carry packets until `wan.stop` is set; without the interpreter lock."""
    sites = wan.fds.size
    while not wan.stop[0]:
        now_ns = _now_ns(wan)
        while wan.sizes_of[1] > 0 and wan.due_ns[0] <= now_ns:
            deliver_first(wan, now_ns)
        wait_ns = _IDLE_NS
        if wan.sizes_of[1] > 0:
            wait_ns = min(wait_ns, max(wan.due_ns[0] - now_ns, 0))
        wan.timespec[0] = 0
        wan.timespec[1] = wait_ns
        if _ppoll(wan.poll.ctypes.data, sites, wan.timespec.ctypes.data, 0) <= 0:
            continue
        for site in range(sites):
            if wan.poll[site, 1] >> 16:  # revents
                wan.poll[site, 1] = _POLLIN
                _read_site(wan, site)


@leaf_kernel
def _now_ns(wan: EmulatedWan) -> int:
    _clock_gettime(_CLOCK_MONOTONIC, wan.timespec.ctypes.data)
    return wan.timespec[0] * 1_000_000_000 + wan.timespec[1]  # type: ignore[no-any-return]


@leaf_kernel
def _read_site(wan: EmulatedWan, site: int) -> None:
    """Read what a site sends, and send it on its way."""
    for _ in range(READ_BATCH):
        slot = wan.free[wan.sizes_of[0] - 1]
        packet = wan.slots[slot]
        size = _read(wan.fds[site], packet.ctypes.data, SLOT_BYTES)
        if size <= 0:
            return
        route(wan, site, slot, size, _now_ns(wan))


@leaf_kernel
def route(wan: EmulatedWan, source: int, slot: int, size: int, now_ns: int) -> None:
    """Decide the fate of the packet of `size` bytes in `slot`, the top of the free ones, that site `source` sent now.

    It is put into the heap with the instant at which it is due, twice when it is doubled, or counted as gone.
    """
    packet = wan.slots[slot]
    if size < 20 or packet[0] >> 4 != _IPV4:
        return  # the devices' own chatter of IPv6
    target = int(packet[_TARGET + 2])
    if target >= wan.fds.size or target == source or int(packet[_SOURCE + 2]) != source:
        return
    sender = wan.endpoint_of[source, packet[_SOURCE + 3]]
    receiver = wan.endpoint_of[target, packet[_TARGET + 3]]
    if sender < 0 or receiver < 0:
        return
    counts = wan.counts[source, target]
    if wan.sizes_of[0] == 1:  # the next packet must be read into some slot
        counts[PacketCount.NO_ROOM] += 1
        return
    number = counts[PacketCount.PACKETS]
    counts[PacketCount.PACKETS] += 1
    counts[PacketCount.BYTES] += size
    if wan.is_cut[sender, receiver]:
        counts[PacketCount.CUT] += 1
        return
    rule = wan.rules[source, target]
    if rule[RuleField.LOSS] and _draw(wan, source, target, number, 0) < rule[RuleField.LOSS]:
        counts[PacketCount.LOST] += 1
        return
    sent_ns = now_ns
    if rule[RuleField.PS_PER_BYTE]:
        begun_ns = max(now_ns, wan.line_ns[source, target])
        if begun_ns - now_ns > rule[RuleField.QUEUE_NS]:
            counts[PacketCount.QUEUE_FULL] += 1
            return
        sent_ns = begun_ns + size * rule[RuleField.PS_PER_BYTE] // 1_000
        wan.line_ns[source, target] = sent_ns
    delay_ns = rule[RuleField.DELAY_NS]
    if rule[RuleField.JITTER_NS]:
        delay_ns += (_draw(wan, source, target, number, 1) * rule[RuleField.JITTER_NS]) >> 32
    if rule[RuleField.REORDER] and _draw(wan, source, target, number, 2) < rule[RuleField.REORDER]:
        counts[PacketCount.REORDERED] += 1  # it overtakes what is under way, by half of its delay
        due_ns = sent_ns + delay_ns // 2
    else:
        due_ns = max(sent_ns + delay_ns, wan.last_ns[source, target] + 1)
        wan.last_ns[source, target] = due_ns
    wan.sizes_of[0] -= 1
    wan.sizes[slot] = size
    wan.targets[slot] = target
    _push(wan, due_ns, slot)
    if rule[RuleField.DUPLICATE] and _draw(wan, source, target, number, 3) < rule[RuleField.DUPLICATE]:
        if wan.sizes_of[0] == 1:
            return
        wan.sizes_of[0] -= 1
        other = wan.free[wan.sizes_of[0]]
        copy_bytes(packet, 0, wan.slots[other], 0, size)
        wan.sizes[other] = size
        wan.targets[other] = target
        counts[PacketCount.DUPLICATED] += 1
        _push(wan, due_ns, other)


@leaf_kernel
def deliver_first(wan: EmulatedWan, now_ns: int) -> None:
    """Write the packet that is due first to its site, and free its slot."""
    due_ns, slot = wan.due_ns[0], wan.due_slot[0]
    _pop(wan)
    _write(wan.fds[wan.targets[slot]], wan.slots[slot].ctypes.data, wan.sizes[slot])
    wan.lateness[min((now_ns - due_ns) // LATENESS_BUCKET_NS, LATENESS_BUCKETS - 1)] += 1
    wan.free[wan.sizes_of[0]] = slot
    wan.sizes_of[0] += 1


@leaf_kernel
def _draw(wan: EmulatedWan, source: int, target: int, number: int, purpose: int) -> int:
    """32 random bits for a packet of a pair, by SplitMix64's finalizer of what the draw is for.

    Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    bits = wan.seed[0] + np.uint64(0x9E3779B97F4A7C15) * np.uint64(
        ((number * HOSTS + source) * HOSTS + target) * 4 + purpose + 1
    )
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((bits ^ (bits >> np.uint64(31))) >> np.uint64(32))  # type: ignore[return-value]


@leaf_kernel
def _push(wan: EmulatedWan, due_ns: int, slot: int) -> None:
    at = wan.sizes_of[1]
    wan.sizes_of[1] += 1
    while at > 0:
        parent = (at - 1) // 2
        if wan.due_ns[parent] <= due_ns:
            break
        wan.due_ns[at], wan.due_slot[at] = wan.due_ns[parent], wan.due_slot[parent]
        at = parent
    wan.due_ns[at], wan.due_slot[at] = due_ns, slot


@leaf_kernel
def _pop(wan: EmulatedWan) -> None:
    wan.sizes_of[1] -= 1
    size = wan.sizes_of[1]
    due_ns, slot = wan.due_ns[size], wan.due_slot[size]
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and wan.due_ns[child + 1] < wan.due_ns[child]:
            child += 1
        if due_ns <= wan.due_ns[child]:
            break
        wan.due_ns[at], wan.due_slot[at] = wan.due_ns[child], wan.due_slot[child]
        at = child
    wan.due_ns[at], wan.due_slot[at] = due_ns, slot
