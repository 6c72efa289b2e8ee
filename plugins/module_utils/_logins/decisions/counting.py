# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins counted by address, user and network: which of them failed, which are guesses, and who got in after them.

This module util is PRIVATE to the collection: it may change at any time.

sshd writes several lines for one attempt. What it says of one connection (address, port and process) is put together first:

- A connection that ends in a login has not failed.
- Otherwise it counts as often as a password was wrong, or once where it was given up before that. What PAM says through sshd has no
  port: it counts where "Failed keyboard-interactive" is not said as often.
- A connection of which nothing but keys was refused has failed once, and guessed nothing: an agent offers every key that it has.
- What PAM writes by itself counts for an address of which sshd says nothing, as with a LogLevel that leaves failures out.

Events may come in either direction of time. Memory is bounded: see the limits below. What found no room is counted, and told.
"""

from __future__ import annotations

import array
import bisect
import collections
import dataclasses
import ipaddress
import typing as t

from .lines import CLOSED, EXCEEDED, INVALID, LOGINS, Event

#: Connections whose lines are put together at the same time; the one that was seen first goes where there are more.
_MOST_OPEN = 20_000
#: Two lines of one connection are no farther apart than this: seconds. Ports and processes' numbers come again.
_LONGEST = 600.0
#: Addresses, names, pairs of both, and logins that got in, that are counted each by itself.
_MOST_ADDRESSES, _MOST_USERS, _MOST_PAIRS, _MOST_LOGINS = 100_000, 50_000, 200_000, 20_000
#: Times that are kept: of one connection, and of a source.
_MOST_REPEATED, _MOST_TIMES = 10_000, 4_000_000
#: How many lines that were not understood are shown.
_SAMPLES = 3
#: A network of one attacker: the smallest that providers give to a site.
PREFIXES = {4: 24, 6: 64}
_EARLIEST = float("-inf")
#: Why a connection was given up, what says most first.
_GIVEN_UP = (INVALID, EXCEEDED, CLOSED, "")


@dataclasses.dataclass(frozen=True)
class Lines:
    """How much of what sshd wrote was understood.

    Attributes:
        seen, understood: lines.
        samples: some that were not.
        scans: connections without a login, by address.
    """

    seen: int = 0
    understood: int = 0
    samples: tuple[str, ...] = ()
    scans: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Lines that may each be a failed login."""
        return self.seen - self.understood


NO_LINES = Lines()


@dataclasses.dataclass
class Tally:
    """What one address did.

    Attributes:
        failed: how often it failed.
        offered: how often of these it only offered keys, and guessed nothing.
        accepted: how often it got in.
        keys: how often of these by a key, or something else that nobody guesses.
        before: guesses before it got in for the last time; None where that is not known.
    """

    address: str
    failed: int = 0
    accepted: int = 0
    first: t.Optional[float] = None
    last: t.Optional[float] = None
    users: dict[str, int] = dataclasses.field(default_factory=dict)
    offered: int = 0
    keys: int = 0
    before: t.Optional[int] = None

    @property
    def guesses(self) -> int:
        """Failures that are not mere offers of keys."""
        return self.failed - self.offered

    @property
    def suspected(self) -> int:
        """Guesses before it got in, as far as that is known."""
        return self.guesses if self.before is None else min(self.before, self.guesses)

    @property
    def by_keys_alone(self) -> bool:
        """Whether it got in, and never by something that can be guessed."""
        return 0 < self.accepted == self.keys

    @property
    def at_home(self) -> bool:
        """Whether it gets in more often than it guesses, or by keys alone: whoever works there must not be banned."""
        return self.by_keys_alone or self.accepted > self.guesses

    def see(self, at: float | None) -> None:
        """Take a time into account."""
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)


@dataclasses.dataclass(frozen=True)
class Net:
    """What the addresses of one network did together: their guesses, how many guessed, and how often one got in."""

    network: str
    guesses: int = 0
    addresses: int = 0
    accepted: int = 0


@dataclasses.dataclass(frozen=True)
class Login:
    """Somebody who got in by something that can be guessed, with the guesses before that.

    Attributes:
        times: how often; at: the last time.
        tried: guesses in the connection that ended so.
        of_user, of_address, of_network: guesses against this user from anywhere, and from this address and its network.
        names: how many other names were tried from this address.
        at_home: whether this address gets in more often than it guesses.
    """

    address: str
    user: str
    how: str
    times: int = 1
    at: t.Optional[float] = None
    tried: int = 0
    of_user: int = 0
    of_address: int = 0
    of_network: int = 0
    names: int = 0
    at_home: bool = False


