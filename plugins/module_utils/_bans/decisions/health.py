# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on the daemon that bans: does it answer, are its jails there, do its bans reach the packet filter?

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding, Skipped, judge
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis

MODULE = "fail2ban_health"
CHECKS = ("server", "jails", "bans", "jail_log", "database", "ban_rules", "leftover_rules")
OF_RULES = ("ban_rules", "leftover_rules")
#: Why a check does not apply.
ABSENT = {
    "no_database": "fail2ban keeps no database, so a restart forgets every ban",
    "not_of_this_daemon": "only fail2ban has it",
    "filters_elsewhere": "the actions of the jail are not known to filter on this host",
    "not_asked_for": "the packet filter was not to be read",
}
#: Beginnings of the names of fail2ban's own actions that write into this host's filters.
FILTER_ACTIONS = ("iptables", "nftables", "firewallcmd", "ufw", "hostsdeny", "route", "shorewall", "apf")
#: So many bans or rules are named.
MOST_NAMED = 10
#: So many of them stand in a hint.
_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Silent:
    """A daemon that does not answer: what kind of silence, what it says, and what to do."""

    kind: str
    message: str
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class JailSeen:
    """One jail. The last three are known where the packet filter was read.

    Attributes:
        banned, permanent: how many it bans, and how many without an end.
        recidive: it bans those that other jails banned often.
        actions: their names.
        logs, gone: the files that it reads, and those that are not there.
        held: how many of its bans are of addresses.
        ruled: how many of these have a rule.
        missing, without_rule: how many have none, looked at twice, and the first of them.
    """

    name: str
    banned: int = 0
    permanent: int = 0
    recidive: bool = False
    actions: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    held: int = 0
    ruled: int = 0
    missing: int = 0
    without_rule: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Leftover:
    """A rule of fail2ban about whom no jail bans."""

    address: str
    jail: str
    where: str


@dataclasses.dataclass(frozen=True)
class RulesSeen:
    """What was read of the packet filter.

    Attributes:
        unread: why nothing of it could be read; None where something was.
        read: whether something that drops was read.
        skipped: what of it could not be read.
        left, leftovers: how many rules are left over, and the first of them.
    """

    unread: t.Optional[Skipped] = None
    read: bool = False
    skipped: tuple[Skipped, ...] = ()
    left: int = 0
    leftovers: tuple[Leftover, ...] = ()


@dataclasses.dataclass(frozen=True)
class DaemonSeen:
    """What one look saw.

    Attributes:
        silent: it does not answer; nothing else is known then.
        daemon: who it is: name, version, via.
        jailed: it is fail2ban, which alone has jails with logs, and a database.
        jails: of the daemon.
        stored: how many bans its database has; None where that is not known.
        unstored: why it is not known, and what follows; of the kind `not_applicable` where it keeps none.
        rules: of the packet filter; None where it was not to be read.
    """

    silent: t.Optional[Silent] = None
    daemon: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    jailed: bool = False
    jails: tuple[JailSeen, ...] = ()
    stored: t.Optional[int] = None
    unstored: t.Optional[Skipped] = None
    rules: t.Optional[RulesSeen] = None


def absent(check: str, code: str, about: str = "") -> Skipped:
    """A check that does not apply.

    Args:
        code: key of ABSENT.
        about: said before the reason.
    """
    return Skipped(check, f"{code}: {about}{ABSENT[code]}.", kind=NOT_APPLICABLE)


def filters_elsewhere(jail: JailSeen) -> bool:
    """Whether nothing shows that a jail of fail2ban filters on this host: neither the names of its actions nor any rule."""
    return bool(jail.held) and not jail.ruled and not any(name.startswith(FILTER_ACTIONS) for name in jail.actions)


def decide(
    seen: DaemonSeen, expected_jails: tuple[str, ...], warning_bans: t.Optional[int], asked: t.Optional[tuple[str, ...]],
) -> Judged:
    """The verdict on a daemon.

    Args:
        expected_jails: those that must be there.
        warning_bans: how many bans are a warning; None for no number.
        asked: the checks that must be answered.
    """
    if seen.silent is not None:
        findings, skipped = _silent(seen.silent)
        daemon: t.Mapping[str, t.Any] = {"name": "", "version": "", "via": "", "notes": []}
    else:
        findings, skipped = _answering(seen, expected_jails, warning_bans)
        daemon = seen.daemon
    listed = [
        {"name": one.name, "recidive": one.recidive, "banned": one.banned, "permanent": one.permanent, "actions": list(one.actions),
         "logs": list(one.logs)} for one in seen.jails
    ]
    return Judged(
        judge_look(findings, skipped, asked=asked),
        {"jails": listed, "backend": dict(daemon), "count": sum(one.banned for one in seen.jails)},
        Basis(MODULE, {"seen": seen, "expected_jails": expected_jails, "warning_bans": warning_bans, "asked": asked}),
    )


