# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs of a Redis server, each measured.

More clients at run time and the number from before again, a save after the disk was freed, another primary for an orphan, the end of a
script that blocks the server.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from .._core import hosts, temporary, why
from .._core.acting import Candidate, Sight, Target, act, answered, untouched
from .._core.actions import DONE, FAILED, MOVED_ON, NOT_PERMITTED, REFUSED, UNKNOWN, Action, Approved
from .._core.errors import BadInput, CannotReach, IncidentError
from .._core.waiting import until
from .._host.listening import listening
from .._host.speaking import is_itself
from .acting import OnServer
from .connection import Client, CommandRefused, explained
from .decisions.clients import SENTINEL_NAMES, parse_clients
from .decisions.facts import BUSY
from .decisions.info import integer, keyspace
from .decisions.repairs import (
    KILL,
    RAISE,
    REPOINT,
    RESTORE,
    SAVE,
    UNKILLABLE,
    Orphan,
    Raising,
    Restoring,
    Running,
    Saving,
    made_room,
    may_kill,
    may_raise,
    may_repoint,
    may_restore,
    may_save,
    too_few,
)
from .decisions.safety import Replication, restart_cost, view_from
from .decisions.state import RESOURCE
from .resp import ErrorReply, text
from .room import room_of

POLL = 0.1
#: What a server says to SCRIPT KILL where no script runs.
_NOT_BUSY = "NOTBUSY"
_HELLO = "__sentinel__:hello"
#: Whoever has it may go beyond the hard limit: capabilities(7).
_CAP_SYS_RESOURCE = 24
_SERVERS = ("redis-server", "valkey-server", "keydb-server", "dragonfly")


