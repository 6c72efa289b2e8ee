# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are apps of pm2.

Every command of pm2 starts a daemon where none answers, and an empty one says that there is no app. So its daemon is looked for first,
at its socket, and pm2 is called only while it is there: as its owner, with none of our environment.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import socket
import struct
import typing as t

from ..._core.errors import BadInput, Blind
from ..._module.files import text_of
from ..._module.programs import Ran, Run
from ..decisions.calls import SCALE
from ..decisions.instance import Instance
from ..decisions.pm2 import WAITING, App, Place, apps_of, quiet, what_forbids
from ..decisions.services import Service
from ..evidence import LOGS, STATE, Kept
from ..instances import DaemonDown
from ..looking import CommandFailed

#: Seconds: for an answer of the daemon, and for the socket.
DEADLINE = 10
_SOCKET_SECONDS = 5.0
#: What ending a command takes, for who bounds it from outside.
GRACE = 5
_SOCKET = "rpc.sock"
#: The daemon's title, proc(5) cmdline: PM2 v7.0.4: God Daemon (/home/shop/.pm2).
_TITLE = "God Daemon"
#: As timeout(1) ends when the time was up.
_LATE = (124, 137)
#: Of each file its last lines, and at most 64 KiB.
_LAST_LINES = 'for file; do echo "== $file"; tail -c 65536 -- "$file" 2>&1 | tail -n 200; done'
_STOPPED = ("T", "t")