@dataclasses.dataclass(frozen=True)
class Picture:
    """Everything that was counted.

    Attributes:
        users: guesses by the name that was tried.
        lines: how much was understood.
        others: guesses of addresses beyond those that are counted each by itself.
    """

    tallies: tuple[Tally, ...] = ()
    networks: tuple[Net, ...] = ()
    users: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    logins: tuple[Login, ...] = ()
    lines: Lines = NO_LINES
    others: int = 0


def is_guess(how: str) -> bool:
    """Whether a method takes something that a person can guess."""
    return how in ("", "password", "none") or how.startswith("keyboard-interactive")


def network_of(address: str) -> str:
    """The network that an address is counted with."""
    one = ipaddress.ip_address(address)
    kind = ipaddress.IPv4Network if one.version == 4 else ipaddress.IPv6Network
    return str(kind((int(one), PREFIXES[one.version]), strict=False))


class _Connection:
    """What was said of one connection."""

    __slots__ = ("accepted", "address", "asked_pam", "at", "by_key", "given_up", "how", "offered", "passwords", "said", "typed", "user")

    def __init__(self, address: str) -> None:
        self.address, self.user, self.how = address, "", ""
        self.at: t.Optional[float] = None
        self.accepted = self.passwords = self.typed = self.asked_pam = self.offered = 0
        self.given_up, self.by_key = "", False
        #: When something was guessed, and how often.
        self.said: list[tuple[float, int]] = []

    @property
    def guesses(self) -> int:
        return self.passwords + max(self.typed, self.asked_pam)

    def add(self, event: Event) -> None:
        """Take an event into account."""
        self.user = event.user or self.user
        self.at = event.at if self.at is None or (event.at is not None and event.at > self.at) else self.at
        if event.kind == "accepted":
            self.accepted += event.times
            self.how = event.how
        elif event.kind == "partial":
            self.by_key = self.by_key or not is_guess(event.how)
        elif event.kind == "given_up":
            self.given_up = min(self.given_up or event.how, event.how, key=_GIVEN_UP.index)
            self._at(event, times=1)
        elif event.kind == "asked_pam":
            self.asked_pam += event.times
            self._at(event)
        elif not is_guess(event.how):
            self.offered += event.times
            self._at(event, times=1)
        elif event.how.startswith("keyboard"):
            self.typed += event.times
            self._at(event)
        else:
            self.passwords += event.times
            self._at(event)

    def _at(self, event: Event, times: t.Optional[int] = None) -> None:
        if len(self.said) < _MOST_REPEATED:
            self.said.append((_EARLIEST if event.at is None else event.at, event.times if times is None else times))

    def times(self, count: int) -> list[float]:
        """When so many guesses were made: the earliest times that something was said, and the last one of them for what is left."""
        count = min(count, _MOST_REPEATED)
        if len(self.said) == 1:
            return [self.said[0][0]] * count
        found = [at for at, times in sorted(self.said) for _one in range(min(times, count))][:count]
        return found + [found[-1] if found else _EARLIEST] * (count - len(found))


