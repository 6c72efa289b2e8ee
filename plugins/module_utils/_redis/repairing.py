# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs of a Redis server, each measured: more clients at run time, a save after the disk was freed, another primary for an orphan.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import time
import typing as t

from .._core import actions
from .._core.errors import BadInput, CannotReach, IncidentError
from .._module.lock import acting_alone
from .acting import failure, resource
from .args import Way
from .connection import Client, CommandRefused
from .decisions.clients import SENTINEL_NAMES, parse_clients
from .decisions.info import integer, keyspace
from .decisions.safety import Replication, descriptor_obstacle, repoint_obstacles
from .resp import ErrorReply, text

RAISE, SAVE, REPOINT = OPERATIONS = ("raise_maxclients", "save", "repoint_replica")
POLL = 0.1
_HELLO = "__sentinel__:hello"
#: Whoever has it may go beyond the hard limit: capabilities(7).
_CAP_SYS_RESOURCE = 24
_SERVERS = ("redis-server", "valkey-server", "keydb-server", "dragonfly")

Answer = tuple[dict[str, t.Any], t.Optional[IncidentError]]


@dataclasses.dataclass(frozen=True)
class Permission:
    """What every operation obeys.

    Attributes:
        approved: action ids of an approved plan; None for no restriction.
        check_mode: only plan.
    """

    approved: t.Optional[t.Sequence[str]] = None
    check_mode: bool = False

    def settle(self, action: actions.Action, *, needed: bool, against: t.Sequence[str] = ()) -> t.Optional[actions.Action]:
        """What becomes of the action without acting, None when it is to be carried out."""
        if not needed:
            return action.with_outcome(actions.NOT_NEEDED)
        if against:
            return action.with_outcome(actions.REFUSED, why="; ".join(against))
        if not actions.is_approved([action.id], self.approved):
            return action.with_outcome(actions.REFUSED, why="not approved")
        return action if self.check_mode else None


@dataclasses.dataclass
class _Progress:
    """What is known of a change while it is made. changed: the server took it, and it is not measured to be undone."""

    changed: bool = False


def repair(client: Client, way: Way, params: t.Mapping[str, t.Any], *, timeout: float, check_mode: bool) -> Answer:
    """Do the operation the arguments name.

    Args:
        way: how the named primary of repoint_replica is entered.
        timeout: seconds.
    """
    permission = Permission(approved=params["approved"], check_mode=check_mode)
    if params["operation"] == RAISE:
        return raise_maxclients(client, wanted=params["maxclients"], permission=permission)
    if params["operation"] == SAVE:
        return save(client, timeout=timeout, permission=permission)
    host, port = params["primary_host"], params["primary_port"]
    try:
        named = way.open(client.deadline, login=way.login.at(host, port))
    except CannotReach as exc:
        return repoint(client, host=host, port=port, named=exc, timeout=timeout, permission=permission)
    with named:
        return repoint(client, host=host, port=port, named=named, timeout=timeout, permission=permission)


def raise_maxclients(client: Client, *, wanted: int, permission: Permission, proc: str = "/proc") -> Answer:
    """Raise maxclients at run time; the old value is in the action's detail. It is never lowered.

    Raises:
        BadInput: wanted is not positive.
        CommandRefused: the setting may not be read.
    """
    if wanted < 1:
        raise BadInput(f"maxclients: {wanted} is no number of clients.", hint="Give a number above the present one.", argument="maxclients")
    info = client.info()
    old = int(client.config("maxclients").get("maxclients", 0))
    hard, privileged = descriptors(integer(info, "process_id"), proc=proc)
    against = [reason for reason in (descriptor_obstacle(wanted, hard_limit=hard, privileged=privileged),) if reason]
    reason = f"The server takes {old} clients, and has {info.get('connected_clients', '?')}."
    action = _action(RAISE, info, {"maxclients": wanted}, reason, {
        "before": old, "descriptor_limit": hard, "note": "At run time only: the next start takes the value of the configuration file.",
    })

    def work(progress: _Progress) -> actions.Action:
        refused = _try(client, "CONFIG", "SET", "maxclients", wanted)
        progress.changed = refused is None
        now = int(client.config("maxclients").get("maxclients", 0))
        progress.changed = now != old
        if now == wanted:
            return action.with_outcome(actions.DONE, after=now)
        return _not_done(action, refused, why=f"maxclients is {now}", after=now)

    return _finish(client, action, permission, work, needed=old < wanted, against=against, limits={"maxclients": wanted})


