# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that listen, and how many connections wait in each to be accepted.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, OK, WARNING, Finding

CHECK = "accept_queue"


@dataclasses.dataclass(frozen=True)
class Queue:
    """A socket that listens.

    Attributes:
        address: as ss says it: a star for both families.
        waiting: connections that the kernel has accepted and the service has not.
        most: of them. With one more the kernel drops new connections.
    """

    address: str
    waiting: int
    most: int

    @property
    def full(self) -> bool:
        """Whether the kernel drops whoever comes now."""
        return self.waiting > self.most


def parse_ss(text: str, *, port: int) -> tuple[Queue, ...]:
    """The sockets that listen on a port, from what `ss -ltn` printed (ss(8)); lines that are none are left out."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4 or words[0] != "LISTEN" or not (words[1].isdigit() and words[2].isdigit()):
            continue
        address, _colon, number = words[3].rpartition(":")
        if number == str(port):
            found.append(Queue(address.strip("[]"), int(words[1]), int(words[2])))
    return tuple(found)


def parse_proc(text: str, *, port: int, most: int) -> tuple[Queue, ...]:
    """The same from /proc/net/tcp or tcp6, which does not say how long the queue may be.

    Args:
        most: the length that no queue exceeds.
    """
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 5 or words[3] != "0A":
            continue
        address, _colon, number = words[1].partition(":")
        _sent, _colon, waiting = words[4].partition(":")
        try:
            if int(number, 16) == port:
                found.append(Queue(address, int(waiting, 16), most))
        except ValueError:
            continue  # not a line we know
    return tuple(found)


def judge_queue(port: int, looks: t.Sequence[t.Sequence[Queue]], *, seconds: float) -> t.Optional[Finding]:
    """Whether a service accepts who comes: a queue that is empty now and then is one that is emptied.

    Args:
        looks: the sockets of the port, one look after the other. One that was empty ended the looking.
        seconds: for how long it was looked.

    Returns:
        None where nobody listens, or nobody could say.
    """
    last = looks[-1] if looks else ()
    if not last:
        return None
    stuck = [queue for queue in last if all(any(one.address == queue.address and one.waiting for one in look) for look in looks)]
    worst = max(stuck or last, key=lambda queue: (queue.full, queue.waiting))
    subject, detail = f"this host {port}/tcp", {"sockets": [dataclasses.asdict(queue) for queue in last], "looked_for": seconds}
    if worst.full:
        return Finding(
            CHECK, CRITICAL, observed=worst.waiting, threshold=worst.most, unit="count", subject=subject, detail=detail,
            hint=f"The accept queue of {worst.address} is full, and the kernel drops new connections: the service hangs, or is too slow.",
        )
    if stuck and len(looks) > 1:
        return Finding(
            CHECK, WARNING, observed=worst.waiting, threshold=worst.most, unit="count", subject=subject, detail=detail,
            hint=f"Connections wait at {worst.address} and were not accepted within {seconds:g} s: the service hangs, or is too slow.",
        )
    return Finding(CHECK, OK, observed=worst.waiting, threshold=worst.most, unit="count", subject=subject, detail=detail)
