# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for apps of pm2.

They go through the module service_pm2: a plain command of pm2 starts an empty daemon where there is none, as root even root's own.
Processes are named by their numbers, so that what is touched is what was judged: pm2 takes a name also for a namespace, or for a file to
start.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .calls import RELOAD, RESTART, ROLLBACK, SCALE, START, STOP, Call, refused
from .pm2 import CLUSTER, Place, what_forbids
from .services import Service

MODULE = "oncall.incident.service_pm2"
#: States of a process that is there, or that pm2 is about to start again.
_RUNS = ("online", "launching", "waiting restart", "one-launch-status")


def call(
    service: Service, verb: str, *, instances: t.Sequence[t.Mapping[str, t.Any]], count: t.Optional[int] = None, release: str = "",
) -> Call:
    """See Calls. `where` may have `user`, `home` and `command`.

    An app in cluster mode is reloaded where a restart is asked for: its processes are new as well, each only stopped once the next one
    listens, so no request is lost if the app ends what it has begun.
    """
    Place.of(service)  # unless it is not usable
    if verb == ROLLBACK:
        return refused(f"pm2 keeps no earlier release of {service.name}")
    modes = [str(one["type"]) for one in instances]
    against = what_forbids(verb, service=service.name, modes=modes, count=count)
    if against:
        return refused(*against)
    if verb in (START, RESTART) and service.one_shot:
        return refused(f"{service.name} is a job with an end (one_shot), and would do its work again")
    numbers = [str(one["id"]) for one in instances if verb not in (START, STOP) or (one["state"] in _RUNS) == (verb == STOP)]
    if not numbers:
        return refused(f"every process of {service.name} {'runs' if verb == START else 'is stopped'} already")
    if verb == RELOAD and not any(one["state"] in _RUNS for one in instances):
        return refused(f"{service.name} does not run, so there is nothing to reload")
    if verb == RESTART and set(modes) == {CLUSTER}:
        verb = RELOAD
    args: dict[str, t.Any] = {"name": service.identity, "verb": verb, "where": dict(service.where)}
    if verb != SCALE:
        return Call(module=MODULE, args={**args, "numbers": numbers})
    fewer = count is not None and count < len(instances)
    return Call(
        module=MODULE, args={**args, "count": count},
        notes=(f"pm2 ends the oldest processes of {service.name} first",) if fewer else (),
    )