def _silent(seen: Silent) -> tuple[list[Finding], list[Skipped]]:
    finding = Finding("server", CRITICAL, observed=seen.kind, hint=f"{seen.message} {seen.hint}".strip(), detail={"message": seen.message})
    return [finding], [Skipped(check, "no_answer: the daemon does not answer") for check in CHECKS if check != "server"]


def _answering(
    seen: DaemonSeen, expected_jails: t.Sequence[str], warning_bans: t.Optional[int],
) -> tuple[list[Finding], list[Skipped]]:
    findings = [Finding("server", OK, observed=seen.daemon.get("version"), detail={"via": seen.daemon.get("via")})]
    skipped: list[Skipped] = []
    findings += _jails(seen, expected_jails)
    banned = sum(one.banned for one in seen.jails)
    findings.append(judge("bans", banned, warning=warning_bans, unit="count", hint="Many are banned: an attack, or a rule that is too "
                          "strict.", detail={one.name: one.banned for one in seen.jails}))
    if seen.jailed:
        findings += [_log(one) for one in seen.jails]
        if seen.unstored is not None:
            skipped.append(seen.unstored)
        else:
            # The server writes a ban some moments after it was made, so a few rows may be on their way.
            findings.append(Finding("database", OK, observed=seen.stored, unit="count", detail={"bans": banned}))
    else:
        skipped += [absent(check, "not_of_this_daemon") for check in ("jail_log", "database")]
    if seen.rules is None:
        skipped += [absent(check, "not_asked_for") for check in OF_RULES]
    elif seen.rules.unread is not None:
        skipped += [dataclasses.replace(seen.rules.unread, check=check) for check in OF_RULES]
    else:
        skipped += seen.rules.skipped
        for jail in seen.jails:
            if seen.jailed and filters_elsewhere(jail):
                skipped.append(absent("ban_rules", "filters_elsewhere", f"{jail.name} ({', '.join(jail.actions) or 'no action'}): "))
            else:
                findings.append(_ruled(jail, read=seen.rules.read, again=_again(jail, seen)))
        findings.append(_left(seen.rules))
    return findings, skipped


def _jails(seen: DaemonSeen, expected: t.Sequence[str]) -> list[Finding]:
    names = {one.name for one in seen.jails}
    missing = [name for name in expected if name not in names]
    if missing:
        return [Finding("jails", CRITICAL, observed=len(seen.jails), threshold=len(expected), unit="count", subject=name,
                        hint="It is not loaded: see fail2ban's log at its start, and whether it is enabled.") for name in missing]
    if not seen.jails and seen.jailed:
        return [Finding("jails", WARNING, observed=0, unit="count", hint="No jail is loaded: it guards nothing.")]
    return [Finding("jails", OK, observed=len(seen.jails), unit="count")]


def _log(jail: JailSeen) -> Finding:
    return Finding(
        "jail_log", CRITICAL if jail.gone else OK, observed=len(jail.gone), threshold=1, unit="count", subject=jail.name,
        hint=f"The jail reads {_some(jail.gone)}, which is not there, and sees nothing in it." if jail.gone else "",
        detail={"missing": list(jail.gone)},
    )


def _some(names: t.Sequence[str], *, of: int = 0) -> str:
    """The first of them, and how many more there are."""
    shown = list(dict.fromkeys(names))[:_NAMED]
    more = max(of, len(names)) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _again(jail: JailSeen, seen: DaemonSeen) -> str:
    """What writes the missing rules again. A jail that is restarted takes its bans from the database, and forgets them without one."""
    if not seen.jailed:
        return "See its bouncer, and whether cscli bouncers list has it as valid."
    command, repair = f"fail2ban-client set {jail.name}", "fail2ban_ban with repair does so for all."
    if seen.stored is not None:
        return f"fail2ban-client reload --restart {jail.name} writes them again; {repair}"
    first = "".join(jail.without_rule[:1])
    return f"{command} unbanip {first} and then {command} banip {first} write one again; {repair}"


def _ruled(jail: JailSeen, *, read: bool, again: str) -> Finding:
    status = UNKNOWN if jail.missing and not read else CRITICAL if jail.missing else OK
    return Finding(
        "ban_rules", status, observed=jail.missing, threshold=1, unit="count", subject=jail.name,
        hint=f"{_some(jail.without_rule, of=jail.missing)}: banned, and no rule drops them. The jail's action failed, or somebody "
             f"flushed the packet filter. "
             f"{again}" if jail.missing else "",
        detail={"without_rule": list(jail.without_rule), "banned": jail.held},
    )


def _left(rules: RulesSeen) -> Finding:
    return Finding(
        "leftover_rules", WARNING if rules.left else OK, observed=rules.left, threshold=1, unit="count",
        hint=f"Rules of fail2ban keep out {_some([one.address for one in rules.leftovers], of=rules.left)}, whom no jail bans: an unban "
             "failed. fail2ban_unban with repair takes them out."
             if rules.left else "",
        detail={"rules": [dataclasses.asdict(one) for one in rules.leftovers]},
    )
