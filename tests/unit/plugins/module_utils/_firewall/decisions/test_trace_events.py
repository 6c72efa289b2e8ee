# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel tells of traced packets, and what became of each."""

from __future__ import annotations

import random

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.trace_events import (
    POLICY,
    QUIET,
    RULE,
    Event,
    Followed,
    Follower,
    Packet,
    Place,
    Reply,
    parse_events,
)

#: As a kernel (6.18) said them of a connection from 198.18.0.2 to port 22.
FIRST = (
    "b8000000110a000000000000000000000100000008000f00000000020800040000000003080006007f96421d0a000200656e74657200000013000100"
    "696e636964656e745f747261636500000c00030000000000000000060c00050008000100ffffffff08000a000000000206000b000001000018000800"
    "4500003cb3af40004006fae4c6120002c61200011800090099220016762e217600000000a002faf08c56000012000700e26d3bf78d0242987310e180"
    "08000000"
)
JUMP = (
    "b8000000110a000000000000000000000100000008000f00000000020800040000000003080006007f96421d0a000200696e7075740000000b000100"
    "66696c74657200000c00030000000000000000061400050008000100fffffffd080002007375620008000a000000000206000b000001000018000800"
    "4500003cb3af40004006fae4c6120002c61200011800090099220016762e217600000000a002faf08c56000012000700e26d3bf78d0242987310e180"
    "08000000"
)
ACCEPTED = (
    "4c000000110a000000000000000000000200000008000f00000000020800040000000001080006007f96421d0a000200494e5055540000000b000100"
    "66696c74657200000800100000000001"
)
SYN = Packet("198.18.0.2", "198.18.0.1", "tcp", 39202, 22, 0x02)


def test_messages_of_a_kernel() -> None:
    enter, jump, accepted = parse_events(bytes.fromhex(FIRST + JUMP + ACCEPTED))
    assert enter == Event(0x7F96421D, "inet", "incident_trace", "enter", RULE, 6, -1, SYN)
    assert (jump.table, jump.chain, jump.handle, jump.verdict) == ("filter", "input", 6, -3)
    assert (accepted.family, accepted.chain, accepted.kind, accepted.verdict, accepted.packet) == ("ip", "INPUT", POLICY, 1, None)


def test_attributes_may_be_marked_as_nested() -> None:
    verdict = JUMP.index("14000500")
    marked = JUMP[:verdict + 4] + "0580" + JUMP[verdict + 8:]
    assert parse_events(bytes.fromhex(marked)) == parse_events(bytes.fromhex(JUMP))


def test_anything_else_is_left_out() -> None:
    """Whatever a datagram holds, nobody fails on it: what cannot be read is not told."""
    whole = bytes.fromhex(FIRST + ACCEPTED)
    chance = random.Random(7)
    for _ in range(500):
        data = bytearray(whole[: chance.randrange(len(whole))])
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        parse_events(bytes(data))
    assert parse_events(b"") == parse_events(b"\0" * 64) == []


def follow(*events: Event, ports: tuple[int, ...] = (22,), at: float = 100.0) -> tuple[Followed, ...]:
    follower = Follower("ours", [Span.of(parse_network("198.18.0.0/28"))], ports=ports)
    for event in events:
        follower.take(event, at=0.0)
    return follower.followed(at=at)


def enter(number: int = 1, packet: Packet = SYN) -> Event:
    return Event(number, "inet", "ours", "enter", RULE, 1, -1, packet)


def leave(number: int = 2, flags: int = 0x12) -> Event:
    return Event(number, "inet", "ours", "leave", RULE, 1, -1, Packet("198.18.0.1", "198.18.0.2", "tcp", 22, 39202, flags))


def reached(chain: str, number: int = 1) -> Event:
    return Event(number, "inet", "ours", chain, POLICY, None, 1)


def dropped(number: int = 1, handle: int | None = 7) -> Event:
    return Event(number, "inet", "mine", "in", RULE if handle else POLICY, handle, 0)


PLACE = Place("inet", "mine", "in", 7)


@pytest.mark.parametrize(("events", "fate", "place", "reply"), [
    ([enter(), dropped()], "dropped", PLACE, None),
    ([enter(), dropped(handle=None)], "dropped", Place("inet", "mine", "in"), None),
    ([enter()], "lost", None, None),
    ([enter(), Event(1, "inet", "mine", "in", RULE, 7, 3 | 5 << 16)], "queued", PLACE, None),
    ([enter(), Event(1, "inet", "mine", "in", RULE, 7, 1), reached("arrived")], "arrived", None, None),
    ([enter(), reached("arrived"), leave(), reached("left", 2)], "arrived", None, Reply("accepted", "arrived")),
    ([enter(), reached("arrived"), leave(), dropped(2)], "arrived", None, Reply("accepted", "dropped", PLACE)),
    ([enter(), reached("arrived"), leave(), reached("left", 2), leave(3, 0x14)], "arrived", None, Reply("refused", "lost")),
    # A rule that rejects sends its reset before it is told that it dropped the packet.
    ([enter(), leave(2, 0x14), reached("left", 2), dropped()], "dropped", PLACE, None),
    # The answer has the memory of the packet that it answers.
    ([enter(), reached("arrived"), leave(1), reached("left")], "arrived", None, Reply("accepted", "arrived")),
    # Somebody else's packets, and those whose beginning nobody saw.
    ([enter(), reached("arrived"), dropped(9)], "arrived", None, None),
])
def test_what_became_of_a_packet(events: list[Event], fate: str, place: Place | None, reply: Reply | None) -> None:
    (one,) = follow(*events)
    assert (one.fate, one.place, one.reply, one.forwarded) == (fate, place, reply, False)


def test_sent_on_to_a_container() -> None:
    (one,) = follow(enter(), reached("left"))
    assert one.fate == "arrived" and one.forwarded


def test_others_and_other_ports_are_nobody() -> None:
    other = Packet("198.18.0.99", "198.18.0.1", "tcp", 5, 22, 2)
    assert follow(enter(packet=other), dropped()) == ()
    assert follow(enter(), dropped(), ports=(80,)) == ()


def test_a_reset_that_left_is_no_end_of_the_packet_that_it_answers() -> None:
    follower = Follower("ours", [Span.of(parse_network("198.18.0.2"))], ports=(22,))
    for event in (enter(), leave(2, 0x14), reached("left", 2)):
        follower.take(event, at=1.0)
    assert not follower.settled(at=1.1)
    follower.take(dropped(), at=1.1)
    assert follower.settled(at=1.1) and follower.followed(at=1.1)[0].fate == "dropped"


def test_it_is_over_when_of_everybody_to_each_port_it_is_known() -> None:
    follower = Follower("ours", [Span.of(parse_network("198.18.0.2")), Span.of(parse_network("198.18.0.3"))], ports=(22, 80))
    number = 0
    for source in ("198.18.0.2", "198.18.0.3"):
        for port in (22, 80):
            assert not follower.settled(at=99.0)
            number += 1
            follower.take(enter(number, Packet(source, "198.18.0.1", "tcp", 5, port, 2)), at=1.0)
    assert not follower.settled(at=1.0 + QUIET / 2) and follower.settled(at=1.0 + QUIET)
    assert follower.followed(at=1.0 + QUIET / 2) == (), "of these more is to be expected"
    follower.close()
    follower.take(enter(9), at=5.0)
    assert len(follower.followed(at=99.0)) == 4
