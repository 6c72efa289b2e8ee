# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pm2 says of its apps, and how it is asked.

`pm2 jlist` prints the whole environment of each app. Only what is named here leaves this file.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t

from ..._core.errors import BadInput, Blind
from .calls import RELOAD, SCALE
from .services import Service
from .where import read_where

#: How pm2 writes the way that an app is run.
CLUSTER = "cluster"
_MODE = "_mode"
_ONLINE = "online"
WAITING = "waiting restart"
#: While a worker is reloaded, the one that it replaces has this before its number.
_OLD = "_old_"
#: Names that pm2 does not take for the name of one app.
_NOT_ONE_APP = ("all",)
_NO_VERSION = "N/A"
#: Milliseconds: that pm2 gives a process to end, and that it may take itself between a command and the start.
_PATIENCE, _SLOW = 1600, 5000
_QUIET = ("--silent", "--no-color")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the apps of a service are, as its inventory says.

    Attributes:
        user: whose daemon it is; empty for the owner of `home`, or without that for the user who looks.
        home: the daemon's directory, PM2_HOME; empty for .pm2 in the home of `user`.
        command: of pm2.
    """

    user: str = ""
    home: str = ""
    command: t.Sequence[str] = ("pm2",)

    @classmethod
    def of(cls, service: Service) -> Place:
        """Of a service.

        Raises:
            BadInput: its `where` is not usable, or its identity is not the name of one app.
        """
        where = read_where(service, texts=("user", "home"), commands=("command",))
        if service.identity in _NOT_ONE_APP or service.identity.isdigit() or service.identity.startswith("-"):
            said = f"service {service.name}: {service.identity} is not the name of an app of pm2."
            raise BadInput(said, hint="Give the app's name as its identity.")
        home = where.texts["home"]
        if home and not home.startswith("/"):
            raise BadInput(f"service {service.name}: where.home is not an absolute path.", hint="Give the directory PM2_HOME.")
        return cls(user=where.texts["user"], home=home, command=tuple(where.commands["command"] or cls.command))


@dataclasses.dataclass(frozen=True)
class App:
    """One process that pm2 manages, or would.

    Attributes:
        number: pm2's own, pm_id; a worker that is being replaced has a sign before it.
        name: of the app; several workers have one.
        state: online, launching, stopping, stopped, errored, waiting restart.
        pid: of its process, 0 without one.
        since: when it was started last, milliseconds since the epoch.
        asked_for: when somebody last started, restarted or reloaded it, likewise; 0 where pm2 does not say it.
        patience: milliseconds that its process is given to end.
        restarts: how often it was started again, by itself or by somebody.
        unstable: of these, how often it had lived for less than a second (min_uptime); pm2 sets that back to 0 when it gives up.
        exit_code: of its last end; None before there was one.
        mode: cluster or fork.
        memory: bytes.
        cpu: percent of one core.
        version: that the app says of itself; empty where it does not.
        logs: the files that it writes to.
    """

    number: str
    name: str
    state: str
    pid: int
    since: int
    asked_for: int
    patience: int
    restarts: int
    unstable: int
    exit_code: t.Optional[int]
    mode: str
    memory: int
    cpu: float
    version: str
    logs: tuple[str, ...]

    @property
    def up(self) -> bool:
        """Whether it has a process that pm2 takes for well."""
        return self.state == _ONLINE and self.pid > 0

    @property
    def start(self) -> str:
        """Another one after every start."""
        return f"{self.number.replace(_OLD, '')} {self.since}"

    @property
    def by_itself(self) -> t.Optional[int]:
        """How often pm2 itself started it again; None where somebody did last, since the counter has both."""
        asked = self.restarts and self.asked_for and self.since - self.asked_for <= self.patience + _SLOW
        return None if asked else self.restarts

    @classmethod
    def of(cls, one: t.Mapping[str, t.Any]) -> App:
        """One of `pm2 jlist`."""
        about, usage, code = one["pm2_env"], one.get("monit") or {}, one["pm2_env"].get("exit_code")
        return cls(
            number=str(one["pm_id"]), name=str(one["name"]), state=str(about["status"]), pid=int(one.get("pid") or 0),
            since=int(about.get("pm_uptime") or 0), asked_for=int(about.get("created_at") or 0),
            patience=int(about.get("kill_timeout") or _PATIENCE), restarts=int(about["restart_time"]),
            unstable=int(about.get("unstable_restarts") or 0), exit_code=code if isinstance(code, int) else None,
            mode=str(about["exec_mode"]).replace(_MODE, ""), memory=int(usage.get("memory") or 0), cpu=float(usage.get("cpu") or 0),
            version="" if about.get("version") in (None, _NO_VERSION) else str(about["version"]),
            logs=tuple(dict.fromkeys(str(about[key]) for key in ("pm_out_log_path", "pm_err_log_path") if about.get(key))),
        )


def apps_of(text: str, *, name: str) -> list[App]:
    """What `pm2 jlist` says of the app of this name, one for each of its processes; an empty list where pm2 has none.

    Args:
        text: may have a banner of pm2 above the list.

    Raises:
        Blind: there is no list in it. The text is not quoted: it holds environments.
    """
    for line in reversed(text.splitlines()):
        if line.startswith("["):
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                try:
                    return [App.of(one) for one in found if one["name"] == name]
                except (KeyError, TypeError, ValueError, AttributeError):
                    break
    raise Blind("pm2 did not list its apps as it does.", hint="Look at the output of pm2 jlist by hand; it holds environments.")


def quiet(command: t.Sequence[str], *words: str) -> list[str]:
    """A command of pm2 that prints neither tables nor colours."""
    return [*command, *words, *_QUIET]


def what_forbids(verb: str, *, service: str, modes: t.Collection[str], count: t.Optional[int]) -> list[str]:
    """Why a verb must not be used on an app.

    Args:
        verb: one of VERBS.
        service: its name for people.
        modes: App.mode of each of its processes.
        count: of scale: how many there are to be.
    """
    if not modes:
        return [f"pm2 has no app {service}, and only its own ecosystem file or `pm2 resurrect` can bring it back"]
    forks = set(modes) != {CLUSTER}
    if verb == RELOAD and forks:
        return [f"{service} runs in fork mode, which has no reload: pm2 would restart it"]
    if verb == SCALE and forks:
        return [f"{service} runs in fork mode: pm2 would start another one of it that cannot have the same port"]
    if verb == SCALE and (count is None or count < 1):
        return [f"{service} is scaled to a number of at least 1; stop it to have none"]
    if verb == SCALE and count == len(modes):
        return [f"{service} has {count} processes already"]
    return []