def repair(
    subject: Repair[t.Any], *, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Make one repair.

    Returns:
        The result by contract, and the error that the task must fail with, if any.
    """
    with contextlib.closing(subject):
        done = act(subject, approved=approved, check_mode=check_mode)
    return done.as_result(limits=subject.limits), done.problem


class Repair(OnServer[Target]):
    """One change to a server: there is one candidate, the server itself."""

    noun, done = "servers", "repaired"

    @property
    def limits(self) -> dict[str, t.Any]:
        """The limits as they enter results and the plan's hash."""
        raise NotImplementedError

    def answer_here(self, one: Approved) -> Action:
        asked = ", ".join(f"{name} {value}" for name, value in self.limits.items())
        return answered(one, MOVED_ON, why.NO_LONGER_MATCHES, error=f"What is asked for now is another change: {asked}")


def repair_from(params: t.Mapping[str, t.Any], *, timeout: float, check_mode: bool = False) -> Repair[t.Any]:
    """The repair that the arguments name.

    Args:
        timeout: how long the end of it is waited for, seconds.
        check_mode: whether it is only planned.

    Raises:
        BadInput: an argument is not usable.
    """
    if params["operation"] == RAISE:
        return RaiseMaxclients(params)
    if params["operation"] == RESTORE:
        return RestoreMaxclients(params)
    if params["operation"] == KILL:
        return KillScript(params, timeout)
    if params["operation"] == SAVE:
        return Save(params, timeout, check_mode=check_mode)
    return Repoint(params, timeout)


class RaiseMaxclients(Repair[int]):
    """Raise maxclients at run time; the target is the old value, which is in the action's detail too. It is never lowered."""

    verbs = (RAISE,)

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self._wanted = int(params["maxclients"])
        if self._wanted < 1:
            raise BadInput(
                f"maxclients: {self._wanted} is too low.", hint="Give a number above the present one.", argument="maxclients",
            )
        super().__init__(params)

    @property
    def limits(self) -> dict[str, t.Any]:
        return {"maxclients": self._wanted}

    def look(self) -> Sight[int]:
        client = self.entered()
        info = client.info()
        old = _maxclients(client)
        hard, privileged = self._descriptors(integer(info, "process_id"))
        return may_raise(
            Raising(self._wanted, before=old, connected=info.get("connected_clients", "?"), hard_limit=hard, privileged=privileged,
                    cost=restart_cost(view_from(info, save=client.config("save").get("save")))),
            resource=self.resource,
        )

    def _descriptors(self, said: t.Optional[int]) -> tuple[t.Optional[int], bool]:
        """See descriptors(). A number is a process of this host only where that listens at the address: behind a tunnel it is another's."""
        login = self.way.login
        _anybody, holder = listening(host=login.host, port=login.port, path=login.unix_socket or None)
        return descriptors(holder) if holder and said and is_itself(holder, said) else (None, False)

    def carry_out(self, candidate: Candidate[int]) -> Action:
        client = self.entered()
        refused = _try(client, "CONFIG", "SET", "maxclients", self._wanted)
        now = _maxclients(client)
        action = dataclasses.replace(candidate.action, touched=now != candidate.target)
        if now == self._wanted:
            return action.with_outcome(DONE, after=now)
        return _not_done(action, refused, error=f"maxclients is {now}", after=now)


class RestoreMaxclients(Repair[int]):
    """Put maxclients back to what it was before a change of ours, while it still has our value; the target is the present value.

    Args:
        params: of the module; `change` is the action that raised it.

    Raises:
        BadInput: the change cannot be read, or is another one.
    """

    verbs = (RESTORE,)

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self._change = Action.from_dict(params["change"])
        known = temporary.of(self._change)
        undo = known.undo if known is not None else {}
        try:
            self._before, self._ours = int(undo["before"]), int(undo["set"])
        except (KeyError, TypeError, ValueError) as exc:
            raise BadInput(
                f"change: {self._change.id} does not say what maxclients was before.",
                hint="Give the action as its record has it: incident undo does.", argument="change",
            ) from exc
        self.undoes = self._change.id
        super().__init__(params)

    @property
    def limits(self) -> dict[str, t.Any]:
        return {"maxclients": self._before}

    def look(self) -> Sight[int]:
        client = self.entered()
        now, connected = _maxclients(client), integer(client.info("clients"), "connected_clients")
        return may_restore(
            Restoring(self._before, self._ours, now, connected=connected, change=self._change.id, start=self._change.resource),
            resource=self.resource,
        )

    def carry_out(self, candidate: Candidate[int]) -> Action:
        client, action = self.entered(), candidate.action
        now = _maxclients(client)
        if now != self._ours:
            return action.with_outcome(MOVED_ON, why=why.NO_LONGER_MATCHES, error=f"somebody has set maxclients to {now} since")
        against = too_few(self._before, connected=integer(client.info("clients"), "connected_clients"))
        if against:
            return action.with_outcome(REFUSED, why=why.PROTECTED, error=against)
        refused = _try(client, "CONFIG", "SET", "maxclients", self._before)
        now = _maxclients(client)
        action = dataclasses.replace(action, touched=now != self._ours)
        if now == self._before:
            return action.with_outcome(DONE, after=now)
        return _not_done(action, refused, error=f"maxclients is {now}", after=now)


class Save(Repair[bool]):
    """Save to disk in the background because the last save failed, and wait for its end; the target is whether one is at work."""

    verbs = (SAVE,)

    def __init__(self, params: t.Mapping[str, t.Any], timeout: float, *, check_mode: bool) -> None:
        self._timeout = timeout
        after = params.get("after")
        self._needs_room = after is not None and not made_room(after, check_mode=check_mode)
        super().__init__(params)

    @property
    def limits(self) -> dict[str, t.Any]:
        return {"saves": 1}

    def look(self) -> Sight[bool]:
        client = self.entered()
        info = client.info()
        return may_save(Saving(
            status=info.get("rdb_last_bgsave_status", ""), changes=integer(info, "rdb_changes_since_last_save"),
            last_save=integer(info, "rdb_last_save_time"), running=info.get("rdb_bgsave_in_progress") == "1",
            room=room_of(client, info) if self._needs_room else None,
        ), resource=self.resource)

    def carry_out(self, candidate: Candidate[bool]) -> Action:
        client, action = self.entered(), candidate.action
        try:
            started = int(client.call("TIME")[0])
        except CommandRefused as exc:
            return _not_done(dataclasses.replace(action, touched=False), exc)
        begun = candidate.target
        if not begun:
            try:
                # SCHEDULE: while the append-only file is rewritten it waits instead of failing, and says so.
                begun = "scheduled" not in str(client.ask("BGSAVE", "SCHEDULE"))
            except CommandRefused as exc:
                return _not_done(action, exc)

        def ended(now: t.Mapping[str, str]) -> t.Optional[Action]:
            nonlocal begun
            saved = integer(now, "rdb_last_save_time") or 0
            running = now.get("rdb_bgsave_in_progress") == "1"
            begun = begun or running
            if not running and now.get("rdb_last_bgsave_status") == "ok" and saved >= started:
                return action.with_outcome(DONE, after={"status": "ok", "last_save": saved})
            if begun and not running and now.get("rdb_last_bgsave_status") == "err":
                return action.with_outcome(FAILED, why=why.NOT_MEASURED, error="the save failed: is the disk still full?")
            return None

        answer = until(
            lambda said: said is not None, lambda: ended(client.info("persistence")), seconds=client.deadline.within(self._timeout),
            interval=POLL,
        )
        waits = "is not finished" if begun else "waits for other work of the server"
        return answer or action.with_outcome(UNKNOWN, why=why.STILL_AT_WORK, error=f"the save {waits} after {self._timeout:g} s")


class KillScript(Repair[Running]):
    """End the script or function that blocks the server; the target is what the server says of it.

    It is known by its address: while it is blocked it does not tell its run id.
    """

    verbs = (KILL,)

    def __init__(self, params: t.Mapping[str, t.Any], timeout: float) -> None:
        self._timeout = timeout
        super().__init__(params)

    @property
    def limits(self) -> dict[str, t.Any]:
        return {"scripts": 1}

    def known_as(self, client: Client) -> str:
        return RESOURCE + client.login.place

    def look(self) -> Sight[Running]:
        return may_kill(_running(self.entered()), resource=self.resource)

    def carry_out(self, candidate: Candidate[Running]) -> Action:
        client, action, command = self.entered(), candidate.action, candidate.target.command
        if _running(client).command != command:
            return action.with_outcome(MOVED_ON, why=why.GONE_ALREADY, error="it has ended by itself")
        refused = _try(client, *command.split())
        if refused is not None and refused.code == UNKILLABLE:
            said = f"{refused.reply}: only SHUTDOWN NOSAVE ends it, which loses what is not saved and is not done here"
            return action.with_outcome(REFUSED, why=why.TARGET_REFUSED, error=said)
        if refused is not None and refused.code == _NOT_BUSY:
            return action.with_outcome(MOVED_ON, why=why.GONE_ALREADY, error="it has ended by itself")
        if refused is not None:
            return _not_done(dataclasses.replace(action, touched=False), refused)
        left = until(
            lambda now: not now.said, lambda: _running(client), seconds=client.deadline.within(self._timeout), interval=POLL,
        )
        if left.said:
            return action.with_outcome(FAILED, why=why.NOT_MEASURED, error=f"the server still says: {left.said}")
        return action.with_outcome(DONE)


def _running(client: Client) -> Running:
    reply = client.replies([("PING",)])[0]
    return Running(str(reply) if isinstance(reply, ErrorReply) and reply.code == BUSY else "")


class Repoint(Repair[Orphan]):
    """Give an orphan replica the named primary, when that continues the history it has."""

    verbs = (REPOINT,)

    def __init__(self, params: t.Mapping[str, t.Any], timeout: float) -> None:
        self._host = hosts.read_host(params["primary_host"], name="primary_host")
        self._port, self._timeout = int(params["primary_port"]), timeout
        super().__init__(params)

    @property
    def _named(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def limits(self) -> dict[str, t.Any]:
        return {"primary": self._named}

    def look(self) -> Sight[Orphan]:
        client = self.entered()
        seen = Orphan(replication(client, client.info()), self._named)
        try:
            with self.way.open(client.deadline, login=self.way.login.at(self._host, self._port)) as named:
                seen = dataclasses.replace(seen, named=replication(named, named.info()))
        except CannotReach as exc:
            seen = dataclasses.replace(seen, error=str(exc.facts.get("error", "")))
        return may_repoint(seen, resource=self.resource)

    def carry_out(self, candidate: Candidate[Orphan]) -> Action:
        client, action, mine = self.entered(), candidate.action, candidate.target.mine
        try:
            now = client.info("replication")
        except CannotReach as exc:
            return untouched(action, why.CANNOT_LOOK, error=exc.message)
        if now.get("role") != mine.role or now.get("master_link_status") == "up" or _primary(now) != mine.primary:
            return action.with_outcome(MOVED_ON, why=why.NO_LONGER_MATCHES, error=f"it has {_primary(now) or 'no primary'} by now")
        refused = _try(client, "REPLICAOF", self._host, self._port)
        if refused is not None:
            return _not_done(action, refused)
        now = until(
            self._follows, lambda: client.info("replication"), seconds=client.deadline.within(self._timeout), interval=POLL,
        )
        if not self._follows(now):
            return self._undone(action, mine, f"the link to {self._named} is not up after {self._timeout:g} s")
        history, named = now.get("master_replid", ""), candidate.target.named
        wanted = named.replid if named else ""
        if wanted and history != wanted and not self._is_new_of(named, history):
            # The name leads to another server from there than from here.
            said = f"the replica reached another server as {self._named}: the history of that is {history}, not {wanted}"
            return self._undone(action, mine, said)
        return action.with_outcome(DONE, after={"primary": self._named, "offset": integer(now, "slave_repl_offset")})

    def _is_new_of(self, named: t.Optional[Replication], history: str) -> bool:
        """Whether the named server has begun this history since it was looked at: one does for its first replica."""
        try:
            with self.way.open(self.entered().deadline, login=self.way.login.at(self._host, self._port)) as again:
                info = again.info()
        except CannotReach:
            return False
        return named is not None and info.get("run_id") == named.server and info.get("master_replid") == history

    def _follows(self, now: t.Mapping[str, str]) -> bool:
        return now.get("master_link_status") == "up" and _primary(now) == self._named

    def _undone(self, action: Action, mine: Replication, said: str) -> Action:
        """Put the old primary back, and measure that the data are those of before too: a synchronisation may have begun to replace them."""
        client = self.entered()
        host, _colon, port = mine.primary.rpartition(":")
        refused = _try(client, "REPLICAOF", host, port)
        back = replication(client, client.info())
        changed = (back.primary, back.replid, back.keys) != (mine.primary, mine.replid, mine.keys)
        if changed:
            told = f" ({refused.code} {refused.reply.message})" if refused else ""
            said += f", and what was there before could not be put back{told}: it has {back.primary} as its primary and {back.keys} keys"
        else:
            said += f"; {mine.primary} is its primary again, as before"
        after = {"primary": back.primary, "offset": back.offset}
        return dataclasses.replace(action, touched=changed).with_outcome(FAILED, why=why.NOT_MEASURED, error=said, after=after)


def replication(client: Client, info: t.Mapping[str, str]) -> Replication:
    """A server's place in replication, and who manages it."""
    return Replication(
        server=info.get("run_id", ""), role=info.get("role", ""), link_up=info.get("master_link_status") == "up", primary=_primary(info),
        replid=info.get("master_replid", ""), replid2=info.get("master_replid2", ""),
        offset=integer(info, "slave_repl_offset" if info.get("role") == "slave" else "master_repl_offset") or 0,
        second_offset=-1 if integer(info, "second_repl_offset") is None else int(info["second_repl_offset"]),
        keys=sum(counts["keys"] for counts in keyspace(info).values()),
        cluster=info["cluster_enabled"] == "1" if "cluster_enabled" in info else None, sentinel=_watched(client, info),
    )


def _primary(info: t.Mapping[str, str]) -> str:
    return f"{info['master_host']}:{info['master_port']}" if "master_host" in info else ""


def _maxclients(client: Client) -> int:
    return int(client.config("maxclients").get("maxclients", 0))


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


def _try(client: Client, *command: t.Union[str, int]) -> t.Optional[CommandRefused]:
    try:
        client.call(*command)
    except CommandRefused as exc:
        return exc
    return None


def _not_done(action: Action, refused: t.Optional[CommandRefused], *, error: str = "", **detail: t.Any) -> Action:
    if refused is None:
        return action.with_outcome(FAILED, why=why.NOT_MEASURED, error=error, **detail)
    outcome, code = (NOT_PERMITTED, why.NOT_PERMITTED) if refused.not_permitted else (FAILED, why.TARGET_REFUSED)
    return action.with_outcome(outcome, why=code, error=explained(refused.command, refused.reply), **detail)
