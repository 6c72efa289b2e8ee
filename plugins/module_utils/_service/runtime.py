# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtimes of services: one file each below runtimes/, with the same functions.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import typing as t

from .._core.errors import Blind
from .._core.findings import Finding, Skipped
from .._module.programs import Run
from .decisions.instance import Instance
from .decisions.services import Service

#: So many daemons, or services of runtimes that look at one alone, are asked at once.
_AT_ONCE = 16
Looked = t.Union[t.Sequence[Instance], Blind]


class Runtime(t.Protocol):
    """What each file of runtimes/ offers. It may offer more:

    - `look_many(services, *, run) -> dict[str, list[Instance] | Blind]`: the same for all services of one daemon in one look, by name.
      Raises Blind where that is true of all.
    - `daemon(service) -> str`: what answers for it, as people call it; the runtime's own name without.
    - `facts(service, *, run) -> Facts`: what only this runtime has.
    - `evidence(services, *, since, run) -> list[Kept]`: what a restart erases of all services of one daemon, as commands that are run in
      their turn, or as text where it was read already. `since` is seconds since the epoch, or 1h. Without it the instances are kept.
      It raises nothing: what is in the way is a text too.
    """

    def look(self, service: Service, *, run: Run) -> list[Instance]:
        """What runs of a service now; an empty list where the runtime answers that there is nothing. Changes nothing.

        Raises:
            DaemonDown: what runs it does not answer, since it does not run.
            Blind: it cannot be looked at.
        """


@dataclasses.dataclass(frozen=True)
class Facts:
    """What only one runtime has to say of a service.

    Attributes:
        desired: how many instances the runtime itself has as its aim; None where it has none.
        findings, skipped: of the runtime's own checks, whose names are in decisions/health.py.
    """

    desired: t.Optional[int] = None
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def runtime_of(name: str) -> Runtime:
    """The runtime of this name, one of RUNTIMES; only what is needed is loaded."""
    # Spelled out: Ansible ships to a host what the source of a module imports.
    if name == "compose":
        from .runtimes import compose
        return compose
    if name == "kubernetes":
        from .runtimes import kubernetes
        return kubernetes
    if name == "pm2":
        from .runtimes import pm2
        return pm2
    if name == "command":
        from .runtimes import command
        return command
    if name == "systemd":
        from .runtimes import systemd
        return systemd
    raise Blind(f"Services of the runtime {name} cannot be looked at.", hint="Choose another runtime.")


def daemon_of(service: Service) -> str:
    """What answers for a service, as people call it."""
    named = getattr(runtime_of(service.runtime), "daemon", None)
    return service.runtime if named is None else str(named(service))


def by_daemon(services: t.Sequence[Service]) -> dict[tuple[str, str], list[Service]]:
    """The services of each daemon, by runtime and name."""
    found: dict[tuple[str, str], list[Service]] = {}
    for service in services:
        found.setdefault((service.runtime, daemon_of(service)), []).append(service)
    return found


def look_side_by_side(services: t.Sequence[Service], *, run: Run) -> dict[str, Looked]:
    """What runs of each service, by its name, or why it cannot be looked at; all at once, so that one that hangs delays no other."""
    jobs: list[tuple[t.Sequence[Service], t.Callable[[], t.Mapping[str, Looked]]]] = []
    for (name, _daemon), group in by_daemon(services).items():
        runtime = runtime_of(name)
        many = getattr(runtime, "look_many", None)
        if many is not None:
            jobs.append((group, functools.partial(many, group, run=run)))
        else:
            jobs += [([one], functools.partial(_alone, runtime, one, run)) for one in group]
    if not jobs:
        return {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(len(jobs), _AT_ONCE)) as pool:
        pending = [(group, pool.submit(job)) for group, job in jobs]
        found: dict[str, Looked] = {}
        for asked, answer in pending:
            try:
                found.update(answer.result())
            except Blind as exc:
                found.update({one.name: exc for one in asked})
    return found


def _alone(runtime: Runtime, service: Service, run: Run) -> dict[str, Looked]:
    return {service.name: runtime.look(service, run=run)}