@dataclasses.dataclass(frozen=True)
class Daemon:
    """A daemon of pm2 that runs.

    Attributes:
        pid: its process.
        owner: the user who has it.
        home: its directory.
        program: the node that runs it: where that is, pm2 often is too.
        command: of pm2.
    """

    pid: int
    owner: pwd.struct_passwd
    home: str
    program: str
    command: t.Sequence[str]

    def argv(self, words: t.Sequence[str], *, seconds: float) -> list[str]:
        """A command as its owner, with none of our environment, ended after `seconds`."""
        become = [] if self.owner.pw_uid == os.geteuid() else [
            "setpriv", f"--reuid={self.owner.pw_uid}", f"--regid={self.owner.pw_gid}", "--init-groups", "--",
        ]
        paths = os.pathsep.join([os.path.dirname(self.program), "/usr/local/bin", "/usr/bin", "/bin"])
        return [
            "timeout", "-k", "1", f"{seconds:g}", *become, "env", "-i", f"HOME={self.owner.pw_dir}", f"USER={self.owner.pw_name}",
            f"PM2_HOME={self.home}", f"PATH={paths}", "LC_ALL=C", *words,
        ]


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime."""
    return look_many([service], run=run)[service.name]


def look_many(services: t.Sequence[Service], *, run: Run) -> dict[str, list[Instance]]:
    """See Runtime."""
    text = _list(daemon_of(Place.of(services[0])), run)
    return {service.name: [_instance(one) for one in apps_of(text, name=service.identity)] for service in services}


def daemon(service: Service) -> str:
    """See Runtime."""
    place = Place.of(service)
    return f"pm2{f' of {place.user}' if place.user else ''}{f' in {place.home}' if place.home else ''}"


def daemon_of(place: Place, *, proc: str = "/proc") -> Daemon:
    """The daemon of a place, which is not asked for anything.

    Raises:
        BadInput: there is no such user.
        DaemonDown: it does not run.
        Blind: it is not the user's, is not ours to ask, or is stopped.
    """
    owner, home = _owner_of(place)
    pid, uid = _behind(home)
    if _TITLE not in text_of(f"{proc}/{pid}/cmdline"):
        who = f"process {pid}" if pid else "a process of another container"
        raise Blind(f"{who} has {home}/{_SOCKET}, and no daemon of pm2 can be seen behind it.", hint="Correct where.home.")
    if uid != owner.pw_uid:
        raise Blind(f"The daemon of pm2 in {home} runs as {_name(uid)}, not as {owner.pw_name}.", hint="Correct where.user or where.home.")
    if os.geteuid() not in (0, uid):
        raise Blind(f"The daemon of pm2 in {home} is {owner.pw_name}'s.", hint=f"Become {owner.pw_name} or root.")
    state = text_of(f"{proc}/{pid}/stat").rpartition(")")[2].split()[:1]
    if state and state[0] in _STOPPED:
        raise Blind(
            f"The daemon of pm2 in {home}, process {pid}, is stopped by a signal and answers nobody. Its apps may run on.",
            hint=f"Find out who stopped it; kill -CONT {pid} lets it go on.",
        )
    try:
        program = os.readlink(f"{proc}/{pid}/exe")
    except OSError as exc:
        raise Blind(f"The daemon of pm2 in {home}, process {pid}, cannot be looked at: {exc.strerror}.", hint="Look again.") from exc
    return Daemon(pid=pid, owner=owner, home=home, program=program, command=place.command)


def operate(
    service: Service, verb: str, *, numbers: t.Sequence[str], count: t.Optional[int], run: Run, seconds: float,
) -> None:
    """Start, stop, restart or reload processes of an app one after the other, or scale it.

    Args:
        numbers: which of its processes, by App.number; not for scale.
        count: of scale: how many there are to be.
        seconds: that one command may take.

    Raises:
        BadInput: the service is not described in a usable way, or this cannot be done to it.
        DaemonDown: the daemon does not run.
        Blind: it is not the user's, is not ours to ask, or does not answer.
        CommandFailed: a process is not there any more, or pm2 said no. Those before it are done.
    """
    asked = daemon_of(Place.of(service))
    found = apps_of(_list(asked, run), name=service.identity)
    against = what_forbids(verb, service=service.name, modes=[one.mode for one in found], count=count)
    if against:
        raise BadInput(f"{against[0]}.", hint="Nothing was touched.")
    gone = sorted(set(numbers) - {one.number for one in found})
    if gone:
        raise CommandFailed(f"{service.identity} has no process {', '.join(gone)} any more.", hint="Look again, and plan again.")
    calls = [["scale", service.identity, str(count)]] if verb == SCALE else [[verb, number] for number in numbers]
    for words in calls:
        ran = run(asked.argv(quiet(asked.command, *words), seconds=seconds))
        _same(asked)
        if ran.problem:
            raise CommandFailed(f"pm2 {' '.join(words)} failed: {_said(ran, seconds)}", hint=f"Look into {asked.home}/pm2.log.")


def evidence(services: t.Sequence[Service], *, since: str, run: Run) -> list[Kept]:
    """See Runtime. The state is what was just seen: no command of pm2 prints it without environments."""
    try:
        asked = daemon_of(Place.of(services[0]))
        text = _list(asked, run)
        found = {one.name: apps_of(text, name=one.identity) for one in services}
    except Blind as exc:
        return [Kept("", STATE, text=exc.message), *(Kept(one.name, LOGS, ()) for one in services)]
    states = [{key: value for key, value in dataclasses.asdict(app).items() if key != "logs"} for apps in found.values() for app in apps]
    # As the daemon's owner: the paths are what the user of an app has written, and may be links to what is not theirs.
    return [Kept("", STATE, text="\n".join(json.dumps(one) for one in states) or "pm2 has none of these apps."), *(
        Kept(one.name, LOGS, tuple(asked.argv(["sh", "-c", _LAST_LINES, "sh", *_logs(found[one.name])], seconds=DEADLINE))
             if found[one.name] else ()) for one in services)]


def _logs(apps: t.Sequence[App]) -> list[str]:
    return list(dict.fromkeys(path for app in apps for path in app.logs))


def _list(asked: Daemon, run: Run) -> str:
    """What `pm2 jlist` prints: it holds environments."""
    ran = run(asked.argv(quiet(asked.command, "jlist"), seconds=DEADLINE))
    _same(asked)
    if ran.problem:
        hint = "Look at pm2 jlist by hand, or correct where.command."
        raise Blind(f"pm2 could not be asked for its apps: {_said(ran, DEADLINE)}", hint=hint)
    return ran.out


def _same(asked: Daemon) -> None:
    """The daemon is the one that was found.

    Raises:
        DaemonDown: it ended meanwhile. A command of pm2 that came too late has started another one.
    """
    if _behind(asked.home)[0] != asked.pid:
        raise DaemonDown(
            f"The daemon of pm2 in {asked.home} was process {asked.pid} and ended while it was asked; pm2 may have started an empty one.",
            hint="Look at pm2 list by hand; pm2 resurrect starts the apps that were saved.",
        )


def _said(ran: Ran, seconds: float) -> str:
    """Why a command failed; never what it printed, which may hold environments."""
    if ran.status in _LATE:
        return f"it did not answer within {seconds:g} s."
    first = next(iter(ran.err.strip().splitlines()), "")
    return f"{first[:200] or (f'status {ran.status}' if ran.status else ran.problem)}."


def _behind(home: str) -> tuple[int, int]:
    """The process that listens at the daemon's socket, and its user, unix(7) SO_PEERCRED."""
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(_SOCKET_SECONDS)
            asked.connect(f"{home}/{_SOCKET}")
            pid, uid, _gid = struct.unpack("3i", asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
            return pid, uid
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as exc:
        raise DaemonDown(
            f"No daemon of pm2 runs in {home}, so none of its apps is managed by anybody.",
            hint="Correct where.user and where.home, or have its user start it: pm2 resurrect starts the apps that were saved.",
        ) from exc
    except OSError as exc:
        raise Blind(
            f"The daemon of pm2 in {home} cannot be reached: {exc.strerror or exc}.", hint="Become the user whose daemon it is, or root.",
        ) from exc


def _owner_of(place: Place) -> tuple[pwd.struct_passwd, str]:
    """The user of a place, and its directory."""
    try:
        if place.user:
            owner = pwd.getpwnam(place.user)
        else:
            owner = pwd.getpwuid(os.stat(place.home).st_uid if place.home and os.path.isdir(place.home) else os.geteuid())
    except KeyError:
        raise BadInput(f"where.user: there is no user {place.user or 'of this number'} on this host.", hint="Correct where.user.") from None
    return owner, place.home or os.path.join(owner.pw_dir, ".pm2")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _instance(app: App) -> Instance:
    reason = "" if not app.exit_code else f"its last end was with status {app.exit_code}"
    return Instance(
        id=app.number, name=f"{app.name} {app.number}", start=app.start, state=app.state, up=app.up, main_pid=app.pid,
        restarts=app.by_itself, type=app.mode, runtime="pm2", restarting=app.state == WAITING, version=app.version, reason=reason,
        started_at=app.since / 1000 if app.since and app.pid else None, exit_code=None if app.pid else app.exit_code,
    )
