# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs by seed, whose truth is known: what people and attackers did is decided first, and written down then as sshd would.

The verdict, whom it names, and whom a ban would hit must be the truth's, whatever the format, the order of the lines, and where the log is
read from.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.attack import attackers
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.counting import Picture, counted, picture
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.lines import Event, of_journal, of_log
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.logins import SPREAD, judge_logins

from tests.support.decided import again

UTC = timezone.utc  # noqa: UP017 # make unit39 runs this too

NOW = int(time.time())
SINCE = NOW - 3600
WARNING, CRITICAL, SUSPICIOUS = 20, 200, 20
PEOPLE = ("ann", "bob", "carl", "dora", "emil")
#: Names that a client may send, to be taken for something else.
ODD = ("x from 198.51.100.99 port 1 ssh2", "a b", "root'", "", "user=<x> rip=198.51.100.99", "-", "\u00fc")


@dataclass
class Connection:
    """What happened in one connection.

    Attributes:
        guesses: wrong passwords; offered: refused keys; method: by which it got in, if it did.
    """

    at: int
    address: str
    user: str
    guesses: int = 0
    offered: int = 0
    method: str = ""
    typed: bool = False
    unknown_user: bool = False
    port: int = 0


@dataclass
class Story:
    """What happened, and who must never be banned."""

    connections: list[Connection] = field(default_factory=list)
    scans: Counter[str] = field(default_factory=Counter)
    honest: set[str] = field(default_factory=set)


def story(seed: int) -> Story:
    """People at work, and perhaps attacks."""
    dice = random.Random(seed)
    found = Story()
    when = sorted(dice.randrange(SINCE + 5, NOW - 5) for _number in range(4000))
    clock: Iterator[int] = iter(when)

    def add(at: int, address: str, user: str, **what: object) -> None:
        found.connections.append(Connection(at, address, user, port=1024 + len(found.connections), **what))  # type: ignore[arg-type]

    for number, person in enumerate(PEOPLE):
        address = f"192.0.2.{10 + number}" if dice.random() < 0.7 else f"2001:db8:1:{number + 1}::7"
        found.honest.add(address)
        kind = dice.choice(["agent", "password", "agent that fails", "two factors"])
        for _login in range(dice.randrange(1, 30)):
            at = dice.choice(when)
            if kind == "agent":
                add(at, address, person, offered=dice.randrange(6), method="publickey")
            elif kind == "two factors":
                add(at, address, person, offered=1, method="publickey,keyboard-interactive/pam")
            elif kind == "password":
                add(at, address, person, guesses=dice.choice([0, 0, 0, 1, 2]), method="password")
            else:
                add(at, address, person, offered=dice.randrange(1, 7))
        if kind == "password" and dice.random() < 0.5:
            add(dice.choice(when), address, person, guesses=dice.randrange(1, 4))
    for _scan in range(dice.randrange(40)):
        found.scans[f"198.51.100.{dice.randrange(1, 9)}"] += 1
    for attack in dice.sample(["one", "network", "six", "botnet", "spray"], dice.choice([0, 1, 1, 2])):
        _attack(attack, dice, add, clock)
    return found


def _attack(kind: str, dice: random.Random, add: Callable[..., None], clock: Iterator[int]) -> None:
    """Guess, and perhaps get in at a moment."""
    size = dice.choice([5, 15, 30, 90, 250])
    hosts = {"one": 1, "network": 12, "six": 12, "botnet": 60, "spray": 60}[kind]
    prefix = {"network": "203.0.113.{}", "six": "2001:db8:bad:1::{:x}"}.get(kind, "198.18.{}.7")
    addresses = [prefix.format(number + 1) for number in range(hosts)]
    target = dice.choice(["root", "root", dice.choice(PEOPLE)])
    gets_in = dice.choice([-1, -1, dice.randrange(size)])
    for number in range(size):
        user = dice.choice([*ODD, *(f"u{other}" for other in range(40))]) if kind == "spray" else target
        unknown = kind == "spray"
        add(next(clock), dice.choice(addresses), user, guesses=dice.randrange(1, 4), unknown_user=unknown, typed=dice.random() < 0.2)
        if number == gets_in:
            add(next(clock), dice.choice([*addresses, "198.51.100.200"]), target, method=dice.choice(["password", "publickey"]))


