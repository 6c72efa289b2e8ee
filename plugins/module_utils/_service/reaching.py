# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try from inside services what they must reach: as their users, with their environments, in their networks.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import pwd
import socket
import threading
import time
import typing as t

from .._core.errors import BadInput, Blind
from .._core.excerpt import redact_line
from .._core.judging import Judged
from .._core.log_grammars import GENERIC
from .._core.words import command_words, few
from .._module import programs
from .._module.programs import Run
from .._probe.exchange import Resolve, resolve_here
from .._probe.inside import Inside
from .decisions.instance import Instance
from .decisions.reaches import CHECKS, Reach, Tried, decide
from .decisions.services import Service
from .runtime import runtime_of

#: So much of what a command says is read; the first line of it is kept.
_MOST = 64 * 1024
_AT_ONCE = 16
#: From inside so many instances of a service each thing is tried.
_MOST_INSTANCES = 8
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: How the clients of engines begin where they themselves are refused.
_OF_THE_CLIENT = (
    "error response from daemon", "cannot connect to the docker daemon", "error: no such container",
    "permission denied while trying to connect", "oci runtime exec failed",
)
#: What kubectl says where the command itself has failed.
_OF_THE_COMMAND = "command terminated with exit code"


@dataclasses.dataclass(frozen=True)
class Door:
    """A way inside.

    Attributes:
        instance: for people.
        place: as whom and by which way, for people.
        before: what stands before the words of a command.
        env: of the command; None for ours without what is ours alone.
        inside: the network that a port is tried from; None for this host's.
        no_port: why a port cannot be tried by it.
    """

    instance: str
    place: str
    before: tuple[str, ...] = ()
    env: t.Optional[t.Mapping[str, str]] = dataclasses.field(default=None, repr=False)
    inside: t.Optional[t.Callable[[], Inside]] = None
    no_port: str = ""


def reaches_of(services: t.Sequence[Service]) -> list[tuple[Service, list[Reach]]]:
    """What is to be tried.

    Raises:
        BadInput: nothing is, or an entry is not usable.
    """
    found = [
        (service, [Reach.of(entry, service=service.name, number=number) for number, entry in enumerate(service.reaches, 1)])
        for service in services if service.reaches
    ]
    if not found:
        raise BadInput("services: none has reaches, so nothing would be tried.", hint="Give a service reaches.", argument="services")
    return found


