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
from ..instances import Container, NoSuchService
from ..memory import with_kills


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
