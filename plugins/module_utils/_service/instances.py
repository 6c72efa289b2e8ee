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
import time
import typing as t

from .._core.errors import Blind
from .._core.excerpt import redact_line
from .._core.log_grammars import GENERIC
from .._core.moments import moment
from .decisions.instance import Instance

#: What is asked of systemd, systemd.exec(5) and org.freedesktop.systemd1(5).
UNIT_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "Type", "MainPID", "InvocationID", "NRestarts", "ConsistsOf", "ExecStart", "Environment",
    "StateChangeTimestampMonotonic", "Result", "Restart", "ExecMainStatus", "ExecMainStartTimestampMonotonic",
    "ExecMainExitTimestampMonotonic", "ActiveEnterTimestampMonotonic",
)
#: What is asked of the container runtime: nothing that holds the container's environment or its command. As JSON, since a field that a
#: container lacks, such as its health, is an error in any other way of asking. Of all labels just those of Compose by which it is found,
#: the one that marks a container of `docker compose run`, which is none of the service's, and the version of the image.
LABELS = {
    "oneoff": "com.docker.compose.oneoff", "service": "com.docker.compose.service", "project": "com.docker.compose.project",
    "directory": "com.docker.compose.project.working_dir", "version": "org.opencontainers.image.version",
}
_FIELDS = {
    "id": ".ID", "name": ".Name", "restarts": ".RestartCount", "state": ".State", "digest": ".Image", "image": ".Config.Image",
    "policy": ".HostConfig.RestartPolicy.Name", "network": ".HostConfig.NetworkMode", "ports": ".HostConfig.PortBindings",
    **{name: f'(index .Config.Labels "{label}")' for name, label in LABELS.items()},
}
_HEALTH_TIMES = ("StartPeriod", "Interval", "Timeout")
CONTAINER_FORMAT = "[{fields},{{{{if .Config.Healthcheck}}}}[{times}]{{{{else}}}}null{{{{end}}}}]".format(
    fields=",".join(f"{{{{json {path}}}}}" for path in _FIELDS.values()),
    times=",".join(f"{{{{json .Config.Healthcheck.{name}}}}}" for name in _HEALTH_TIMES),
)
ID_FORMAT = "{{.ID}}"
_NO_HEALTH = ("", "none")
_MOST_OF_A_REASON = 200
_NANOSECONDS, _MICROSECONDS = 1e9, 1e6
#: What Docker takes where a health check does not say it: seconds.
_USUAL_INTERVAL = 30.0


class DaemonDown(Blind):
    """What runs the services does not answer, since it does not run."""

    kind = "daemon_down"


class NoSuchService(Blind):
    """What runs the services has answered, and knows no service of this name, or several."""

    kind = "no_such_service"


def from_systemd(text: str, *, now: t.Callable[[], float] = time.time, clock: t.Callable[[], float] = time.monotonic) -> Instance:
    """The unit that `systemctl show` describes.

    Args:
        text: its properties, those of UNIT_PROPERTIES that this systemd knows.
        now, clock: the time, and the clock that systemd's monotonic times are of.

    Raises:
        NoSuchService: systemd knows no such unit.
        Blind: the text is not what was asked for.
    """
    said = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    if "ActiveState" not in said or not said.get("MainPID", "0").isdigit():
        raise Blind("systemctl show did not describe a unit.", hint="Look at its output by hand.", said=" ".join(said)[:300])
    if said.get("LoadState") == "not-found":
        raise NoSuchService(f"systemd knows no unit {said.get('Id', '')}.", hint="Correct the name of the service.")

    def when(*names: str) -> t.Optional[float]:
        found = next((int(said[name]) for name in names if said.get(name, "").isdigit() and int(said[name])), 0)
        return round(now() - clock() + found / _MICROSECONDS, 3) if found else None

    active, result, waits = said["ActiveState"] == "active", said.get("Result", ""), said.get("SubState") == "auto-restart"
    why = [f"result {result}" if result not in ("", "success") else "", "waits for its next start" if waits else ""]
    return Instance(
        id=said.get("Id", ""), name=said.get("Id", ""), start=said.get("InvocationID", ""), state=said["ActiveState"],
        up=active, main_pid=int(said.get("MainPID", "0")), restarts=_number(said.get("NRestarts", "")), type=said.get("Type", ""),
        members=tuple(sorted(said.get("ConsistsOf", "").split())),
        changed=said.get("StateChangeTimestampMonotonic", ""),
        paths=(*_paths(said.get("ExecStart", "")), *_data_directory(said.get("Environment", ""))),
        runtime="systemd", running=active, restarting=waits, policy=said.get("Restart", ""),
        started_at=when("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"),
        ended_at=None if active else when("ExecMainExitTimestampMonotonic"), exit_code=_number(said.get("ExecMainStatus", "")),
        oom=result == "oom-kill" if result else None, reason="; ".join(one for one in why if one),
    )


