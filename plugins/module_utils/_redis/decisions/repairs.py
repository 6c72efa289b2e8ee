# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Redis server may be repaired: each repair from what was seen of the server.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import temporary, why
from ..._core.acting import Candidate, Sight, Target
from ..._core.actions import DONE, MOVED_ON, NOT_NEEDED, PLANNED, REFUSED, Action
from ..._core.recorded import Basis
from .room import Room, why_no_save
from .safety import NOT_SEEN, Replication, descriptor_obstacle, repoint_obstacles
from .state import NO_START

MODULE = "redis_repair"
RAISE, SAVE, REPOINT, RESTORE, KILL = OPERATIONS = (
    "raise_maxclients", "save", "repoint_replica", "restore_maxclients", "kill_script",
)
#: What a server says that only SHUTDOWN NOSAVE may end: a script that has written, or that its primary sent.
UNKILLABLE = "UNKILLABLE"


@dataclasses.dataclass(frozen=True)
class Raising:
    """A server that is to take more clients.

    Attributes:
        wanted, before: maxclients, and its present value.
        connected: how many it says that it has.
        hard_limit, privileged: of its process, see descriptor_obstacle().
        cost: what a restart of it costs; empty where nothing is seen of that.
    """

    wanted: int
    before: int
    connected: str = "?"
    hard_limit: t.Optional[int] = None
    privileged: bool = False
    cost: str = ""


@dataclasses.dataclass(frozen=True)
class Restoring:
    """A server that is to take as few clients as before a change of ours.

    Attributes:
        before, ours: maxclients before the change, and what that made of it.
        now: its present value.
        connected: how many clients it has; None where that cannot be seen.
        change, start: id of the change, and the start of the server that it was made to.
    """

    before: int
    ours: int
    now: int
    connected: t.Optional[int]
    change: str
    start: str


@dataclasses.dataclass(frozen=True)
class Saving:
    """A server that is to save to disk: how its last save ended, and whether one is at work.

    Attributes:
        room: what its directory has room for; None where nobody wants to know, or where what was done before it made room.
    """

    status: str = ""
    changes: t.Optional[int] = None
    last_save: t.Optional[int] = None
    running: bool = False
    room: t.Optional[Room] = None


@dataclasses.dataclass(frozen=True)
class Orphan:
    """A replica and the primary that was named for it.

    Attributes:
        mine: the replica.
        place: host:port of the primary.
        named: the primary; None where it cannot be reached.
        error: why it cannot.
    """

    mine: Replication
    place: str
    named: t.Optional[Replication] = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Running:
    """A server that a script or a function may block.

    Attributes:
        said: the answer to PING where it is BUSY; empty where nothing blocks it.
    """

    said: str = ""

    @property
    def command(self) -> str:
        """The command that the server says would end it. Empty where it names none: a module's own command runs."""
        return next((command for command in ("FUNCTION KILL", "SCRIPT KILL") if command in self.said), "")


def sight(
    resource: str, raising: t.Optional[Raising] = None, restoring: t.Optional[Restoring] = None, saving: t.Optional[Saving] = None,
    orphan: t.Optional[Orphan] = None, script: t.Optional[Running] = None,
) -> Sight[t.Any]:
    """What could be done, of the one repair that is given.

    Args:
        resource: the server.
    """
    if raising is not None:
        return may_raise(raising, resource=resource)
    if restoring is not None:
        return may_restore(restoring, resource=resource)
    if script is not None:
        return may_kill(script, resource=resource)
    return may_repoint(orphan, resource=resource) if orphan is not None else may_save(saving or Saving(), resource=resource)


def may_raise(seen: Raising, *, resource: str) -> Sight[int]:
    """More clients at run time; the target is the present value. It is never lowered."""
    reason = f"The server takes {seen.before} clients, and has {seen.connected}."
    action = _action(RAISE, resource, {"maxclients": seen.wanted}, reason, {
        "before": seen.before, "descriptor_limit": seen.hard_limit,
        "note": "At run time only: the next start takes the value of the configuration file.",
    })
    action = temporary.with_temporary(action, temporary.Temporary(
        way_back=f"CONFIG SET maxclients {seen.before}", survives="the server's restart",
        undo={"verb": RESTORE, "before": seen.before, "set": seen.wanted},
    ))
    against = descriptor_obstacle(seen.wanted, hard_limit=seen.hard_limit, privileged=seen.privileged)
    against += f". That costs: {seen.cost}" if against and seen.cost else ""
    basis = _basis(resource, raising=seen)
    return _sight(
        seen.before, action, basis, needed=seen.before < seen.wanted, against=[against] if against else [], code=why.CANNOT_HELP,
    )


