# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the daemon that bans: what it says, its jails, and which of its bans reach the packet filter.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import typing as t

from .._core.errors import Blind, CannotReach, IncidentError
from .._core.findings import Skipped
from .._firewall.decisions.packet_filter import EXACT, FAIL2BAN, owner_of
from .._firewall.filters import Filters, read_filters
from .._module.programs import Run
from .daemons import Backend, Fail2ban
from .database import Unkept, Unreadable
from .decisions.health import MOST_NAMED, DaemonSeen, JailSeen, Leftover, RulesSeen, Silent, absent, filters_elsewhere
from .decisions.replies import Ban

#: A sick daemon is a result; not being allowed to see is not.
_SICK = frozenset({"no_socket", "not_running", "timeout", "broken", "unreachable", "refused", "no_daemon"})


def unreachable(exc: CannotReach) -> DaemonSeen:
    """A daemon that does not answer, as a look sees it.

    Raises:
        CannotReach: we may not see it, which says nothing about it.
    """
    if exc.facts.get("reason") not in _SICK:
        raise exc
    return DaemonSeen(silent=Silent(str(exc.facts.get("reason")), exc.message, exc.hint or ""))


def look_at_daemon(backend: Backend, *, run: Run, verify: t.Sequence[str]) -> DaemonSeen:
    """Look at a daemon that answers.

    Args:
        verify: the packet filters to compare with.
    """
    daemon = backend.describe()
    names = backend.jails()
    bans = backend.bans(names)
    jailed = isinstance(backend, Fail2ban)
    jails = _jails(backend, names, bans)
    stored, unstored = _database(backend, bans) if jailed else (None, None)
    rules: t.Optional[RulesSeen] = None
    if verify:
        try:
            filters = read_filters(verify, run=run, jails=names)
        except Blind as exc:
            rules = RulesSeen(unread=Skipped("ban_rules", exc.message, exc.hint or ""))
        else:
            jails = [_ruled(backend, filters, jail, bans) for jail in jails]
            rules = _leftovers(backend, filters, names)
    return DaemonSeen(daemon=daemon, jailed=jailed, jails=tuple(jails), stored=stored, unstored=unstored, rules=rules)


def _jails(backend: Backend, names: t.Sequence[str], bans: t.Sequence[Ban]) -> list[JailSeen]:
    banned = collections.Counter(ban.jail for ban in bans)
    permanent = collections.Counter(ban.jail for ban in bans if ban.permanent)
    found = []
    for name in names:
        seen = JailSeen(name, banned=banned[name], permanent=permanent[name], recidive=backend.is_recidive(name))
        if isinstance(backend, Fail2ban):
            logs = tuple(backend.logs(name))
            seen = dataclasses.replace(
                seen, actions=tuple(backend.server.texts(name, "actions")), logs=logs,
                gone=tuple(path for path in logs if not os.path.exists(path)),
            )
        found.append(seen)
    return found


def _database(backend: Backend, bans: t.Sequence[Ban]) -> tuple[t.Optional[int], t.Optional[Skipped]]:
    """How many bans its database has, or why that is not known."""
    try:
        return len(backend.stored(bans)) if bans else 0, None
    except Unkept:
        return None, absent("database", "no_database")
    except Unreadable as exc:
        return None, Skipped("database", str(exc), "Without it a restart forgets every ban.")
    except IncidentError as exc:
        return None, Skipped("database", exc.message)


def _ruled(backend: Backend, filters: Filters, jail: JailSeen, bans: t.Sequence[Ban]) -> JailSeen:
    """The jail with what the packet filter has of its bans. What changed meanwhile is looked at again before it is told."""
    own = [ban for ban in bans if ban.jail == jail.name and ban.span is not None]
    missing = [ban for ban in own if not _has_rule(filters, ban)]
    jail = dataclasses.replace(jail, held=len(own), ruled=len(own) - len(missing))
    if missing and not (isinstance(backend, Fail2ban) and filters_elsewhere(jail)):
        still = {(ban.jail, ban.entry) for ban in backend.bans([jail.name])}
        missing = [ban for ban in missing if (ban.jail, ban.entry) in still]
    return dataclasses.replace(jail, missing=len(missing), without_rule=tuple(ban.entry for ban in missing[:MOST_NAMED]))


def _leftovers(backend: Backend, filters: Filters, names: t.Sequence[str]) -> RulesSeen:
    banned = {ban.span for ban in backend.bans(names)}
    left = [(span, jail, where) for span, jail, where in filters.walker.owned(FAIL2BAN) if span not in banned]
    return RulesSeen(
        read=bool(filters.read), skipped=tuple(filters.skipped), left=len(left),
        leftovers=tuple(Leftover(str(span), jail, where) for span, jail, where in left[:MOST_NAMED]),
    )


def _has_rule(filters: Filters, ban: Ban) -> bool:
    if ban.span is None:
        return True
    blocks = [block for block in filters.blocks(ban.span) if block.matched == EXACT]
    return any(block.jail in (ban.jail, "") or owner_of(block.chain)[0] != FAIL2BAN for block in blocks)