@dataclasses.dataclass(frozen=True)
class Container:
    """A container of Compose, and whose it is: the name of the service, of the project, and its directory."""

    instance: Instance
    service: str
    project: str
    directory: str


def from_containers(text: str) -> list[Instance]:
    """The containers that the runtime describes by CONTAINER_FORMAT, one a line, without those of `docker compose run`.

    Raises:
        Blind: the text is not what was asked for.
    """
    return [one.instance for one in compose_containers(text)]


def compose_containers(text: str) -> list[Container]:
    """The same with whose they are.

    Raises:
        Blind: the text is not what was asked for.
    """
    try:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
        all_said = [dict(zip((*_FIELDS, "times"), one)) for one in found]
        return [
            Container(_container(said), *(str(said[name] or "") for name in ("service", "project", "directory")))
            for said in all_said if said["oneoff"] != "True"
        ]
    except (ValueError, TypeError, AttributeError, KeyError) as exc:
        raise Blind(
            "The container runtime did not describe its containers as it was asked to.", hint="Look at its inspect by hand.",
            said=text[:300],
        ) from exc


def _container(said: t.Mapping[str, t.Any]) -> Instance:
    state = said["state"]
    checked = state.get("Health") or state.get("Healthcheck") or {}
    health = str(checked.get("Status") or "")
    status, identity = str(state["Status"]), str(said["id"])
    running = status == "running"
    return Instance(
        id=identity, name=str(said["name"]).lstrip("/"), start=f"{identity} {state['StartedAt']}", state=status,
        health="" if health in _NO_HEALTH else health, up=running and health in (*_NO_HEALTH, "healthy"),
        main_pid=int(state.get("Pid") or 0), restarts=said["restarts"], runtime="compose", running=running,
        restarting=status == "restarting", image=str(said["image"] or ""), digest=str(said["digest"] or ""),
        version=str(said["version"] or ""), started_at=_since_epoch(state["StartedAt"]),
        ended_at=None if running else _since_epoch(state.get("FinishedAt")), exit_code=None if running else state.get("ExitCode"),
        oom=state.get("OOMKilled"), reason=_why(state, checked, running=running), policy=str(said["policy"] or "no"),
        starts_within=_starts_within(said["times"]), published=_fixed_ports(said),
    )


def _why(state: t.Mapping[str, t.Any], checked: t.Mapping[str, t.Any], *, running: bool) -> str:
    """Why it could not be started, or else what its health check said last where that failed."""
    last = (checked.get("Log") or [{}])[-1]
    failed = last.get("Output") if running and last.get("ExitCode") else ""
    return redact_line(" ".join(str(state.get("Error") or failed or "").split()), GENERIC)[:_MOST_OF_A_REASON]


def _starts_within(times: t.Optional[t.Sequence[t.Any]]) -> t.Optional[float]:
    """Its start period, and the time of one check after that; Docker says 0 of what the health check leaves to it."""
    if times is None:
        return None
    start, interval, timeout = (float(one or 0) / _NANOSECONDS for one in times)
    return start + (interval or _USUAL_INTERVAL) + (timeout or _USUAL_INTERVAL)


def _fixed_ports(said: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """One that is 0, or one of a range, leaves room for a second container; the network of the host does not."""
    if said["network"] == "host":
        return ("of the host's network",)
    bound = [str(one.get("HostPort") or "") for of_port in (said["ports"] or {}).values() for one in of_port or ()]
    return tuple(sorted({port for port in bound if port.isdigit() and int(port)}))


def _since_epoch(text: t.Any) -> t.Optional[float]:
    """A time of Docker, which says year 1 where there is none."""
    found = moment(str(text or ""))
    return found if found is not None and found > 0 else None


def _number(text: str) -> t.Optional[int]:
    return int(text) if text.isdigit() else None


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
