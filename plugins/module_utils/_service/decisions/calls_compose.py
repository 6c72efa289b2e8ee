# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for services of a Compose project.

Never a whole project, and never what a service depends on. Containers that are there are started, stopped and restarted by their ids, so
that what is touched is what was judged, and so that no `up` scales back what somebody scaled or begins a finished job again.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import typing as t

from ..._core.words import command_words, few, words_list
from .calls import RELOAD, RESTART, SCALE, START, STOP, Call, command, refused
from .compose import compose_argv
from .services import Service

#: States of a container that has a process.
_RUNS = ("running", "paused", "restarting")


def call(
    service: Service, verb: str, *, instances: t.Sequence[t.Mapping[str, t.Any]], count: t.Optional[int] = None, release: str = "",
) -> Call:
    """See Calls. `where` may have `command`, `directory`, `files`, `container_command`, and the command `reload`."""
    if verb in (START, RESTART) and service.one_shot:
        return refused(f"{service.name} is a job with an end (one_shot), and would do its work again")
    if verb == START:
        return _start(service, instances)
    if verb == SCALE:
        return _scale(service, instances, count)
    if verb == RELOAD:
        return _reload(service, instances)
    if verb not in (STOP, RESTART):
        return refused(f"Compose keeps no earlier release of {service.name}")
    meant = [one for one in instances if verb == RESTART or one["state"] in _RUNS]
    if not meant:
        return refused(f"{service.name} has no container to {verb}")
    return _by_id(service, verb, meant)


def _start(service: Service, instances: t.Sequence[t.Mapping[str, t.Any]]) -> Call:
    if instances:
        idle = [one for one in instances if one["state"] not in _RUNS]
        return _by_id(service, START, idle) if idle else refused(f"every container of {service.name} runs already")
    return _up(service, service.desired)


def _scale(service: Service, instances: t.Sequence[t.Mapping[str, t.Any]], count: t.Optional[int]) -> Call:
    if count is None or count < 1:
        return refused(f"{service.name} is scaled to a number of at least 1; stop it to have none")
    if not instances:
        return refused(f"{service.name} has no container by which its ports could be seen; start it first")
    fixed = sorted({str(port) for one in instances for port in one.get("published") or ()})
    if fixed and count > 1:
        # Compose makes the second one all the same, cannot start it, and leaves it there.
        return refused(f"{service.name} publishes the fixed port {few(fixed, most=3)}, which one container alone can have")
    return _up(service, count)


def _reload(service: Service, instances: t.Sequence[t.Mapping[str, t.Any]]) -> Call:
    argv = command_words(service.where.get("reload", ()))
    if not argv:
        return refused(f"Compose has no reload; give where.reload of {service.name} the command that does it inside a container")
    if not any(one["state"] == "running" for one in instances):
        return refused(f"{service.name} does not run, so there is nothing to reload")
    where = service.where
    return Call(module="oncall.incident.service_exec", args={
        "name": service.identity, "argv": argv, "compose_command": command_words(where.get("command", ["docker", "compose"])),
        "compose_directory": str(where.get("directory", "")), "compose_files": words_list(where.get("files", [])),
        "container_command": command_words(where.get("container_command", ["docker"])),
    })


def _by_id(service: Service, verb: str, instances: t.Sequence[t.Mapping[str, t.Any]]) -> Call:
    # One after the other, as the container runtime does it.
    return command([*command_words(service.where.get("container_command", ["docker"])), verb, *(str(one["id"]) for one in instances)])


def _up(service: Service, count: t.Optional[int]) -> Call:
    words = ["up", "--detach", "--no-deps", "--no-recreate", "--no-build"]
    base = command_words(service.where.get("command", ["docker", "compose"]))
    # Version 1, the command of this name, knows no --pull: it fetches an image that is not there.
    words += [] if os.path.basename(base[-1]) == "docker-compose" else ["--pull", "never"]
    words += ["--scale", f"{service.identity}={count}"] if count else []
    return command(compose_argv(
        base, directory=str(service.where.get("directory", "")), files=service.where.get("files", []), words=[*words, service.identity],
    ))