def look(wanted: t.Sequence[tuple[Service, t.Sequence[Reach]]], *, run: Run, asked: t.Optional[t.Sequence[str]] = CHECKS) -> Judged:
    """Try everything, side by side, and judge it.

    Args:
        run: asks the runtimes for the instances.
        asked: the checks that must be answered.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        doors = list(pool.map(lambda one: _doors(one[0], run), wanted))
        jobs: list[tuple[Service, Reach, t.Union[Door, Blind]]] = []
        for (service, reaches), found in zip(wanted, doors):
            for reach in reaches:
                jobs += [(service, reach, door) for door in found] if isinstance(found, list) else [(service, reach, found)]
        return decide(list(pool.map(lambda job: _try(*job), jobs)), asked=asked)


def _doors(service: Service, run: Run) -> t.Union[list[Door], Blind]:
    try:
        if service.runtime in ("pm2", "command"):
            return [_as_user(str(service.where.get("user", "")))]
        found = runtime_of(service.runtime).look(service, run=run)
        up = [one for one in found if one.up and (one.main_pid or service.runtime != "systemd")]
        if not up:
            return Blind("no instance of it runs")
        return [_door(service, one) for one in up[:_MOST_INSTANCES]]
    except Blind as exc:
        return exc


def _door(service: Service, one: Instance) -> Door:
    if service.runtime == "compose":
        engine = command_words(service.where.get("container_command", ["docker"]))
        return Door(one.name, f"in container {one.name}", (*engine, "exec", one.id), inside=lambda: Inside.of(one.main_pid))
    if service.runtime == "kubernetes":
        where = [f"--{name}={service.where[name]}" for name in ("kubeconfig", "context", "namespace") if service.where.get(name)]
        kubectl = command_words(service.where.get("command", ["kubectl"]))
        return Door(
            one.name, f"in pod {one.name}", (*kubectl, *where, "exec", one.name, "--"),
            no_port="a port cannot be tried from inside a pod; give a command that does it",
        )
    return _of_process(one)


def _of_process(one: Instance) -> Door:
    """As a process of this host runs: its user and its environment, which holds its credentials and is never shown."""
    try:
        status = _text(f"/proc/{one.main_pid}/status")
        uid = int(next(line for line in status.splitlines() if line.startswith("Uid:")).split()[2])
        with open(f"/proc/{one.main_pid}/environ", "rb") as file:
            pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if b"=" in entry]
    except (OSError, StopIteration, ValueError, IndexError):
        raise Blind(f"the user and the environment of {one.name} are not ours to read; become root") from None
    env = {os.fsdecode(name): os.fsdecode(value) for name, _sign, value in pairs}
    door = _as_user_id(uid)
    place = f"{door.place} with the environment of {one.name}"
    return dataclasses.replace(door, instance=one.name, place=place, env={"PATH": _PATH, **env}, inside=lambda: Inside.of(one.main_pid))


def _as_user(name: str) -> Door:
    try:
        return _as_user_id(pwd.getpwnam(name).pw_uid if name else os.geteuid())
    except KeyError:
        raise Blind(f"there is no user {name}") from None


def _as_user_id(uid: int) -> Door:
    try:
        user = pwd.getpwuid(uid)
        who, home, become = user.pw_name, user.pw_dir, ["--init-groups", f"--regid={user.pw_gid}"]
    except KeyError:
        who, home, become = str(uid), "/", ["--clear-groups", f"--regid={uid}"]
    env = {"PATH": _PATH, "HOME": home, "USER": who, "LOGNAME": who}
    if uid == os.geteuid():
        return Door("", f"as {who}", env=env)
    if os.geteuid() != 0:
        raise Blind(f"only root becomes {who}")
    return Door("", f"as {who}", ("setpriv", f"--reuid={uid}", *become, "--"), env=env)


def _try(service: Service, reach: Reach, door: t.Union[Door, Blind]) -> Tried:
    started = time.monotonic()
    found = Tried(service=service.name, name=reach.name, rc=reach.rc)
    if isinstance(door, Blind):
        return dataclasses.replace(found, blind=door.message.rstrip("."))
    found = dataclasses.replace(found, instance=door.instance, place=door.place)
    try:
        tried = _by_port(found, reach, door) if reach.port else _by_command(found, reach, door)
    except Blind as exc:
        tried = dataclasses.replace(found, blind=exc.message.rstrip("."))
    return dataclasses.replace(tried, seconds=round(time.monotonic() - started, 3))


def _by_command(found: Tried, reach: Reach, door: Door) -> Tried:
    argv = [*door.before, *reach.command]
    path = programs.find(argv[0])
    if path is None:
        raise Blind(f"{argv[0]} is not installed")
    env = {**os.environ, "LC_ALL": "C"} if door.env is None else door.env
    ended = programs.execute([path, *argv[1:]], seconds=reach.max_time, env=env, cwd="/", most=_MOST, own_group=True)
    if ended.problem:
        raise Blind(f"the command cannot be run: {ended.problem}")
    out, err = (said.decode("utf-8", "replace") for said in (ended.out, ended.err))
    line = next((one.strip() for one in (err if ended.status else out or err).splitlines() if one.strip()), "")
    found = dataclasses.replace(found, status=ended.status, line=redact_line(line, GENERIC))
    if ended.late:
        return dataclasses.replace(found, status=None, problem=f"no end within {reach.max_time:g} s")
    if ended.status and door.env is None and _is_of_the_client(line.lower(), err, door):
        raise Blind(redact_line(line, GENERIC))
    return dataclasses.replace(found, lacks="" if reach.text in out else reach.text)


def _is_of_the_client(line: str, err: str, door: Door) -> bool:
    """Whether it is the engine's client that failed, and not the command in the container or pod."""
    if door.no_port:
        return _OF_THE_COMMAND not in err
    return line.startswith(_OF_THE_CLIENT)


def _by_port(found: Tried, reach: Reach, door: Door) -> Tried:
    if door.no_port or reach.port is None:
        raise Blind(door.no_port)
    host, port = reach.port
    # A network namespace of another one is for root alone. A unit's is nearly always the host's own.
    inside = door.inside() if door.inside is not None and (door.env is None or os.geteuid() == 0) else None
    ended: list[t.Union[str, Blind]] = []

    def connect() -> None:
        try:
            if inside is not None:
                inside.enter()
            ended.append(_connected(host, port, reach.max_time, inside.resolve if inside is not None else resolve_here))
        except Blind as exc:
            ended.append(exc)

    # A thread of its own: it goes into the container's network for good, and a resolver may hold it up.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(reach.max_time + 1.0)
    said = ended[0] if ended else f"no answer within {reach.max_time:g} s"
    if isinstance(said, Blind):
        raise said
    return dataclasses.replace(found, problem=said)


def _connected(host: str, port: int, seconds: float, resolve: Resolve) -> str:
    """Why there is no connection; empty where there is one."""
    until, problems = time.monotonic() + seconds, []
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError) as exc:
        return f"no address of {host} was found: {getattr(exc, 'strerror', None) or exc}"
    for family, kind, protocol, _name, where in addresses:
        with contextlib.closing(socket.socket(family, kind, protocol)) as attempt:
            attempt.settimeout(max(until - time.monotonic(), 0.01))
            try:
                attempt.connect(where)
                return ""
            except socket.timeout:
                problems.append(f"{where[0]}: no answer within {seconds:g} s")
            except OSError as exc:
                problems.append(f"{where[0]}: {(exc.strerror or str(exc)).lower()}")
    return few(problems, most=3) or f"{host} has no address"


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
