"""What becomes of each packet: its way, its delay, its losses; on a WAN whose devices are pipes that nobody reads."""

import os
from collections.abc import Iterator

import numpy as np
import pytest

from loadtests.sites.packets import (
    HOSTS,
    MTU,
    SLOTS,
    EmulatedWan,
    PacketCount,
    RuleField,
    carry_packets,
    deliver_first,
    make_wan,
    route,
)

ALWAYS = 1 << 32
MS = 1_000_000


@pytest.fixture
def wan() -> Iterator[EmulatedWan]:
    """Three sites, the second of two hosts; each device is the write end of a pipe."""
    pipes = [os.pipe2(os.O_NONBLOCK) for _ in range(3)]
    endpoint_of = np.full((3, HOSTS), -1, np.int16)
    for number, (site, host) in enumerate(((0, 1), (1, 1), (1, 2), (2, 1))):
        endpoint_of[site, host] = number
    yield make_wan([write for _, write in pipes], endpoint_of, seed=7)
    for pipe in pipes:
        for end in pipe:
            os.close(end)


def send(wan: EmulatedWan, source: str, target: str, now_ns: int = 0, size: int = 100, version: int = 4) -> None:
    """A packet from SITE.HOST to SITE.HOST, as the loop would have read it."""
    slot = int(wan.free[wan.sizes_of[0] - 1])
    packet = wan.slots[slot]
    packet[:size] = 0
    packet[0] = version << 4
    for at, text in ((12, source), (16, target)):
        packet[at : at + 4] = [10, 77, *map(int, text.split("."))]
    route(wan, int(source.partition(".")[0]), slot, size, now_ns)


def due_ns(wan: EmulatedWan) -> list[int]:
    """When the packets under way are due, in order; they are delivered by it."""
    found = []
    while wan.sizes_of[1]:
        found.append(int(wan.due_ns[0]))
        deliver_first(wan, found[-1])
    return found


def count(wan: EmulatedWan, source: int, target: int, what: PacketCount) -> int:
    return int(wan.counts[source, target, what])


def test_a_packet_is_due_after_its_delay_and_those_of_a_pair_keep_their_order(wan: EmulatedWan) -> None:
    wan.rules[0, 1, RuleField.DELAY_NS] = 20 * MS
    send(wan, "0.1", "1.1", now_ns=5)
    send(wan, "0.1", "1.2", now_ns=5)
    send(wan, "1.1", "0.1", now_ns=5)
    assert due_ns(wan) == [5, 20 * MS + 5, 20 * MS + 6]
    assert wan.sizes_of.tolist() == [SLOTS, 0]
    assert count(wan, 0, 1, PacketCount.PACKETS) == 2
    assert count(wan, 0, 1, PacketCount.BYTES) == 200


def test_jitter_delays_more_and_never_turns_the_order_round(wan: EmulatedWan) -> None:
    wan.rules[0, 1, RuleField.DELAY_NS] = 10 * MS
    wan.rules[0, 1, RuleField.JITTER_NS] = 4 * MS
    sent = [number * MS for number in range(1_000)]
    for now in sent:
        send(wan, "0.1", "1.1", now_ns=now)
    due = due_ns(wan)
    assert due == sorted(due)
    extra = [one - now - 10 * MS for one, now in zip(due, sent, strict=True)]
    assert 0 <= min(extra) < MS
    assert 3 * MS < max(extra) <= 4 * MS


def test_a_packet_that_overtakes_takes_half_of_its_delay(wan: EmulatedWan) -> None:
    wan.rules[0, 1, RuleField.DELAY_NS] = 10 * MS
    wan.rules[0, 1, RuleField.REORDER] = ALWAYS
    send(wan, "0.1", "1.1")
    assert due_ns(wan) == [5 * MS]
    assert count(wan, 0, 1, PacketCount.REORDERED) == 1


