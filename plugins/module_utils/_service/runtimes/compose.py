# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of a Compose project.

This module util is PRIVATE to the collection: it may change at any time.

Containers are found by the labels that every version of Compose gives them, not by `compose ps`: one look then serves all services of an
engine, and no file of a project has to be readable.
"""

from __future__ import annotations

import os
import typing as t

from ..._core.errors import Blind
from ..._core.words import command_words, few, words_list
from ..._module.programs import Run
from .. import looking
from ..decisions.instance import Instance
from ..decisions.services import Service
from ..evidence import EVENTS, LOGS, STATE, Kept
from ..instances import Container, NoSuchService
from ..memory import with_kills

#: Events that say what became of a container. Those of exec have the command in their name.
_EVENTS = (
    "create", "start", "restart", "die", "oom", "kill", "stop", "pause", "unpause", "destroy", "rename", "update", "health_status",
)
_EVENT = '{{.Time}} {{.Action}} {{index .Actor.Attributes "name"}} {{index .Actor.Attributes "exitCode"}} {{.Actor.ID}}'
#: Of each container before -- its last lines, both outputs together, by the command behind it.
_LAST_LINES = """ids=
while [ "$1" != -- ]; do ids="$ids $1"; shift; done
shift
for id in $ids; do echo "== $id"; "$@" logs --timestamps --tail 200 "$id" 2>&1; done"""


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime."""
    return _of(service, looking.all_of_compose(_engine(service), run=run), run=run)


def look_many(services: t.Sequence[Service], *, run: Run) -> dict[str, t.Union[list[Instance], Blind]]:
    """See Runtime."""
    everything = looking.all_of_compose(_engine(services[0]), run=run)
    found: dict[str, t.Union[list[Instance], Blind]] = {}
    for service in services:
        try:
            found[service.name] = _of(service, everything, run=run)
        except Blind as exc:
            found[service.name] = exc
    return found


def daemon(service: Service) -> str:
    """See Runtime."""
    return " ".join(_engine(service))


def evidence(services: t.Sequence[Service], *, since: str, run: Run) -> list[Kept]:
    """See Runtime. The engine keeps its last 256 events only, and the commands of health checks are in their own."""
    engine = _engine(services[0])
    words = ["events", "--since", since, "--until", "0s", "--filter", "type=container"]
    words += [word for event in _EVENTS for word in ("--filter", f"event={event}")]
    try:
        found: t.Mapping[str, t.Union[list[Instance], Blind]] = look_many(services, run=run)
    except Blind:
        found = {}
    ids = {name: [one.id for one in seen] for name, seen in found.items() if not isinstance(seen, Blind)}
    everything = list(dict.fromkeys(one for of_one in ids.values() for one in of_one))
    state = looking.inspect_argv(engine, everything) if everything else [*engine, "ps", "--all", "--no-trunc"]
    return [
        Kept("", EVENTS, (*engine, *words, "--format", _EVENT)), Kept("", STATE, tuple(state)),
        # One item for all containers of a service: after a restart they may be others, and an item keeps its name.
        *(Kept(one.name, LOGS, ("sh", "-c", _LAST_LINES, "sh", *ids[one.name], "--", *engine) if ids.get(one.name) else ())
          for one in services),
    ]


def project_of(service: Service) -> looking.Compose:
    """How the project of a service is asked."""
    where = service.where
    return looking.Compose(
        command=command_words(where.get("command", ["docker", "compose"])), directory=str(where.get("directory", "")),
        files=words_list(where.get("files", [])), container_command=_engine(service),
    )


def _engine(service: Service) -> list[str]:
    return command_words(service.where.get("container_command", ["docker"]))


def _of(service: Service, everything: t.Sequence[Container], *, run: Run) -> list[Instance]:
    """The containers of one service, by its name, and by its project's directory or name where it says one.

    Raises:
        NoSuchService: it cannot be told which they are, or the project has no such service.
    """
    directory, project = _directory(service), str(service.where.get("project", ""))
    found = [
        one for one in everything if one.service == service.identity and (not project or one.project == project)
        and (not directory or not one.directory or os.path.realpath(one.directory) == directory)
    ]
    projects = sorted({one.project for one in found})
    if len(projects) > 1:
        raise NoSuchService(
            f"{service.name}: the projects {few(projects, most=5)} each have a service {service.identity}.",
            hint="Say which is meant, with where.directory or where.project.",
        )
    if not found:
        _require_known(service, directory, run=run)
    return with_kills([one.instance for one in found])


def _directory(service: Service) -> str:
    files = words_list(service.where.get("files", []))
    said = str(service.where.get("directory", "")) or (os.path.dirname(str(files[0])) if files else "")
    return os.path.realpath(said) if said else ""


def _require_known(service: Service, directory: str, *, run: Run) -> None:
    """Nothing there, or another name: only a project that has such a service lacks its containers.

    Raises:
        NoSuchService: the directory is not there, or its project has no such service.
    """
    if directory and not os.path.isdir(directory):
        raise NoSuchService(f"{service.name}: there is no directory {directory}.", hint="Correct where.directory of the service.")
    ran = run(project_of(service).argv("config", "--services")) if directory else None
    if ran is None or ran.problem:
        return
    names = ran.out.split()
    if service.identity not in names:
        raise NoSuchService(
            f"{service.name}: the project in {directory} has no service {service.identity}.",
            hint=f"Correct identity of the service. There are {few(names, most=10)}.",
        )
