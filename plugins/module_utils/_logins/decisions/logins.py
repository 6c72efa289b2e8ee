# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on logins: how many failed, judged whole, and who got in after that.

This module util is PRIVATE to the collection: it may change at any time.

One extreme is not a whole: an attack that is spread over many addresses is seen by its network, by the user that it is about, and in total.
"""

from __future__ import annotations

import datetime
import heapq
import typing as t

from ..._core.findings import CRITICAL, OK, STATUSES, WARNING, Finding, Skipped, judge
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from .counting import NO_LINES, Lines, Login, Net, Tally

FAILED_LOGINS, AFTER_FAILURES = CHECKS = ("failed_logins", "login_after_failures")
#: That somebody tries passwords is the rule on the Internet; whoever is kept out by now is counted too.
GOOD = (OK, WARNING)
#: Why a source has nothing to say.
ABSENT = {"no_journal": "this host keeps no journal", "no_log": "none of the usual logs is there"}
#: Of all addresses together, or against one user, so many times as many failures are as bad as from one address.
SPREAD = 5
#: A login is named where its address has tried so many other names.
_OTHER_NAMES = 2
#: So many of each kind are enough to make the decision again: the worst one decides.
_MOST_KEPT = 50
#: So many logins are told one by one.
_MOST_FINDINGS = 5
_HINT = "Passwords are being guessed. fail2ban_ban bans the worst addresses."
_HINT_GOT_IN = "It failed often and got in: find out whether a password was guessed."
_HINT_BY_KEY = "Passwords are tried from where somebody logs in with a key: look for the program or the person there. It is not banned."
_HINT_SPREAD = "Passwords are tried from many addresses. Banning a few of them does not help: "


def judge_logins(
    tallies: t.Sequence[Tally], *, warning: int, critical: int, max_addresses: int, since: float, skipped: t.Sequence[Skipped],
    suspicious: t.Optional[int] = None, asked: t.Optional[t.Sequence[str]] = CHECKS, lines: Lines = NO_LINES,
    read: t.Sequence[str] = (), others: tuple[int, int] = (0, 0), networks: t.Sequence[Net] = (),
    users: t.Optional[t.Mapping[str, int]] = None, logins: t.Sequence[Login] = (), spread_warning: t.Optional[int] = None,
    spread_critical: t.Optional[int] = None, offered: int = 0,
) -> Judged:
    """The verdict: the worst of one address, of one network, of one user, and of all together decides.

    From `suspicious` guesses on (`critical`) a login that got in after them is critical. Where the lines that were not understood could
    make it another one, nobody knows it.

    Args:
        asked: the checks that must be answered.
        read: what was read.
        others: how many addresses with failed logins are not among the tallies, and how many failed logins they have.
        networks: what the addresses did together.
        users: guesses by the name that was tried.
        logins: who got in by what can be guessed.
        spread_warning, spread_critical: of all addresses together, and against one user. None: not judged.
        offered: how many of the failed logins of `others` only offered keys.
    """
    guessed = critical if suspicious is None else suspicious
    tried = users or {}
    kept = _that_decide(tallies, most=min(max_addresses, _MOST_KEPT))
    left = [one for one in tallies if one.failed and one.address not in kept]
    basis = Basis("failed_logins", {
        "tallies": list(kept.values()), "warning": warning, "critical": critical, "max_addresses": max_addresses, "since": since,
        "skipped": skipped, "suspicious": suspicious, "asked": asked, "lines": Lines(lines.seen, lines.understood), "read": read,
        "others": (others[0] + len(left), others[1] + sum(one.failed for one in left)),
        "networks": heapq.nsmallest(_MOST_KEPT, networks, key=_most_guesses),
        # Without the name: people type passwords there, and no name decides.
        "users": {"": max(tried.values())} if tried else {}, "logins": _worst_logins(logins, most=_MOST_KEPT),
        "spread_warning": spread_warning, "spread_critical": spread_critical, "offered": offered + sum(one.offered for one in left),
    })
    worst = sorted((one for one in tallies if one.failed), key=_most_failed)
    addresses, total = len(worst) + others[0], sum(one.failed for one in worst) + others[1]
    guesses = sum(one.guesses for one in worst) + others[1] - offered
    limits = _Limits(warning, critical, guessed, spread_warning, spread_critical)
    detail = {"total": total, "addresses": addresses, "guesses": guesses}
    findings = [
        *_failed(worst[0] if worst else None, networks=networks, users=tried, guesses=guesses, limits=limits, detail=detail),
        *_got_in(worst, logins, limits=limits, guesses=guesses, most=max_addresses),
    ]
    unclear = _unclear(tallies, networks, tried, logins, findings, limits=limits, lines=lines)
    return Judged(judge_look(findings, [*skipped, *unclear], asked=asked, good=GOOD), {
        "read": list(read), "lines_seen": lines.seen, "lines_understood": lines.understood, "not_understood": list(lines.samples),
        "scans": [
            {"address": address, "times": times}
            for address, times in sorted(lines.scans.items(), key=lambda item: (-item[1], item[0]))[:max_addresses]
        ],
        "total": total, "guesses": guesses, "addresses": addresses, "since": _iso(since),
        "worst": [_describe(one) for one in worst[:max_addresses]], "left_out": max(addresses - max_addresses, 0),
        "users": [{"user": user, "failed": times} for user, times in sorted(tried.items(), key=lambda i: (-i[1], i[0]))[:max_addresses]],
        "networks": [
            {"network": one.network, "guesses": one.guesses, "addresses": one.addresses, "accepted": one.accepted}
            for one in heapq.nsmallest(max_addresses, (one for one in networks if one.guesses), key=_most_guesses)
        ],
        "got_in": [_describe_login(one) for one in _worst_logins(logins, most=max_addresses)],
    }, basis)


class _Limits(t.NamedTuple):
    """From how many failures on something is bad: of one address or network, before a login, and of all together or one user."""

    warning: int
    critical: int
    guessed: int
    spread_warning: t.Optional[int]
    spread_critical: t.Optional[int]


def _failed(
    most: t.Optional[Tally], *, networks: t.Sequence[Net], users: t.Mapping[str, int], guesses: int, limits: _Limits,
    detail: t.Mapping[str, t.Any],
) -> list[Finding]:
    """The address with most guesses, and whatever is worse than that taken together."""
    first = judge(
        FAILED_LOGINS, most.guesses if most else 0, warning=limits.warning, critical=limits.critical, unit="count",
        subject=most.address if most else "", hint=_HINT, detail=detail,
    )
    found = [first]
    network = min(networks, key=_most_guesses, default=None)
    if network is not None:
        found.append(judge(
            FAILED_LOGINS, network.guesses, warning=limits.warning, critical=limits.critical, unit="count", subject=network.network,
            hint=f"{_HINT_SPREAD}ban the network, where nobody else works there.",
            detail={"addresses": network.addresses, "accepted": network.accepted},
        ))
    user = min(users.items(), key=lambda item: (-item[1], item[0]), default=None)
    of_all = {"warning": limits.spread_warning, "critical": limits.spread_critical}
    if user is not None:
        found.append(judge(
            FAILED_LOGINS, user[1], **of_all, unit="count", subject=f"user {user[0]}",
            hint=f"{_HINT_SPREAD}let this user log in with keys only.", detail=detail,
        ))
    found.append(judge(
        FAILED_LOGINS, guesses, **of_all, unit="count", subject="all addresses",
        hint=f"{_HINT_SPREAD}let nobody log in with a password, or let only known networks reach the port.", detail=detail,
    ))
    return [first, *(one for one in found[1:] if STATUSES.index(one.status) > STATUSES.index(first.status))]


def _got_in(
    worst: t.Sequence[Tally], logins: t.Sequence[Login], *, limits: _Limits, guesses: int, most: int,
) -> list[Finding]:
    """Who got in after guesses: each login that is one of a guessed password, then addresses that guessed and got in somehow."""
    found: list[Finding] = []
    told = set()
    for login in _worst_logins(logins, most=len(logins)):
        status, count, why = _suspicion(login, limits=limits, guesses=guesses)
        if status == OK:
            continue
        told.add(login.address)
        if len(found) < _MOST_FINDINGS:
            found.append(Finding(
                AFTER_FAILURES, status, observed=count, threshold=limits.guessed, unit="count", subject=login.address,
                hint=f"{login.user or 'Somebody'} got in by {login.how} from {login.address} after {count} {why}: find out whether the "
                     f"password was guessed, and who works there.",
                detail={"users": [login.user], "addresses": [login.address], "login": _describe_login(login)},
            ))
    others = [one for one in worst if one.accepted and one.suspected >= limits.guessed and one.address not in told]
    for status, some in (
        (CRITICAL, [one for one in others if not one.by_keys_alone]), (WARNING, [one for one in others if one.by_keys_alone]),
    ):
        if some:
            found.append(Finding(
                AFTER_FAILURES, status, observed=some[0].suspected, threshold=limits.guessed, unit="count", subject=some[0].address,
                hint=_HINT_GOT_IN if status == CRITICAL else _HINT_BY_KEY,
                detail={"addresses": [one.address for one in some[:most]]},
            ))
    return found or [Finding(AFTER_FAILURES, OK, observed=0, threshold=limits.guessed, unit="count")]


def _suspicion(login: Login, *, limits: _Limits, guesses: int, more: int = 0) -> tuple[str, int, str]:
    """How bad a login by password is: its status, guesses before it, and whose they are.

    Args:
        more: so many guesses may not have been counted.
    """
    for count, why in _certain(login):
        if count + more >= limits.guessed:
            return CRITICAL, count, why
    perhaps, why = _perhaps(login)
    if perhaps + more >= limits.guessed:
        return WARNING, perhaps, why
    spread = limits.spread_warning is not None and guesses + more >= limits.spread_warning
    if spread and login.names >= _OTHER_NAMES and login.of_address:
        return WARNING, login.of_address, "failed logins from there with other names, while many addresses try passwords"
    return OK, 0, ""


def _certain(login: Login) -> list[tuple[int, str]]:
    """Guesses that make a login one of a guessed password, and whose they are."""
    found = [(login.of_user, "failed logins of this user from anywhere"), (login.tried, "tries in one connection")]
    if login.of_address and not login.at_home:
        found += [(login.of_address, "failed logins from there"), (login.of_network, "failed logins from its network")]
    return found


def _perhaps(login: Login) -> tuple[int, str]:
    """Guesses from where others work too: an address that gets in more often than it guesses."""
    return login.of_address if login.at_home else 0, "failed logins from there, where others get in more often than that"


def _most_failed(one: Tally) -> tuple[int, int, str]:
    return -one.guesses, -one.failed, one.address


def _most_guesses(one: Net) -> tuple[int, str]:
    return -one.guesses, one.network


def _worst_logins(logins: t.Sequence[Login], *, most: int) -> list[Login]:
    return heapq.nsmallest(most, logins, key=lambda one: (
        -max(count for count, _why in _certain(one)), -_perhaps(one)[0], -min(one.names, _OTHER_NAMES) * bool(one.of_address),
        one.address, one.user, one.how,
    ))


def _that_decide(tallies: t.Sequence[Tally], *, most: int) -> dict[str, Tally]:
    """The worst addresses, and the worst of those that got in: no other one changes the verdict.

    Without the names that were tried: people type passwords there, and no name decides.
    """
    worst = heapq.nsmallest(most, tallies, key=_most_failed)
    got_in = heapq.nsmallest(most, (one for one in tallies if one.accepted), key=lambda one: (-one.suspected, one.address))
    guests = heapq.nsmallest(most, (one for one in tallies if one.accepted and not one.by_keys_alone),
                             key=lambda one: (-one.suspected, one.address))
    return {
        one.address: Tally(one.address, one.failed, one.accepted, offered=one.offered, keys=one.keys, before=one.before)
        for one in (*worst, *got_in, *guests)
    }


def _unclear(
    tallies: t.Sequence[Tally], networks: t.Sequence[Net], users: t.Mapping[str, int], logins: t.Sequence[Login],
    findings: t.Sequence[Finding], *, limits: _Limits, lines: Lines,
) -> list[Skipped]:
    """The checks that would have another answer if each line that was not understood were a failed login of the worst address."""
    if not lines.missing:
        return []
    said = "; ".join(repr(one) for one in lines.samples)
    reason = f"not_understood: {lines.missing} of {lines.seen} lines of sshd, such as {said}"
    hint = "Read these lines: they may be failed logins that are not counted."
    most = max([*(one.guesses for one in tallies), *(one.guesses for one in networks), 0])
    found = []
    status = {check: max((one.status for one in findings if one.check == check), key=STATUSES.index) for check in CHECKS}
    with_more = judge(FAILED_LOGINS, most + lines.missing, warning=limits.warning, critical=limits.critical, unit="count").status
    if STATUSES.index(with_more) > STATUSES.index(status[FAILED_LOGINS]):
        found.append(Skipped(FAILED_LOGINS, reason, hint))
    got_in = any(one.accepted > one.keys and one.guesses + lines.missing >= limits.guessed for one in tallies) or any(
        _suspicion(one, limits=limits, guesses=0, more=lines.missing)[0] == CRITICAL for one in logins
    )
    if got_in and status[AFTER_FAILURES] == OK:
        found.append(Skipped(AFTER_FAILURES, reason, hint))
    return found


def begins(at: float | None) -> str:
    """When a log begins, in words."""
    return "has no line with a time" if at is None else f"begins at {_iso(at)}"


def _describe(one: Tally) -> dict[str, t.Any]:
    users = sorted(one.users.items(), key=lambda item: (-item[1], item[0]))
    return {"address": one.address, "failed": one.failed, "guesses": one.guesses, "accepted": one.accepted, "by_key": one.keys,
            "attacker": bool(one.guesses) and not one.at_home, "first": _iso(one.first), "last": _iso(one.last),
            "users": [user for user, _times in users[:10]], "user_count": len(users)}


def _describe_login(one: Login) -> dict[str, t.Any]:
    return {"address": one.address, "user": one.user, "how": one.how, "times": one.times, "last": _iso(one.at),
            "failed_before": {"user": one.of_user, "address": one.of_address, "network": one.of_network, "connection": one.tried}}


def _iso(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.datetime.fromtimestamp(at, tz=datetime.timezone.utc).isoformat(timespec="seconds")
