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
from ..._core.recovery import reasons
from ..._core.why import LIMIT_EXCEEDED, PROTECTED
from ..._core.words import words_list
from ..._firewall.decisions.measured import OFFER
from .access import LET_IN
from .attack import attackers, kept_out
from .banning import OVER_LIMIT

Result = t.Mapping[str, t.Any]
_MAX_NAMED = 5
_BAD = (CRITICAL, UNKNOWN)
#: Whoever should have been banned and was not, or may not be.
_NOT_BANNED = FAILED_OUTCOMES | {REFUSED}


def not_let_in(access: Result, *, served: Result, reached: Result, vantage: str) -> str:
    """Why addresses are not called let in; empty when they are.

    Args:
        access: what access_health returned with wait_for.
        served: what port_health returned on the service's own host; empty or skipped where that was not asked.
        reached: the same from the vantage point.
        vantage: name of that host.
    """
    return reasons((
        _not_held(access),
        {"text": "No address was judged.", "there": not any(one["check"] == LET_IN for one in access.get("findings", ()))},
        {"text": "In this role that is fail2ban_trace_for, such as 30s.",
         "there": any(OFFER in one.get("hint", "") for one in access.get("findings", ()))},
        {"text": f"On its own host {_silent(served)}", "there": not served.get("held", True)},
        {"text": f"From {vantage} {_silent(reached)}", "there": not reached.get("held", True)},
    ))


def not_kept_out(
    access: Result, *, daemon: Result, banned: Result, logins: Result, named: t.Union[str, t.Sequence[str]], min_failures: int,
    actions: t.Iterable[Result],
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
    """
    spared = banned.get("protected", ())
    # Of an approved plan nobody is left without a word: who is over the limit then, or came after the approval, has an action that says so.
    not_banned = [one for one in banned.get("actions", ()) if one["outcome"] in _NOT_BANNED and one["detail"].get("why") != PROTECTED]
    refused = [one for one in not_banned if one["detail"].get("why") == LIMIT_EXCEEDED]
    left = _addresses([*(one for one in spared if OVER_LIMIT in one["reasons"]), *refused])
    others = [
        f"{one['target']['address']} ({one['detail'].get('why') or one['outcome']})" for one in not_banned
        if one not in refused and str(one["target"]["address"]) not in kept_out(actions, named=())
    ]
    # Who must not be banned anyway is no attacker. A private address that nobody protects by name may be one.
    friends = _addresses(one for one in spared if OVER_LIMIT not in one["reasons"] and list(one["reasons"]) != ["private"])
    suspects = attackers(named, worst=logins["worst"], min_failures=min_failures) if "worst" in logins else words_list(named)
    return reasons((
        _not_held(access),
        {"text": _told(daemon, statuses=_BAD, with_check=True) or "The daemon could not be judged.", "there": daemon["status"] in _BAD},
        {"text": f"{len(left)} attackers remain over the limit of fail2ban_max_victims and are not banned: "
                 f"{', '.join(left[:_MAX_NAMED])}{' and more' if len(left) > _MAX_NAMED else ''}. Run it again, or raise the limit.",
         "there": bool(left)},
        {"text": f"{len(others)} attackers are not banned: "
                 f"{', '.join(others[:_MAX_NAMED])}{' and more' if len(others) > _MAX_NAMED else ''}. Run it again.",
         "there": bool(others)},
        {"text": f"{len(suspects)} attackers were found and none is kept out.",
         "there": len(suspects) > len(friends) and not kept_out(actions, named=named)},
    ))


def _not_held(access: Result) -> dict[str, t.Any]:
    told = _told(access, statuses=_BAD, with_check=True)
    return {"text": told or "what should be so did not hold.", "there": not access.get("held", False)}


def _silent(ports: Result) -> str:
    told = _told(ports, statuses=[status for status in STATUSES if status != OK], with_check=False)
    return told or "the service did not keep answering."


def _told(result: Result, *, statuses: t.Collection[str], with_check: bool) -> str:
    """The findings with one of these statuses, as sentences."""
    return " ".join(
        f"{one['check'] + ' ' if with_check else ''}{one['subject']}: {one['observed']}. {one['hint']}".strip()
        for one in result.get("findings", ()) if one["status"] in statuses
    )


def _addresses(spared: t.Iterable[Result]) -> list[str]:
    return list(dict.fromkeys(str(one["target"]["address"]) for one in spared))