class Counted:
    """One source as it is counted: a log, or the journal. Complete after end().

    Args:
        since: seconds since the epoch; events without a time count.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self.tallies: dict[str, Tally] = {}
        self.times: dict[str, array.array[float]] = {}
        self.users: dict[str, array.array[float]] = {}
        self.by_user: collections.Counter[str] = collections.Counter()
        self.logins: dict[tuple[str, str, str], Login] = {}
        self.logins_lost = False
        self.others = self._pairs = self._times = 0
        self._open: dict[tuple[str, str, str], _Connection] = {}
        self._without_port: dict[tuple[str, str], tuple[str, str, str]] = {}
        #: What PAM said by itself, by address and module, and how often it let somebody in.
        self._pam: dict[str, dict[str, list[Event]]] = {}
        self._pam_kept = 0
        self._pam_ok: collections.Counter[str] = collections.Counter()
        #: Without a process's number: what PAM said through sshd, and what sshd said of the same.
        self._asked: dict[str, list[Event]] = {}
        self._typed: collections.Counter[str] = collections.Counter()
        self._seen = self._not_understood = 0
        self._samples: dict[str, None] = {}
        self._scans: collections.Counter[str] = collections.Counter()

    def add_all(self, events: t.Iterable[Event]) -> None:
        """Take events into account."""
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if event.at is not None and event.at < self._since:
            return
        kind = event.kind
        if kind in LOGINS:
            if event.port or kind == "asked_pam":
                self._seen += 1
            if kind == "asked_pam" and not event.pid:
                self._keep(self._asked, event)
                return
            if kind == "failed" and not event.pid and event.how.startswith("keyboard"):
                self._typed[event.address] += event.times
            self._add_login(event)
            return
        if kind in ("pam", "pam_ok"):
            self._seen += 1
            if kind == "pam_ok":
                self._pam_ok[event.address] += event.times
            elif self._pam_kept < _MOST_PAIRS:
                # PAM says the first failure and "more" of them in two lines, of which the second has no module.
                self._pam_kept += 1
                self._pam.setdefault(event.address, {}).setdefault(event.how, []).append(event)
            return
        self._seen += 1
        if kind == "scan":
            if len(self._scans) < _MOST_ADDRESSES or event.address in self._scans:
                self._scans[event.address] += event.times
        elif kind == "other":
            self._not_understood += 1
            if len(self._samples) < _SAMPLES:
                self._samples[event.user] = None

    def _keep(self, where: dict[str, list[Event]], event: Event) -> None:
        if event.address in where or len(where) < _MOST_ADDRESSES:
            where.setdefault(event.address, []).append(event)

    def _add_login(self, event: Event) -> None:
        if event.kind == "accepted" and not event.port:  # nothing tells which connection it ends
            one = _Connection(event.address)
            one.add(event)
            self._got_in(one)
            return
        key = (event.address, event.port, event.pid)
        short = (event.address, event.pid)
        if not event.port and event.pid and short in self._without_port:
            key = self._without_port[short]
        found = self._open.get(key)
        if found is None and event.port and event.pid:
            # What PAM said of this connection before sshd did.
            found = self._open.pop((event.address, "", event.pid), None)
            if found is not None:
                self._open[key] = found
        if found is not None and self._is_another(found, event):
            self._close(key)
            found = None
        if found is None:
            if len(self._open) >= _MOST_OPEN:
                self._close(next(iter(self._open)))
            found = self._open[key] = _Connection(event.address)
        if event.pid:
            self._without_port[short] = key
            if len(self._without_port) > 2 * _MOST_OPEN:
                self._without_port = {(known[0], known[2]): known for known in self._open}
        found.add(event)

    @staticmethod
    def _is_another(one: _Connection, event: Event) -> bool:
        """Whether an event is of a later or earlier connection with the same port."""
        if event.at is not None and one.at is not None:
            if abs(event.at - one.at) > _LONGEST:
                return True
            if one.accepted and event.kind != "accepted" and event.at > one.at:
                return True
        return bool(one.accepted) and event.kind == "accepted"

    def _close(self, key: tuple[str, str, str]) -> None:
        one = self._open.pop(key)
        self._without_port.pop((key[0], key[2]), None)
        if one.accepted:
            self._got_in(one)
            return
        guesses = one.guesses or int(one.given_up == INVALID or (one.given_up == EXCEEDED and not one.offered))
        if guesses:
            self._failed(one.address, one.user, one.times(guesses), guesses)
        elif one.offered or one.given_up:
            self._failed(one.address, one.user, one.times(1), 1, offered=True)

    def _got_in(self, one: _Connection) -> None:
        tally = self._tally(one.address)
        by_key = one.by_key or not is_guess(one.how)
        if tally is not None:
            tally.accepted += one.accepted
            tally.keys += one.accepted if by_key else 0
        key = (one.address, one.user, one.how)
        known = self.logins.get(key)
        if known is None and len(self.logins) >= _MOST_LOGINS:
            self.logins_lost = True
            return
        known = known or Login(one.address, one.user, "key" if by_key else one.how, times=0, tried=0)
        latest = [at for at in (known.at, one.at) if at is not None]
        self.logins[key] = dataclasses.replace(
            known, times=known.times + one.accepted, at=max(latest) if latest else None, tried=max(known.tried, one.guesses),
        )

    def _failed(self, address: str, user: str, times: t.Sequence[float], count: int, *, offered: bool = False) -> None:
        tally = self._tally(address)
        if tally is None:
            self.others += 0 if offered else count
        else:
            tally.failed += count
            tally.offered += count if offered else 0
            for at in (times[0], times[-1]):
                tally.see(None if at == _EARLIEST else at)
            if user in tally.users or self._pairs < _MOST_PAIRS:
                self._pairs += user not in tally.users
                tally.users[user] = tally.users.get(user, 0) + count
        if offered:
            return
        if user in self.by_user or len(self.by_user) < _MOST_USERS:
            self.by_user[user] += count
        if self._times + len(times) <= _MOST_TIMES:
            self._times += len(times)
            if tally is not None:
                self.times.setdefault(address, array.array("d")).extend(times)
            if user in self.by_user:
                self.users.setdefault(user, array.array("d")).extend(times)

    def _tally(self, address: str) -> t.Optional[Tally]:
        found = self.tallies.get(address)
        if found is None and len(self.tallies) < _MOST_ADDRESSES:
            found = self.tallies[address] = Tally(address)
        return found

    def end(self) -> None:
        """Close what is open."""
        for key in list(self._open):
            self._close(key)
        for address, events in self._asked.items():
            left = sum(event.times for event in events) - self._typed[address]
            got_in = self.tallies[address].accepted if address in self.tallies else 0
            self._alone(address, events, most=left - got_in)
        for address, modules in self._pam.items():
            tally = self.tallies.get(address)
            if tally is None or not (tally.failed or tally.accepted):
                more = modules.pop("PAM", [])
                events = max(modules.values(), key=lambda one: sum(event.times for event in one), default=[])
                events = [*events, *more]
                self._alone(address, events, most=sum(event.times for event in events) - self._pam_ok[address])
        self._asked, self._pam = {}, {}
        for one in (*self.times.values(), *self.users.values()):
            _sort(one)

    def _alone(self, address: str, events: t.Sequence[Event], *, most: int) -> None:
        for event in events:
            count = min(event.times, most)
            if count > 0:
                most -= count
                at = _EARLIEST if event.at is None else event.at
                self._failed(address, event.user, [at] * min(count, _MOST_REPEATED), count)

    @property
    def lines(self) -> Lines:
        """How much was understood."""
        return Lines(self._seen, self._seen - self._not_understood, tuple(self._samples), dict(self._scans))


def counted(events: t.Iterable[Event], *, since: float) -> Counted:
    """What one source says since a time."""
    found = Counted(since)
    found.add_all(events)
    found.end()
    return found


def picture(sources: t.Sequence[Counted]) -> Picture:
    """What the sources say together. Those that tell of the same events are not added up: the larger number of an address counts."""
    chosen: dict[str, Counted] = {}
    for source in sources:
        for address, tally in source.tallies.items():
            known = chosen.get(address)
            if known is None or _size(tally) > _size(known.tallies[address]):
                chosen[address] = source
    tallies = {address: dataclasses.replace(source.tallies[address]) for address, source in chosen.items()}
    users: collections.Counter[str] = collections.Counter()
    for source in sources:
        users |= source.by_user
    members: dict[str, list[str]] = {}
    for address in tallies:
        members.setdefault(network_of(address), []).append(address)
    together = _together(tallies)
    users |= together
    logins = [login for source in sources for login in source.logins.values() if chosen.get(login.address) is source]
    for login in logins:
        tally = tallies[login.address]
        if chosen[login.address].logins_lost:
            continue
        tally.before = max(tally.before or 0, _until(chosen[login.address].times.get(login.address), login.at))
    return Picture(
        tallies=tuple(tallies.values()), users=users, others=max((source.others for source in sources), default=0),
        networks=tuple(_net(name, [tallies[address] for address in addresses]) for name, addresses in members.items()),
        logins=tuple(
            _with_guesses(login, sources=sources, chosen=chosen, members=members, tally=tallies[login.address])
            for login in logins if login.how != "key"
        ),
        lines=max((source.lines for source in sources), key=lambda one: (one.seen, one.missing), default=NO_LINES),
    )


def _size(tally: Tally) -> tuple[int, int, int]:
    return tally.guesses, tally.failed, tally.accepted


def _together(tallies: t.Mapping[str, Tally]) -> collections.Counter[str]:
    """Guesses by user of all addresses, as far as their names were kept: sources of different hosts add up."""
    found: collections.Counter[str] = collections.Counter()
    for tally in tallies.values():
        if not tally.offered:
            found.update(tally.users)
    return found


def _net(name: str, tallies: t.Sequence[Tally]) -> Net:
    return Net(name, sum(one.guesses for one in tallies), sum(1 for one in tallies if one.guesses), sum(one.accepted for one in tallies))


def _with_guesses(
    login: Login, *, sources: t.Sequence[Counted], chosen: t.Mapping[str, Counted], members: t.Mapping[str, t.Sequence[str]],
    tally: Tally,
) -> Login:
    near = members[network_of(login.address)]
    return dataclasses.replace(
        login, of_user=max(_until(source.users.get(login.user), login.at) for source in sources),
        of_address=_until(chosen[login.address].times.get(login.address), login.at),
        of_network=sum(_until(chosen[address].times.get(address), login.at) for address in near),
        names=len(set(tally.users) - {login.user}), at_home=tally.at_home,
    )


def _until(times: t.Optional[t.Sequence[float]], at: t.Optional[float]) -> int:
    """How many of these times are not after another one."""
    return 0 if times is None else len(times) if at is None else bisect.bisect_right(times, at)


def _sort(times: array.array[float]) -> None:
    times[:] = array.array("d", sorted(times))
