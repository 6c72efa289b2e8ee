# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at services twice, some time apart, and have them judged.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import time
import typing as t

from .._core.errors import Blind
from .._core.judging import Judged
from .._module.programs import Run
from .decisions.health import judge_services
from .decisions.instance import Instance
from .decisions.seen import DaemonSeen, Past, ServiceSeen, Terms
from .decisions.services import Service
from .instances import DaemonDown, NoSuchService
from .runtime import Facts, Looked, by_daemon, daemon_of, look_side_by_side, runtime_of


@dataclasses.dataclass(frozen=True)
class _Sample:
    """One look at all services: when, by a clock that does not jump, and each service's instances as they were."""

    at: float
    past: t.Mapping[str, t.Mapping[str, Past]]


class Watcher:
    """Looks at services again and again, and compares each look with one that is a window older."""

    def __init__(
        self, services: t.Sequence[Service], *, terms: Terms, asked: t.Optional[t.Sequence[str]], run: Run,
        clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
        now: t.Callable[[], float] = time.time,
    ) -> None:
        self._services, self._terms, self._asked, self._run = services, terms, asked, run
        self._clock, self._sleep, self._now = clock, sleep, now
        self._kept: collections.deque[_Sample] = collections.deque()

    def look(self) -> Judged:
        """One verdict. The first takes a window longer than the others, which compare with an earlier look."""
        if self._terms.window and not self._kept:
            first = self._look()
            if any(not isinstance(one, Blind) for one in first.values()):
                self._sleep(self._terms.window)
        looked = self._look()
        past = self._past()
        return judge_services(
            [self._seen(service, looked[service.name], past) for service in self._services],
            [_daemon(name, [looked[one.name] for one in group]) for (_runtime, name), group in by_daemon(self._services).items()],
            self._terms, self._asked,
        )

    def _look(self) -> dict[str, Looked]:
        looked = look_side_by_side(self._services, run=self._run)
        self._kept.append(_Sample(self._clock(), {
            name: {one.id: Past(one.identity, one.restarts) for one in found}
            for name, found in looked.items() if not isinstance(found, Blind)
        }))
        return looked

    def _past(self) -> t.Optional[_Sample]:
        """The youngest look that is at least a window old; what is older is forgotten."""
        if not self._terms.window:
            return None
        edge = self._kept[-1].at - self._terms.window
        while len(self._kept) > 2 and self._kept[1].at <= edge:
            self._kept.popleft()
        return self._kept[0] if self._kept[0].at <= edge else None

    def _seen(self, service: Service, looked: Looked, past: t.Optional[_Sample]) -> ServiceSeen:
        engine = daemon_of(service)
        if isinstance(looked, Blind):
            return ServiceSeen(service.name, engine, trouble=looked.message, hint=looked.hint or "")
        facts = self._facts(service)
        if isinstance(facts, Blind):
            return ServiceSeen(service.name, engine, trouble=facts.message, hint=facts.hint or "")
        return ServiceSeen(
            service.name, engine, at=round(self._now(), 3), one_shot=service.one_shot, instances=tuple(map(_without_paths, looked)),
            desired=service.desired if service.desired is not None else facts.desired, past=past.past.get(service.name) if past else None,
            findings=facts.findings, skipped=facts.skipped,
        )

    def _facts(self, service: Service) -> t.Union[Facts, Blind]:
        asks = getattr(runtime_of(service.runtime), "facts", None)
        try:
            return t.cast(Facts, asks(service, run=self._run)) if asks else Facts()
        except Blind as exc:
            return exc


def _without_paths(one: Instance) -> Instance:
    """What is judged by alone: the words of a unit's command say nothing about its health."""
    return dataclasses.replace(one, paths=())


def _daemon(name: str, looked: t.Sequence[Looked]) -> DaemonSeen:
    """What the looks at its services say of a daemon: it answered if any of them was answered."""
    troubles = [one for one in looked if isinstance(one, Blind) and not isinstance(one, NoSuchService)]
    down = next((one for one in troubles if isinstance(one, DaemonDown)), None)
    if down is not None:
        return DaemonSeen(name, down=True, trouble=down.message, hint=down.hint or "")
    if len(troubles) == len(looked) and troubles:
        return DaemonSeen(name, trouble=troubles[0].message, hint=troubles[0].hint or "")
    return DaemonSeen(name)
