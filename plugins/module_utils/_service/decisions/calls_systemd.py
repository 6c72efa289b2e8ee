# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for units of systemd.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.words import command_words
from .calls import RELOAD, RESTART, SCALE, START, STOP, Call, command, refused
from .services import Service

_STATES = {START: "started", STOP: "stopped", RESTART: "restarted"}
#: Units whose end is the end of every container on the host, unless the daemon was told to let them live.
_DAEMONS = ("docker.service", "containerd.service", "podman.service", "crio.service", "kubelet.service", "snap.docker.dockerd.service")
_UNITS = (".service", ".socket", ".target", ".timer", ".mount", ".path", ".scope", ".slice")


def call(
    service: Service, verb: str, *, instances: t.Sequence[t.Mapping[str, t.Any]], count: t.Optional[int] = None, release: str = "",
) -> Call:
    """See Calls. `where` may have `scope`, the command `reload`, and `daemon: true` for a daemon that containers run below."""
    scope = str(service.where.get("scope", "system"))
    if verb in _STATES:
        return Call(
            module="ansible.builtin.systemd_service", args={"name": service.identity, "scope": scope, "state": _STATES[verb]},
            forbidden=tuple(_against(service, verb)),
        )
    if verb == RELOAD:
        # Not state=reloaded of the module: that starts a unit which does not run, and nobody asked for that.
        argv = command_words(service.where.get("reload", ()), default=["systemctl", f"--{scope}", "reload", "--", service.identity])
        idle = not any(one["state"] == "active" for one in instances)
        return command(argv, forbidden=[f"{service.name} does not run, so there is nothing to reload"] if idle else [])
    if verb == SCALE:
        return refused(f"{service.name} is a unit of systemd, which has one instance")
    return refused(f"systemd keeps no earlier release of {service.name}")


def _against(service: Service, verb: str) -> t.Iterator[str]:
    name = service.identity if service.identity.endswith(_UNITS) else f"{service.identity}.service"
    if verb in (STOP, RESTART) and name in _DAEMONS and service.where.get("daemon") is not True:
        yield f"every container that {name} runs would go down with it; say where.daemon: true for {service.name} if that is meant"
    if verb in (START, RESTART) and service.one_shot:
        yield f"{service.name} is a job with an end (one_shot), and would do its work again"