# The truth, from what happened.


@dataclass
class Truth:
    """What must come out."""

    failed: dict[str, int]
    guesses: dict[str, int]
    accepted: dict[str, int]
    failed_logins: str
    critical: set[tuple[str, str]]
    banned: set[str]


def truth(what: Story) -> Truth:
    failed: Counter[str] = Counter()
    guesses: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    users: Counter[str] = Counter()
    nets: Counter[str] = Counter()
    made: list[tuple[int, str, str]] = []
    for one in what.connections:
        if one.method:
            accepted[one.address] += 1
            keys[one.address] += one.method.startswith("publickey")
            continue
        count = one.guesses or int(one.unknown_user)
        failed[one.address] += count or 1
        guesses[one.address] += count
        users[one.user] += count
        nets[net_of(one.address)] += count
        made += [(one.at, one.address, one.user)] * count
    most = max([*guesses.values(), *nets.values(), 0])
    together = max([*users.values(), sum(guesses.values())])
    at_home = {address for address in accepted if accepted[address] > guesses[address] or accepted[address] == keys[address]}
    status = ("critical" if most >= CRITICAL or together >= SPREAD * CRITICAL else
              "warning" if most >= WARNING or together >= SPREAD * WARNING else "ok")
    critical = set()
    for one in what.connections:
        if one.method == "password":
            before = [guess for guess in made if guess[0] <= one.at]
            of_user = sum(1 for _at, _address, user in before if user == one.user)
            of_address = sum(1 for _at, address, _user in before if address == one.address)
            of_net = sum(1 for _at, address, _user in before if net_of(address) == net_of(one.address))
            stranger = one.address not in at_home and of_address
            if of_user >= SUSPICIOUS or (stranger and max(of_address, of_net) >= SUSPICIOUS):
                critical.add((one.address, one.user))
    banned = {address for address, count in guesses.items() if count >= SUSPICIOUS and address not in at_home}
    return Truth(
        {address: count for address, count in failed.items() if count}, dict(guesses), dict(accepted), status, critical, banned,
    )


def net_of(address: str) -> str:
    return ":".join(address.split(":")[:4]) if ":" in address else address.rpartition(".")[0]


# What is written down of it.


def messages(one: Connection, *, verbose: bool) -> Iterator[str]:
    """Of one connection, as sshd says it."""
    where = f"from {one.address} port {one.port}"
    name = f"invalid user {one.user}" if one.unknown_user else one.user
    if one.unknown_user:
        yield f"Invalid user {one.user} {where}"
    for number in range(one.offered):
        if verbose or number >= 3:
            yield f"Failed publickey for {name} {where} ssh2: ED25519 SHA256:k{number}"
    for _number in range(one.guesses):
        if one.typed:
            yield f"error: PAM: Authentication failure for {name.replace('invalid', 'illegal')} from {one.address}"
            if verbose:
                yield f"Failed keyboard-interactive/pam for {name} {where} ssh2"
        else:
            yield f"Failed password for {name} {where} ssh2"
    if not one.method:
        kind = "invalid" if one.unknown_user else "authenticating"
        yield f"Connection closed by {kind} user {one.user} {one.address} port {one.port} [preauth]"
        return
    first, _comma, second = one.method.partition(",")
    if second:
        yield f"Partial {first} for {one.user} {where} ssh2: ED25519 SHA256:aa"
    yield f"Accepted {second or first} for {one.user} {where} ssh2{'' if second or first == 'password' else ': ED25519 SHA256:aa'}"


def written(what: Story, seed: int) -> tuple[list[str], bool]:
    """The lines in the order of time, and whether they are the journal's."""
    dice = random.Random(-seed - 1)
    style = dice.choice(["rfc3339", "classic", "rfc5424", "journal"])
    program = dice.choice(["sshd", "sshd-session"])
    verbose = dice.random() < 0.5
    # The lines of one connection stay in their order, among those of the others.
    queues = [(one.at, [(one.port, text) for text in messages(one, verbose=verbose)]) for one in what.connections]
    for address, times in what.scans.items():
        queues += [(dice.randrange(SINCE + 5, NOW), [(9, f"Did not receive identification string from {address} port 9")])] * times
    queues += [(dice.randrange(SINCE + 5, NOW), [(3, "Server listening on 0.0.0.0 port 22.")]) for _number in range(5)]
    said = [(at, pid, text) for at, lines in sorted(queues, key=lambda item: item[0]) for pid, text in lines]
    if dice.random() < 0.5:
        said = list(_repeated(said))
    return [_line(style, at, program, pid, text) for at, pid, text in said], style == "journal"


