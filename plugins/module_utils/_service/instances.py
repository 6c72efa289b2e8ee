# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs of a service: its systemd unit or its containers, as their runtimes describe them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing as t

from .._core.errors import Blind

#: What is asked of systemd, systemd.exec(5) and org.freedesktop.systemd1(5).
UNIT_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "Type", "MainPID", "InvocationID", "NRestarts", "ConsistsOf", "ExecStart", "Environment",
    "StateChangeTimestampMonotonic",
)
#: What is asked of the container runtime: nothing that holds the container's environment. As JSON, since a field that a container
#: lacks, such as its health, is an error in any other way of asking.
#: Of all labels just the one that marks a container of `docker compose run`: it is none of the service's, and Compose lists it with them.
CONTAINER_FORMAT = (
    '[{{json .ID}},{{json .Name}},{{json .RestartCount}},{{json .State}},{{json (index .Config.Labels "com.docker.compose.oneoff")}}]'
)
ID_FORMAT = "{{.ID}}"
_NO_HEALTH = ("", "none")


@dataclasses.dataclass(frozen=True)
class Instance:
    """One unit or one container.

    Attributes:
        id: of the unit its name, of a container its id.
        name: for people.
        start: another one after every start.
        state: as the runtime says it: active, running, ...
        health: as a container's health check says it; empty without one.
        up: whether it runs, and is healthy where it can say so.
        main_pid: its main process, 0 when there is none.
        restarts: how often the runtime itself started it again; None when that is not known.
        type: of a unit: simple, forking, oneshot, ...
        members: of a unit that only groups others: those.
        paths: of a unit: the absolute paths in the command that starts it, and PGDATA of its environment, where Red Hat's units of
            PostgreSQL have the directory. The rest of both may hold a password.
        changed: of a unit: when its state changed last, by the host's own clock.
        workers: the processes below the main one, by pid and start time, where they were asked for.
    """

    id: str
    name: str
    start: str
    state: str
    up: bool
    main_pid: int
    restarts: t.Optional[int] = None
    health: str = ""
    type: str = ""
    members: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    changed: str = ""
    workers: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What stays the same as long as it is neither started again nor replaced."""
        return f"{self.start} {self.main_pid} {self.restarts}"

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return {**dataclasses.asdict(self), "members": list(self.members), "paths": list(self.paths), "workers": list(self.workers)}


def described(instances: t.Sequence[Instance]) -> dict[str, t.Any]:
    """The instances of a service as a result."""
    return {
        "instances": [one.as_dict() for one in instances], "up": bool(instances) and all(one.up for one in instances),
        "starts": [one.start for one in instances], "identity": [one.identity for one in instances],
    }


def is_only(identity: str, instances: t.Sequence[Instance]) -> bool:
    """Whether the container of this id is the only instance of a service."""
    return [one.id for one in instances] == [identity]


def from_systemd(text: str) -> Instance:
    """The unit that `systemctl show` describes.

    Raises:
        Blind: systemd knows no such unit, or the text is not what was asked for.
    """
    said = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    if "ActiveState" not in said or not said.get("MainPID", "0").isdigit():
        raise Blind("systemctl show did not describe a unit.", hint="Look at its output by hand.", said=" ".join(said)[:300])
    if said.get("LoadState") == "not-found":
        raise Blind(f"systemd knows no unit {said.get('Id', '')}.", hint="Correct the name of the service.")
    restarts = said.get("NRestarts", "")
    return Instance(
        id=said.get("Id", ""), name=said.get("Id", ""), start=said.get("InvocationID", ""), state=said["ActiveState"],
        up=said["ActiveState"] == "active", main_pid=int(said.get("MainPID", "0")),
        restarts=int(restarts) if restarts.isdigit() else None, type=said.get("Type", ""),
        members=tuple(sorted(said.get("ConsistsOf", "").split())),
        changed=said.get("StateChangeTimestampMonotonic", ""),
        paths=(*_paths(said.get("ExecStart", "")), *_data_directory(said.get("Environment", ""))),
    )


def from_containers(text: str) -> list[Instance]:
    """The containers that the runtime describes by CONTAINER_FORMAT, one a line, without those of `docker compose run`.

    Raises:
        Blind: the text is not what was asked for.
    """
    try:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [_container(*about) for *about, one_off in found if one_off != "True"]
    except (ValueError, TypeError, AttributeError, KeyError) as exc:
        raise Blind(
            "The container runtime did not describe its containers as it was asked to.", hint="Look at its inspect by hand.",
            said=text[:300],
        ) from exc


def _container(identity: str, name: str, restarts: t.Optional[int], state: t.Mapping[str, t.Any]) -> Instance:
    health = str((state.get("Health") or state.get("Healthcheck") or {}).get("Status") or "")
    status = str(state["Status"])
    return Instance(
        id=identity, name=name.lstrip("/"), start=f"{identity} {state['StartedAt']}", state=status,
        health="" if health in _NO_HEALTH else health, up=status == "running" and health in (*_NO_HEALTH, "healthy"),
        main_pid=int(state.get("Pid") or 0), restarts=restarts,
    )


def _paths(command: str) -> tuple[str, ...]:
    # { path=/usr/bin/x ; argv[]=/usr/bin/x --flag ; ignore_errors=no ; ... }
    start = command.find("argv[]=")
    words = command[start + len("argv[]="):].split(" ; ", 1)[0].split() if start >= 0 else []
    return tuple(word for word in words if word.startswith("/"))


def _data_directory(environment: str) -> tuple[str, ...]:
    # NAME=value "NAME=value with spaces" ...: the last of a name counts, and no other name is kept.
    try:
        words = shlex.split(environment)
    except ValueError:
        return ()
    found = [word[len("PGDATA="):] for word in words if word.startswith("PGDATA=/")]
    return tuple(found[-1:])
