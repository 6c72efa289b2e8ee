# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why addresses are not called let in, and attackers not called kept out.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.actions import FAILED_OUTCOMES, REFUSED
from ..._core.findings import CRITICAL, OK, STATUSES, UNKNOWN
from ..._core.recovery import not_recovered
from ..._core.why import LIMIT_EXCEEDED, PROTECTED
from ..._firewall.decisions.measured import OFFER
from .access import DAEMON, LET_IN, NOT_BANNED
from .attack import Among, attackers, guesses, is_attacker, kept_out, span_of
from .banning import LET_IN as STILL_LET_IN
from .banning import OVER_LIMIT

Result = t.Mapping[str, t.Any]
_MAX_NAMED = 5
#: The backend of a host on which no daemon bans.
_NO_DAEMON = "none"
#: Checks of port_health: what the role asks of the service's own host.
_PORT_CHECKS = ("port", "accept_queue")
#: Whether somebody got in by a guess: a check of failed_logins.
_GOT_IN = "login_after_failures"
_BAD = (CRITICAL, UNKNOWN)
#: Whoever should have been banned and was not, or may not be.
_NOT_BANNED = FAILED_OUTCOMES | {REFUSED}


def verify_asks(backend: str, *, ports: t.Sequence[int]) -> list[str]:
    """The checks of verify where addresses should be let in.

    Args:
        backend: of the daemon; none where no daemon bans.
        ports: that are asked whether they answer.
    """
    return [*([] if backend == _NO_DAEMON else [DAEMON]), LET_IN, *(_PORT_CHECKS if ports else ())]


def not_let_in(access: Result, *, served: Result, reached: Result, vantage: str) -> str:
    """Why addresses are not called let in; empty when they are.

    Args:
        access: what access_health returned with wait_for.
        served: what port_health returned on the service's own host; empty or skipped where that was not asked.
        reached: the same from the vantage point.
        vantage: name of that host.
    """
    return not_recovered((
        _not_held(access),
        {"text": "No address was judged.", "there": not any(one["check"] == LET_IN for one in access.get("findings", ()))},
        {"text": "In this role that is fail2ban_trace_for, such as 30s.",
         "there": any(OFFER in one.get("hint", "") for one in access.get("findings", ()))},
        {"text": f"On its own host {_silent(served)}", "there": not served.get("held", True)},
        {"text": f"From {vantage} {_silent(reached)}", "there": not reached.get("held", True)},
    ))


def not_kept_out(
    access: Result, *, daemon: Result, banned: Result, logins: Result, named: t.Union[str, t.Sequence[str]], min_failures: int,
    actions: t.Iterable[Result], min_total: int = 0, max_networks: int = 0,
    out: t.Optional[t.Sequence[str]] = None,
) -> str:
    """Why attackers are not called kept out; empty when they are.

    Args:
        access: what access_health returned with wait_for.
        daemon: what fail2ban_health returned.
        banned: what fail2ban_ban returned; empty where nobody was to ban.
        logins: what failed_logins returned; empty where nobody looked.
        named: attackers that were named, a list or text with commas.
        min_failures: so many failed logins make an attacker.
        actions: of the run so far.
        min_total: so many failed logins of addresses that are not kept out are an attack, however few each has. 0: not judged.
        max_networks: how many networks may be banned in a run.
        out: who was measured to be kept out beside those of the actions.
    """
    spared = banned.get("protected", ())
    # Of an approved plan nobody is left without a word: who is over the limit then, or came after the approval, has an action that says so.
    not_banned = [one for one in banned.get("actions", ()) if one["outcome"] in _NOT_BANNED and one["detail"].get("why") != PROTECTED]
    refused = [one for one in not_banned if one["detail"].get("why") == LIMIT_EXCEEDED]
    left = _addresses([*(one for one in spared if OVER_LIMIT in one["reasons"]), *refused])
    open_ones = [one for one in not_banned if one["detail"].get("state") == STILL_LET_IN]
    others = [
        f"{one['target']['address']} ({one['detail'].get('why') or one['outcome']})" for one in not_banned
        if one not in refused and one not in open_ones and str(one["target"]["address"]) not in kept_out(actions, named=())
    ]
    # Who must not be banned anyway is not an attacker. A private address that nobody protects by name may be one.
    friends = _addresses(one for one in spared if OVER_LIMIT not in one["reasons"] and list(one["reasons"]) != ["private"])
    worst = logins.get("worst", ())
    suspects = attackers(named, worst=worst, min_failures=min_failures, networks=logins.get("networks", ()), max_networks=max_networks)
    kept = [*kept_out(actions, named=named), *(out or ())]
    known = _told(logins, statuses=(UNKNOWN,), with_check=True)
    return not_recovered((
        _not_held(access),
        {"text": f"Somebody may have got in: {_told(logins, statuses=(CRITICAL,), with_check=True, only=_GOT_IN)}",
         "there": _GOT_IN in _checks(logins, CRITICAL)},
        {"text": f"Who tries passwords is not known to the end: {known or 'no log was judged.'}", "there": bool(known)},
        {"text": _told(daemon, statuses=_BAD, with_check=True) or "The daemon could not be judged.", "there": daemon["status"] in _BAD},
        {"text": f"{len(left)} attackers remain over the limit of fail2ban_max_victims and are not banned: "
                 f"{_some(left)}. Run it again, or raise the limit.",
         "there": bool(left)},
        {"text": f"Banned, and not kept out: {_some(_addresses(open_ones))}. "
                 f"{open_ones[0]['detail'].get('error', '') if open_ones else ''}",
         "there": bool(open_ones)},
        {"text": f"{len(others)} attackers are not banned: {_some(others)}. Run it again.", "there": bool(others)},
        {"text": f"{len(suspects)} attackers were found and none is kept out.",
         "there": not kept and any(one not in friends for one in suspects)},
        *_left_of_the_attack(
            logins, out=[*kept, *friends, *_operators(access, banned)], suspects=suspects, min_failures=int(min_failures),
            min_total=int(min_total),
        ),
    ))