def _repeated(said: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """As rsyslog writes the same message of the same process again."""
    place = 0
    while place < len(said):
        at, pid, text = said[place]
        end = place + 1
        while end < len(said) and said[end][1:] == (pid, text) and "PAM" not in text:
            end += 1
        yield said[place]
        if end - place > 1:
            yield at, pid, f"message repeated {end - place - 1} times: [ {text}]"
        place = end


def _line(style: str, at: int, program: str, pid: int, text: str) -> str:
    stamp = datetime.fromtimestamp(at, tz=UTC).isoformat()
    if style == "journal":
        return json.dumps({"MESSAGE": text, "SYSLOG_IDENTIFIER": program, "_PID": str(pid), "__REALTIME_TIMESTAMP": str(at * 1000000)})
    if style == "rfc5424":
        return f"<38>1 {stamp} gate {program} {pid} - - {text}"
    if style == "classic":
        stamp = time.strftime("%b %e %H:%M:%S", time.localtime(at))
    return f"{stamp} gate {program}[{pid}]: {text}"


def events_of(what: Story, seed: int) -> list[Event]:
    lines, of_the_journal = written(what, seed)
    return list(of_journal(lines) if of_the_journal else of_log(lines, now=NOW))


def judged(seen: Picture) -> tuple[dict[str, str], dict[str, object], set[tuple[str, str]]]:
    found = judge_logins(
        seen.tallies, warning=WARNING, critical=CRITICAL, suspicious=SUSPICIOUS, max_addresses=500, since=SINCE, skipped=(),
        lines=seen.lines, networks=seen.networks, users=seen.users, logins=seen.logins, spread_warning=SPREAD * WARNING,
        spread_critical=SPREAD * CRITICAL,
    )
    assert found.basis is not None
    reading = json.loads(json.dumps(found.basis.as_reading()))
    assert reading["complete"] and again(reading).checks == found.verdict.statuses()
    named = {(one.subject, user) for one in found.verdict.findings if one.check == "login_after_failures" and one.status == "critical"
             for user in one.detail["users"]}
    return found.verdict.statuses(), found.as_result(), named


def check(seed: int) -> None:
    what = story(seed)
    must = truth(what)
    events = events_of(what, seed)
    for order in (events, events[::-1]):
        seen = picture([counted(order, since=SINCE)])
        statuses, said, named = judged(seen)
        assert seen.lines.missing == 0, seen.lines.samples
        assert {one.address: one.failed for one in seen.tallies if one.failed} == must.failed
        assert {one.address: one.guesses for one in seen.tallies if one.guesses} == {a: n for a, n in must.guesses.items() if n}
        assert {one.address: one.accepted for one in seen.tallies if one.accepted} == must.accepted
        assert seen.lines.scans == what.scans
        assert statuses["failed_logins"] == must.failed_logins
        assert (statuses["login_after_failures"] == "critical") is bool(must.critical)
        assert named == must.critical or len(named) == 5
        banned = set(attackers([], worst=said["worst"], min_failures=SUSPICIOUS))  # type: ignore[arg-type]
        assert banned == must.banned and not banned & what.honest


@pytest.mark.parametrize("seed", range(60))
def test_the_verdict_is_the_truth(seed: int) -> None:
    check(seed)


def test_the_logs_are_of_many_kinds() -> None:
    """What is generated shows each outcome, so that the truth is asked about all of them."""
    truths = [truth(story(seed)) for seed in range(60)]
    assert {one.failed_logins for one in truths} == {"ok", "warning", "critical"}
    assert len([one for one in truths if one.critical]) >= 5 and len([one for one in truths if one.banned]) >= 5