def test_losses_and_doubles_come_as_often_as_they_are_asked_for_and_alike_by_the_seed(wan: EmulatedWan) -> None:
    wan.rules[0, 1, RuleField.LOSS] = ALWAYS // 10
    wan.rules[0, 1, RuleField.DUPLICATE] = ALWAYS // 4
    for now in range(10_000):
        send(wan, "0.1", "1.1", now_ns=now)
    lost, doubled = count(wan, 0, 1, PacketCount.LOST), count(wan, 0, 1, PacketCount.DUPLICATED)
    assert (lost, doubled) == (980, 2_232)  # of 1,000 and 2,255 expected, whose standard deviations are 30 and 41
    assert len(due_ns(wan)) == 10_000 - lost + doubled


def test_the_rate_queues_packets_and_drops_what_would_wait_too_long(wan: EmulatedWan) -> None:
    wan.rules[0, 1, RuleField.PS_PER_BYTE] = 8_000_000  # 1 Mbit/s: 100 bytes take 0.8 ms
    wan.rules[0, 1, RuleField.QUEUE_NS] = 2 * MS
    for _ in range(6):
        send(wan, "0.1", "1.1")
    assert due_ns(wan) == [800_000, 1_600_000, 2_400_000]
    assert count(wan, 0, 1, PacketCount.QUEUE_FULL) == 3


def test_what_is_cut_is_cut_in_that_direction_between_those_endpoints_alone(wan: EmulatedWan) -> None:
    wan.is_cut[1, 3] = True  # from 1.1 to 2.1
    for source, target in (("1.1", "2.1"), ("1.2", "2.1"), ("2.1", "1.1")):
        send(wan, source, target)
    assert len(due_ns(wan)) == 2
    assert count(wan, 1, 2, PacketCount.CUT) == 1


@pytest.mark.parametrize(
    ("source", "target", "version"),
    [("0.1", "0.1", 4), ("0.1", "1.3", 4), ("0.1", "9.1", 4), ("0.2", "1.1", 4), ("0.1", "1.1", 6)],
)
def test_a_packet_from_or_to_nobody_or_of_another_protocol_goes_nowhere(
    wan: EmulatedWan, source: str, target: str, version: int
) -> None:
    send(wan, source, target, version=version)
    assert due_ns(wan) == []
    assert not wan.counts.any()


def test_more_packets_than_there_is_room_for_are_dropped_and_counted_and_one_slot_stays_to_read_into(
    wan: EmulatedWan,
) -> None:
    wan.rules[0, 1, RuleField.DELAY_NS] = MS
    wan.sizes_of[0] = 3
    for _ in range(5):
        send(wan, "0.1", "1.1")
    assert count(wan, 0, 1, PacketCount.NO_ROOM) == 3
    assert wan.sizes_of.tolist() == [1, 2]


def test_the_loop_reads_from_one_device_and_writes_to_the_other_what_it_read() -> None:
    """Sockets of datagrams stand for the devices."""
    import socket
    import threading

    ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    for ours, theirs in ends:
        ours.setblocking(False)
        theirs.settimeout(10)
    endpoint_of = np.full((2, HOSTS), -1, np.int16)
    endpoint_of[:, 1] = (0, 1)
    wan = make_wan([ours.fileno() for ours, _ in ends], endpoint_of, seed=7)
    thread = threading.Thread(target=carry_packets, args=(wan,))
    thread.start()
    try:
        sent = [
            bytes([4 << 4, *bytes(11), 10, 77, 0, 1, 10, 77, 1, 1]) + os.urandom(size) for size in (0, 100, MTU - 20)
        ]
        for packet in sent:
            ends[0][1].send(packet)
        assert [ends[1][1].recv(1 << 16) for _ in sent] == sent
    finally:
        wan.stop[0] = True
        thread.join()
        for pair in ends:
            for end in pair:
                end.close()
    assert wan.lateness.sum() == len(sent)
