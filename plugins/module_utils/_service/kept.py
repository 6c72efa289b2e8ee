# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The items of a snapshot that tell of a host's services.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from .._core.errors import Blind
from .._module.programs import Run
from .._snapshot.catalogue import Item
from .decisions.services import Service
from .evidence import EVENTS, LOGS, STATE, Kept
from .runtime import by_daemon, look_side_by_side, runtime_of

#: Before everything else of a host; logs after its connections, which are soon gone too.
_FOLDERS = {EVENTS: "05-services", STATE: "05-services", LOGS: "15-services"}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def items_of(services: t.Sequence[Service], *, since: t.Optional[float], run: Run) -> list[Item]:
    """The items, which are named by the places of the services and of their daemons in the list, whatever runs of them now.

    Args:
        since: when the incident began, seconds since the epoch; None means an hour ago.
    """
    places = {one.name: place for place, one in enumerate(services, start=1)}
    # Where the engine is: a command of a snapshot has no environment of its own.
    engine = tuple((name, os.environ[name]) for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST") if name in os.environ)
    found = []
    for number, ((runtime, _daemon), group) in enumerate(sorted(by_daemon(services).items()), start=1):
        # Where kubectl finds its cluster, and keeps what it has learned of it.
        names = ("HOME", "KUBECONFIG") if runtime == "kubernetes" else ()
        own = tuple((name, os.environ[name]) for name in names if name in os.environ) or engine
        asks = getattr(runtime_of(runtime), "evidence", None)
        told = asks(group, since="1h" if since is None else str(int(since)), run=run) if asks is not None else _states(group, run=run)
        for kept in told:
            whose = f"service{places[kept.service]:02d}_{_UNSAFE.sub('_', kept.service)}" if kept.service else f"services{number}_{runtime}"
            argvs = (kept.argv,) if kept.argv else ()
            found.append(Item(f"{whose}_{kept.what}", _FOLDERS[kept.what], argvs, text=kept.text, environment=own))
    return sorted(found, key=lambda item: (item.folder, not item.name.endswith(EVENTS)))


def _states(services: t.Sequence[Service], *, run: Run) -> list[Kept]:
    """What a look at services says, for a runtime that has no commands for it."""
    lines = [
        json.dumps({"service": name, "unknown": seen.message} if isinstance(seen, Blind) else {"service": name, **one}, sort_keys=True)
        for name, seen in look_side_by_side(services, run=run).items()
        for one in ([{}] if isinstance(seen, Blind) else [instance.as_dict() for instance in seen])
    ]
    return [Kept("", STATE, text="".join(f"{line}\n" for line in lines))]