def may_restore(seen: Restoring, *, resource: str) -> Sight[int]:
    """The number of clients from before a change, while the server still has that change's value; the target is the present value."""
    action = _action(RESTORE, resource, {"maxclients": seen.before, "instead_of": seen.ours},
                     f"It was raised to {seen.ours} by {seen.change}.", {"before": seen.now, "connected_clients": seen.connected})
    basis = _basis(resource, restoring=seen)
    if NO_START in (resource, seen.start):
        said = "the server does not tell its starts apart, so whether it is the one that was changed cannot be seen"
        return Sight([Candidate(seen.now, action, unseen=said)], basis=basis)
    if resource != seen.start:
        # Its configuration may have our number too. What we set at run time ended with the start that we set it in.
        said = f"the start of the server that it was done to is over; this one takes {seen.now} clients"
        action = action.with_outcome(NOT_NEEDED, why=why.RESTARTED, error=said)
    elif seen.now == seen.ours:
        against = too_few(seen.before, connected=seen.connected)
        return _sight(seen.now, action, basis, needed=seen.now != seen.before, against=[against] if against else [])
    elif seen.now == seen.before:
        action = action.with_outcome(NOT_NEEDED, why=why.ALREADY_SO)
    else:
        action = action.with_outcome(MOVED_ON, why=why.NO_LONGER_MATCHES, error=f"somebody has set maxclients to {seen.now} since")
    return Sight([Candidate(seen.now, action)], basis=basis)


def too_few(before: int, *, connected: t.Optional[int]) -> str:
    """Why the old value of maxclients is too low now; empty where it is not."""
    if connected is None:
        return "how many clients are connected cannot be seen"
    return f"{connected} clients are connected, and {before} would be allowed" if connected > before else ""


def may_save(seen: Saving, *, resource: str) -> Sight[bool]:
    """A save, because the last one failed; the target is whether one is at work."""
    reason = f"The last save is {seen.status or 'unknown'}: the server may refuse writes until one works."
    action = _action(SAVE, resource, {"file": "rdb"}, reason, {
        "before": {"status": seen.status, "changes": seen.changes, "last_save": seen.last_save},
    })
    code, against = why_no_save(seen.room) if seen.room is not None else ("", "")
    return _sight(
        seen.running, action, _basis(resource, saving=seen), needed=seen.status != "ok", against=[against] if against else [], code=code,
    )


def made_room(results: t.Sequence[t.Mapping[str, t.Any]], *, check_mode: bool) -> bool:
    """Whether what was done before a save made room for it; in check mode, whether it would.

    Args:
        results: of the modules that did it; what was skipped has no actions.
    """
    good = {DONE, PLANNED} if check_mode else {DONE}
    return any(action.get("outcome") in good for result in results for action in result.get("actions") or ())


def may_repoint(seen: Orphan, *, resource: str) -> Sight[Orphan]:
    """The named primary for an orphan replica, when that continues the history it has."""
    mine, basis = seen.mine, _basis(resource, orphan=seen)
    action = _action(REPOINT, resource, {"primary": seen.place}, f"Its primary {mine.primary or '(none)'} is gone.", {
        "before": {"primary": mine.primary, "offset": mine.offset, "replid": mine.replid},
    })
    needed = not (mine.link_up and mine.primary == seen.place)
    if seen.named is None:
        against = [f"the named server {seen.place} cannot be reached ({seen.error})"]
        return _sight(seen, action, basis, needed=needed, against=against, code=why.CANNOT_LOOK)
    action = dataclasses.replace(action, detail={**action.detail, "named": seen.named.as_dict()})
    against = repoint_obstacles(mine, seen.named)
    hidden = bool(against) and all(NOT_SEEN in one for one in against)
    return _sight(seen, action, basis, needed=needed, against=against, code=why.CANNOT_LOOK if hidden else why.PROTECTED)


def may_kill(seen: Running, *, resource: str) -> Sight[Running]:
    """The end of the script that blocks the server; the target is what the server says. That it has written shows only when it is tried."""
    reason = f"It blocks every other client: {seen.said.rstrip('.')}." if seen.said else "Nothing blocks the server."
    action = _action(KILL, resource, {"blocking": "script"}, reason, {
        "command": seen.command,
        "note": "The server refuses it for a script that has written, which only SHUTDOWN NOSAVE ends. That is not done here.",
    })
    against = [] if seen.command else ["a command of a module runs, and the server has no command that ends it"]
    return _sight(seen, action, _basis(resource, script=seen), needed=bool(seen.said), against=against, code=why.CANNOT_HELP)


def _basis(resource: str, **seen: t.Any) -> Basis:
    return Basis(MODULE, {"resource": resource, **seen})


def _action(verb: str, resource: str, target: dict[str, t.Any], reason: str, detail: dict[str, t.Any]) -> Action:
    return Action(
        verb=verb, resource=resource, identity=target, target=target, reason=reason, detail=detail,
        name=", ".join(f"{what} {value}" for what, value in target.items()),
    )


def _sight(
    target: Target, action: Action, basis: Basis, *, needed: bool, against: t.Sequence[str] = (), code: str = why.PROTECTED,
) -> Sight[Target]:
    """The one candidate: to be decided, not needed, or refused for what is against it."""
    if not needed:
        action = action.with_outcome(NOT_NEEDED, why=why.ALREADY_SO)
    elif against:
        action = action.with_outcome(REFUSED, why=code, error="; ".join(against))
    return Sight([Candidate(target, action)], basis=basis)
