# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One running thing of a service: a unit, a container, a process of pm2, a pod.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Instance:
    """One unit, container, process or pod. Never an environment or a command line: both may hold a password.

    Attributes:
        id: of the unit its name, of a container its id.
        name: for people.
        start: another one after every start.
        state: as the runtime says it: active, running, ...
        health: as a container's health check says it; empty without one.
        up: whether it runs, and is healthy where it can say so.
        main_pid: its main process, 0 when there is none.
        restarts: how often the runtime itself started it again since somebody else did; None when that is not known.
        type: of a unit: simple, forking, oneshot, ...
        members: of a unit that only groups others: those.
        paths: of a unit: the absolute paths in the command that starts it, and PGDATA of its environment, where Red Hat's units of
            PostgreSQL have the directory. The rest of both may hold a password.
        changed: of a unit: when its state changed last, by the host's own clock.
        workers: the processes below the main one, by pid and start time, where they were asked for.
        runtime: what runs it, one of RUNTIMES.
        running: whether it runs, healthy or not; None: as `up`.
        restarting: it is between two starts that its runtime makes by itself.
        image: as it was asked for; digest: what that was then; version: what the image says of itself.
        started_at, ended_at: seconds since the epoch.
        exit_code: of its last end.
        oom: whether its last end was for lack of memory; None where the runtime does not say it.
        oom_kills: how many of its processes the kernel has killed for lack of memory since its start; None where nobody counts them.
        ready: whether it takes work; None where the runtime does not say it.
        reason: why it is as it is, in the runtime's words, without secrets.
        policy: when its runtime starts it again by itself: no, always, on-failure, ...
        starts_within: seconds that its health check gives it to start.
        published: the ports of the host that it alone can have.
        release: which release of the service it is, where the runtime numbers them; newest: whether that is the one that is to run.
        desired: how many of them the runtime itself is to keep up.
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
    runtime: str = ""
    running: t.Optional[bool] = None
    restarting: bool = False
    image: str = ""
    digest: str = ""
    version: str = ""
    started_at: t.Optional[float] = None
    ended_at: t.Optional[float] = None
    exit_code: t.Optional[int] = None
    oom: t.Optional[bool] = None
    oom_kills: t.Optional[int] = None
    ready: t.Optional[bool] = None
    reason: str = ""
    policy: str = ""
    starts_within: t.Optional[float] = None
    published: tuple[str, ...] = ()
    release: str = ""
    newest: t.Optional[bool] = None
    desired: t.Optional[int] = None

    @property
    def identity(self) -> str:
        """What stays the same as long as it is neither started again nor replaced."""
        return f"{self.start} {self.main_pid} {self.restarts}"

    @property
    def runs(self) -> bool:
        """Whether it runs, healthy or not."""
        return self.up if self.running is None else self.running

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        said = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def described(instances: t.Sequence[Instance]) -> dict[str, t.Any]:
    """The instances of a service as a result. It is up only with as many as its runtime is to keep up."""
    short = any(one.desired is not None and len(instances) < one.desired for one in instances)
    return {
        "instances": [one.as_dict() for one in instances], "up": bool(instances) and all(one.up for one in instances) and not short,
        "starts": [one.start for one in instances], "identity": [one.identity for one in instances],
    }


def is_only(identity: str, instances: t.Sequence[Instance]) -> bool:
    """Whether the container of this id is the only instance of a service."""
    return [one.id for one in instances] == [identity]
