# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the daemon that bans: does it answer, are its jails there, do its bans reach the packet filter?

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import typing as t

from .._core.errors import Blind, CannotReach, IncidentError
from .._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding, Skipped, judge
from .._core.judging import Judged, judge_look
from .._firewall.decisions.packet_filter import EXACT, FAIL2BAN, owner_of
from .._firewall.filters import Filters, read_filters
from .._module.programs import Run
from .daemons import Backend, Fail2ban
from .database import Unkept, Unreadable
from .decisions.replies import Ban

CHECKS = ("server", "jails", "bans", "jail_log", "database", "ban_rules", "leftover_rules")
#: Why a check does not apply.
ABSENT = {
    "no_database": "fail2ban keeps no database, so a restart forgets every ban",
    "not_of_this_daemon": "only fail2ban has it",
    "filters_elsewhere": "the actions of the jail are not known to filter on this host",
    "not_asked_for": "the packet filter was not to be read",
}
#: Beginnings of the names of fail2ban's own actions that write into this host's filters.
FILTER_ACTIONS = ("iptables", "nftables", "firewallcmd", "ufw", "hostsdeny", "route", "shorewall", "apf")
#: A sick daemon is a result; not being allowed to see is not.
_SICK = frozenset({"no_socket", "not_running", "timeout", "broken", "unreachable", "refused", "no_daemon"})
_MAX_SHOWN = 10
OF_RULES = ("ban_rules", "leftover_rules")


def unreachable(exc: CannotReach, *, asked: t.Optional[t.Sequence[str]]) -> Judged:
    """The verdict on a daemon that does not answer.

    Args:
        asked: the checks that must be answered.

    Raises:
        CannotReach: we may not see it, which says nothing about it.
    """
    if exc.facts.get("reason") not in _SICK:
        raise exc
    finding = Finding("server", CRITICAL, observed=str(exc.facts.get("reason")), hint=f"{exc.message} {exc.hint or ''}".strip(),
                      detail={"message": exc.message})
    skipped = [Skipped(check, "no_answer: the daemon does not answer") for check in CHECKS if check != "server"]
    return Judged(judge_look([finding], skipped, asked=asked), {
        "jails": [], "backend": {"name": "", "version": "", "via": "", "notes": []}, "count": 0,
    })


def judge_daemon(
    backend: Backend, *, run: Run, expected_jails: t.Sequence[str], verify: t.Sequence[str], warning_bans: int | None,
    asked: t.Optional[t.Sequence[str]],
) -> Judged:
    """The verdict on a daemon that answers.

    Args:
        asked: the checks that must be answered.
    """
    daemon = backend.describe()
    jails = backend.jails()
    bans = backend.bans(jails)
    findings = [Finding("server", OK, observed=daemon["version"], detail={"via": daemon["via"]})]
    skipped: list[Skipped] = []
    findings += _jails(jails, expected_jails, backend)
    findings.append(judge("bans", len(bans), warning=warning_bans, unit="count", hint="Many are banned: an attack, or a rule that is too "
                          "strict.", detail={jail: sum(ban.jail == jail for ban in bans) for jail in jails}))
    actions: dict[str, list[str]] = {}
    if isinstance(backend, Fail2ban):
        actions = {jail: backend.server.texts(jail, "actions") for jail in jails}
        findings += _logs(backend, jails)
        findings += _database(backend, bans, skipped)
    else:
        skipped += [_absent(check, "not_of_this_daemon") for check in ("jail_log", "database")]
    if not verify:
        skipped += [_absent(check, "not_asked_for") for check in OF_RULES]
    else:
        try:
            filters = read_filters(verify, run=run, jails=jails)
        except Blind as exc:
            skipped += [Skipped(check, exc.message, exc.hint or "") for check in OF_RULES]
        else:
            skipped += filters.skipped
            findings += _rules(backend, filters, jails, bans, actions, skipped)
    listed = [
        {"name": jail, "recidive": backend.is_recidive(jail), "banned": sum(ban.jail == jail for ban in bans),
         "permanent": sum(ban.jail == jail and ban.permanent for ban in bans), "actions": actions.get(jail, []),
         "logs": backend.logs(jail) if isinstance(backend, Fail2ban) else []}
        for jail in jails
    ]
    return Judged(judge_look(findings, skipped, asked=asked), {"jails": listed, "backend": daemon, "count": len(bans)})


