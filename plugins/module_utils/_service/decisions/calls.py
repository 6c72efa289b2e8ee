# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a service is started, stopped, restarted, reloaded, scaled or rolled back: one file of calls for each runtime.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import BadInput
from ..._core.suggest import suggest
from .services import RUNTIMES, Service

START, STOP, RESTART, RELOAD, SCALE, ROLLBACK = "start", "stop", "restart", "reload", "scale", "rollback"
VERBS = (START, STOP, RESTART, RELOAD, SCALE, ROLLBACK)


@dataclasses.dataclass(frozen=True)
class Call:
    """What the action plugin act runs.

    Attributes:
        module: full name of the module; empty where there is nothing to run, and then `forbidden` says why.
        args: its arguments.
        forbidden: why it must not be done now, or cannot be in this runtime: sentences for people.
        kind: command, for all that ends when it was done.
        notes: what it does beside, where nobody would expect that: sentences for people.
    """

    module: str = ""
    args: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    forbidden: tuple[str, ...] = ()
    kind: str = "command"
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        """For roles."""
        return {
            "module": self.module, "args": dict(self.args), "forbidden": list(self.forbidden), "kind": self.kind, "notes": list(self.notes),
        }


class Calls(t.Protocol):
    """The function `call` of each file calls_RUNTIME.py."""

    def __call__(
        self, service: Service, verb: str, *, instances: t.Sequence[t.Mapping[str, t.Any]], count: t.Optional[int] = None,
        release: str = "",
    ) -> Call:
        """How it is done.

        Args:
            verb: one of VERBS.
            instances: those that were judged and are meant, each as Instance.as_dict(). Where the runtime can, no other is touched.
            count: of `scale`: how many there are to be.
            release: of `rollback`: which one.
        """


def calls_of(runtime: str) -> Calls:
    """The calls of a runtime, one of RUNTIMES; only what is needed is loaded.

    Raises:
        BadInput: there are none for this runtime.
    """
    if runtime == "compose":
        from .calls_compose import call as compose
        return compose
    if runtime == "systemd":
        from .calls_systemd import call as systemd
        return systemd
    if runtime == "pm2":
        from .calls_pm2 import call as pm2
        return pm2
    if runtime == "command":
        from .calls_command import call as by_command
        return by_command
    if runtime == "kubernetes":
        from .calls_kubernetes import call as kubernetes
        return kubernetes
    raise BadInput(f"runtime: there are no calls for {runtime!r}.", hint=f"{suggest(runtime, RUNTIMES)}Choose another runtime.")


def call_of(
    service: Service, verb: str, *, instances: t.Sequence[t.Mapping[str, t.Any]], count: t.Optional[int] = None, release: str = "",
) -> Call:
    """See Calls.

    Raises:
        BadInput: there is no such verb.
    """
    if verb not in VERBS:
        raise BadInput(f"verb: there is no {verb!r}.", hint=f"{suggest(verb, VERBS)}Choose one of {', '.join(VERBS)}.")
    return calls_of(service.runtime)(service, verb, instances=instances, count=count, release=release)


def refused(*sentences: str) -> Call:
    """Nothing to run, and why."""
    return Call(forbidden=sentences)


def command(argv: t.Sequence[str], *, forbidden: t.Iterable[str] = ()) -> Call:
    """A command that is run on the host."""
    return Call(module="ansible.builtin.command", args={"argv": list(argv)}, forbidden=tuple(forbidden))