def save(client: Client, *, timeout: float, permission: Permission) -> Answer:
    """Save to disk in the background because the last save failed, and wait for its end."""
    info = client.info()
    status = info.get("rdb_last_bgsave_status", "")
    reason = f"The last save is {status or 'unknown'}: the server may refuse writes until one works."
    before = {"status": status, "changes": integer(info, "rdb_changes_since_last_save"), "last_save": integer(info, "rdb_last_save_time")}
    action = _action(SAVE, info, {"file": "rdb"}, reason, {"before": before})

    def work(_progress: _Progress) -> actions.Action:
        started = int(client.call("TIME")[0])
        refused = None
        if info.get("rdb_bgsave_in_progress") != "1":
            # SCHEDULE: while the append-only file is rewritten it waits instead of failing.
            refused = _try(client, "BGSAVE", "SCHEDULE")
        bound = client.deadline.part(timeout)
        while refused is None:
            now = client.info("persistence")
            saved = integer(now, "rdb_last_save_time") or 0
            running = now.get("rdb_bgsave_in_progress") == "1"
            if not running and now.get("rdb_last_bgsave_status") == "ok" and saved >= started:
                return action.with_outcome(actions.DONE, after={"status": "ok", "last_save": saved})
            if bound.passed() or (not running and now.get("aof_rewrite_in_progress") != "1" and now.get("rdb_last_bgsave_status") == "err"):
                why = "the save failed: is the disk still full?" if not running else f"the save is not finished after {timeout:g} s"
                return action.with_outcome(actions.UNKNOWN if running else actions.FAILED, why=why)
            time.sleep(POLL)
        return _not_done(action, refused, why="the server did not begin to save")

    return _finish(client, action, permission, work, needed=status != "ok", limits={"saves": 1})


def repoint(
    client: Client, *, host: str, port: int, named: t.Union[Client, CannotReach], timeout: float, permission: Permission,
) -> Answer:
    """Give an orphan replica the named primary, when that continues the history it has.

    Args:
        named: an open connection to the named primary, or why there is none.
        timeout: how long the link is waited for, seconds.
    """
    info = client.info()
    mine = replication(client, info)
    target = f"{host}:{port}"
    action = _action(REPOINT, info, {"primary": target}, f"Its primary {mine.primary or '(none)'} is gone.", {
        "before": {"primary": mine.primary, "offset": mine.offset, "replid": mine.replid},
    })
    if isinstance(named, CannotReach):
        against = [f"the named server {target} cannot be reached ({named.facts.get('error', '')})"]
    else:
        theirs = replication(named, named.info())
        against = repoint_obstacles(mine, theirs)
        action = dataclasses.replace(action, detail={**action.detail, "named": theirs.as_dict()})
    settled_already = mine.link_up and mine.primary == target

    def work(progress: _Progress) -> actions.Action:
        refused = _try(client, "REPLICAOF", host, port)
        if refused is not None:
            return _not_done(action, refused, why="")
        progress.changed = True
        bound = client.deadline.part(timeout)
        while True:
            now = client.info("replication")
            if now.get("master_link_status") == "up" and f"{now.get('master_host')}:{now.get('master_port')}" == target:
                return action.with_outcome(actions.DONE, after={"primary": target, "offset": integer(now, "slave_repl_offset")})
            if bound.passed():
                break
            time.sleep(POLL)
        why = f"the link to {target} is not up after {timeout:g} s"
        refused = _try(client, "REPLICAOF", info["master_host"], info["master_port"])
        back = replication(client, client.info())
        # Undone is: the old primary, and still the data of before. A synchronisation may have begun to replace them.
        progress.changed = (back.primary, back.replid, back.keys) != (mine.primary, mine.replid, mine.keys)
        if progress.changed:
            said = f" ({refused.code} {refused.reply.message})" if refused else ""
            why += f", and what was there before could not be put back{said}: it has {back.primary} as its primary and {back.keys} keys"
        else:
            why += f"; {mine.primary} is its primary again, as before"
        return action.with_outcome(actions.FAILED, why=why, after={"primary": back.primary, "offset": back.offset})

    return _finish(client, action, permission, work, needed=not settled_already, against=against, limits={"primary": target})