def _operators(access: Result, banned: Result) -> list[str]:
    """Who must never be banned: whom fail2ban_ban found or was told, and whom access_health saw logged in."""
    seen = [str(one["subject"]) for one in access.get("findings", ()) if one["check"] == NOT_BANNED]
    return [*(str(one) for one in banned.get("operators", ())), *seen]


def _left_of_the_attack(
    logins: Result, *, out: t.Sequence[str], suspects: t.Sequence[str], min_failures: int, min_total: int,
) -> list[dict[str, t.Any]]:
    """Why an attack is not over: guesses of addresses that nobody keeps out, and that are not the operators'.

    Args:
        out: who is kept out, or must not be banned.
        suspects: who was to be banned. Whether they are is told by itself.
    """
    if "guesses" not in logins:
        return []
    told = Among([*out, *suspects])
    spans = ((span_of(str(one["address"])), one) for one in logins["worst"] if guesses(one))
    #: Where each address is, its guesses, and how many of them are left to be told.
    listed = [(span, guesses(one), 0 if told.holds(span) or not is_attacker(one) else guesses(one)) for span, one in spans]
    busy = [
        str(one["address"]) for one in logins["worst"]
        if not is_attacker(one) and guesses(one) >= max(min_failures, one["accepted"]) and str(one["address"]) not in told
    ]
    total, near = 0, {}
    unlisted = logins["guesses"] - sum(count for _span, count, _left in listed)
    for one in logins["networks"]:
        network, inside = str(one["network"]), Among([str(one["network"])])
        members = [member for member in listed if inside.holds(member[0])]
        rest = sum(left for _span, _count, left in members)
        more = one["guesses"] - sum(count for _span, count, _left in members)
        unlisted -= more
        # Who works in a network gets in more often than all of it fails.
        left = 0 if network in told else rest + more
        total += left
        if left >= min_failures and one["accepted"] <= one["guesses"]:
            near[network] = left
    total += unlisted
    wide = sorted(near, key=lambda one: -near[one])
    return [
        {"text": f"Passwords are tried from where others log in, which is not banned: {_some(busy)}. Look for the program or the person "
                 "there, or put the address into fail2ban_never_ban.", "there": bool(busy)},
        {"text": f"The addresses of {_some(wide)} try passwords together, each too seldom to be banned. fail2ban_attack_max_networks says "
                 "how many networks may be banned.", "there": bool(wide)},
        {"text": f"{total} failed logins of addresses that nobody keeps out remain, each with fewer than fail2ban_attack_min_failures: let "
                 "nobody log in with a password, or let only known networks reach the port.",
         "there": bool(min_total) and total >= min_total},
    ]


def _not_held(access: Result) -> dict[str, t.Any]:
    told = _told(access, statuses=_BAD, with_check=True)
    return {"text": told or "the expected state was not reached.", "there": not access.get("held", False)}


def _silent(ports: Result) -> str:
    told = _told(ports, statuses=[status for status in STATUSES if status != OK], with_check=False)
    return told or "the service did not keep answering."


def _told(result: Result, *, statuses: t.Collection[str], with_check: bool, only: str = "") -> str:
    """The findings with one of these statuses, as sentences.

    Args:
        only: of this check; empty for all.
    """
    return " ".join(
        f"{_about(one, with_check=with_check)}: {_observed(one)}. {one['hint']}".strip()
        for one in result.get("findings", ()) if one["status"] in statuses and only in ("", one["check"])
    )


def _about(one: Result, *, with_check: bool) -> str:
    return " ".join(word for word in (one["check"] if with_check else "", one["subject"]) if word)


def _observed(one: Result) -> t.Any:
    """What a finding saw; where it could see nothing, why."""
    return one["observed"] if one["observed"] is not None else one.get("detail", {}).get("reason")


def _checks(result: Result, status: str) -> set[str]:
    return {one["check"] for one in result.get("findings", ()) if one["status"] == status}


def _some(names: t.Sequence[str]) -> str:
    return f"{', '.join(names[:_MAX_NAMED])}{' and more' if len(names) > _MAX_NAMED else ''}"


def _addresses(spared: t.Iterable[Result]) -> list[str]:
    return list(dict.fromkeys(str(one["target"]["address"]) for one in spared))