def _absent(check: str, code: str, about: str = "") -> Skipped:
    return Skipped(check, f"{code}: {about}{ABSENT[code]}.", kind=NOT_APPLICABLE)


def _jails(jails: t.Sequence[str], expected: t.Sequence[str], backend: Backend) -> list[Finding]:
    missing = [name for name in expected if name not in jails]
    if missing:
        return [Finding("jails", CRITICAL, observed=len(jails), threshold=len(expected), unit="count", subject=name,
                        hint="It is not loaded: see fail2ban's log at its start, and whether it is enabled.") for name in missing]
    if not jails and isinstance(backend, Fail2ban):
        return [Finding("jails", WARNING, observed=0, unit="count", hint="No jail is loaded: it guards nothing.")]
    return [Finding("jails", OK, observed=len(jails), unit="count")]


def _logs(backend: Fail2ban, jails: t.Sequence[str]) -> list[Finding]:
    found = []
    for jail in jails:
        gone = [path for path in backend.logs(jail) if not os.path.exists(path)]
        found.append(Finding(
            "jail_log", CRITICAL if gone else OK, observed=len(gone), threshold=1, unit="count", subject=jail,
            hint="The jail reads a log that is not there, and sees nothing." if gone else "", detail={"missing": gone},
        ))
    return found


def _database(backend: Fail2ban, bans: t.Sequence[Ban], skipped: list[Skipped]) -> list[Finding]:
    try:
        stored = backend.stored(bans) if bans else {}
    except Unkept:
        skipped.append(_absent("database", "no_database"))
        return []
    except Unreadable as exc:
        skipped.append(Skipped("database", str(exc), "Without it a restart forgets every ban."))
        return []
    except IncidentError as exc:
        skipped.append(Skipped("database", exc.message))
        return []
    # The server writes a ban some moments after it was made, so a few rows may be on their way.
    return [Finding("database", OK, observed=len(stored), unit="count", detail={"bans": len(bans)})]


def _rules(
    backend: Backend, filters: Filters, jails: t.Sequence[str], bans: t.Sequence[Ban], actions: t.Mapping[str, t.Sequence[str]],
    skipped: list[Skipped],
) -> list[Finding]:
    """Bans without a rule, and rules without a ban. What changed meanwhile is looked at again before it is told."""
    found = []
    for jail in jails:
        names = actions.get(jail, ())
        own = [ban for ban in bans if ban.jail == jail and ban.span is not None]
        if isinstance(backend, Fail2ban) and not any(name.startswith(FILTER_ACTIONS) for name in names) and own:
            seen = [ban for ban in own if ban.span is not None and _has_rule(filters, ban)]
            if not seen:
                skipped.append(_absent("ban_rules", "filters_elsewhere", f"{jail} ({', '.join(names) or 'no action'}): "))
                continue
        missing = [ban for ban in own if not _has_rule(filters, ban)]
        if missing:
            still = {(ban.jail, ban.entry) for ban in backend.bans([jail])}
            missing = [ban for ban in missing if (ban.jail, ban.entry) in still]
        status = UNKNOWN if missing and not filters.read else CRITICAL if missing else OK
        found.append(Finding(
            "ban_rules", status, observed=len(missing), threshold=1, unit="count", subject=jail,
            hint="Banned, and no rule drops them: the jail's action failed, or somebody flushed the packet filter. "
                 f"fail2ban-client reload --restart {jail} writes them again; fail2ban_ban does so for the addresses that it is given."
                 if missing else "",
            detail={"without_rule": [ban.entry for ban in missing[:_MAX_SHOWN]], "banned": len(own)},
        ))
    banned = {ban.span for ban in backend.bans(jails)}
    left = [(span, jail, where) for span, jail, where in filters.walker.owned(FAIL2BAN) if span not in banned]
    found.append(Finding(
        "leftover_rules", WARNING if left else OK, observed=len(left), threshold=1, unit="count",
        hint="Rules of fail2ban keep out whom no jail bans: an unban failed. fail2ban_unban with repair takes them out." if left else "",
        detail={"rules": [{"address": str(span), "jail": jail, "where": where} for span, jail, where in left[:_MAX_SHOWN]]},
    ))
    return found


def _has_rule(filters: Filters, ban: Ban) -> bool:
    if ban.span is None:
        return True
    blocks = [block for block in filters.blocks(ban.span) if block.matched == EXACT]
    return any(block.jail in (ban.jail, "") or owner_of(block.chain)[0] != FAIL2BAN for block in blocks)