def replication(client: Client, info: t.Mapping[str, str]) -> Replication:
    """A server's place in replication, and who manages it."""
    primary = f"{info['master_host']}:{info['master_port']}" if "master_host" in info else ""
    return Replication(
        server=info.get("run_id", ""), role=info.get("role", ""), link_up=info.get("master_link_status") == "up", primary=primary,
        replid=info.get("master_replid", ""), replid2=info.get("master_replid2", ""),
        offset=integer(info, "slave_repl_offset" if info.get("role") == "slave" else "master_repl_offset") or 0,
        second_offset=-1 if integer(info, "second_repl_offset") is None else int(info["second_repl_offset"]),
        keys=sum(counts["keys"] for counts in keyspace(info).values()),
        cluster=info["cluster_enabled"] == "1" if "cluster_enabled" in info else None, sentinel=_watched(client, info),
    )


def _watched(client: Client, info: t.Mapping[str, str]) -> t.Optional[bool]:
    """Whether a Sentinel watches the server: it connects under its name and listens to the channel of all Sentinels."""
    if info.get("redis_mode") == "sentinel":
        return True
    clients, subscribers = client.replies([("CLIENT", "LIST"), ("PUBSUB", "NUMSUB", _HELLO)])
    known = [reply for reply in (clients, subscribers) if not isinstance(reply, ErrorReply)]
    if isinstance(clients, bytes) and any(one.name.startswith(SENTINEL_NAMES) for one in parse_clients(text(clients))):
        return True
    if isinstance(subscribers, list) and len(subscribers) == 2 and int(subscribers[1]) > 0:
        return True
    return False if len(known) == 2 else None


def descriptors(pid: t.Optional[int], *, proc: str = "/proc") -> tuple[t.Optional[int], bool]:
    """The hard limit of open files of a server's process on this host, and whether it may go beyond; (None, False) when it is elsewhere."""
    try:
        with open(f"{proc}/{pid}/comm", encoding="utf-8") as file:
            if not file.read().startswith(_SERVERS):
                return None, False
        with open(f"{proc}/{pid}/limits", encoding="utf-8") as file:
            found = re.search(r"(?m)^Max open files\s+\S+\s+(\d+)", file.read())
        with open(f"{proc}/{pid}/status", encoding="utf-8") as file:
            able = re.search(r"(?m)^CapEff:\s+([0-9a-f]+)", file.read())
        return (int(found.group(1)) if found else None), bool(able and int(able.group(1), 16) >> _CAP_SYS_RESOURCE & 1)
    except OSError:
        return None, False


def _action(verb: str, info: t.Mapping[str, str], target: dict[str, t.Any], reason: str, detail: dict[str, t.Any]) -> actions.Action:
    return actions.Action(
        verb=verb, resource=resource(info), identity=target, target=target, reason=reason, detail=detail,
        name=", ".join(f"{what} {value}" for what, value in target.items()),
    )


def _finish(
    client: Client, action: actions.Action, permission: Permission, work: t.Callable[[_Progress], actions.Action], *, needed: bool,
    limits: t.Mapping[str, t.Any], against: t.Sequence[str] = (),
) -> Answer:
    done, progress = permission.settle(action, needed=needed, against=against), _Progress()
    if done is None:
        with acting_alone(action.resource):
            try:
                done = work(progress)
            except (CannotReach, CommandRefused) as exc:
                # Something may have been done already: the record must say so.
                done = action.with_outcome(actions.UNKNOWN, why=exc.message)
    result = actions.result([done], check_mode=permission.check_mode, limits=limits)
    result["changed"] = result["changed"] or progress.changed
    return result, failure([done])


def _try(client: Client, *command: t.Union[str, int]) -> t.Optional[CommandRefused]:
    try:
        client.call(*command)
    except CommandRefused as exc:
        return exc
    return None


def _not_done(action: actions.Action, refused: t.Optional[CommandRefused], *, why: str, **detail: t.Any) -> actions.Action:
    if refused is None:
        return action.with_outcome(actions.FAILED, why=why, **detail)
    outcome = actions.NOT_PERMITTED if refused.not_permitted else actions.FAILED
    return action.with_outcome(outcome, why=f"{refused.code} {refused.reply.message}", **detail)
