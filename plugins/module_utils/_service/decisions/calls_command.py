# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for services that are run by anything else: the commands of their inventory.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .calls import RELOAD, RESTART, START, Call, command, refused
from .command import VERBS, Ways
from .services import Service


def call(
    service: Service, verb: str, *, instances: t.Sequence[t.Mapping[str, t.Any]], count: t.Optional[int] = None, release: str = "",
) -> Call:
    """See Calls. `where` has the commands `start`, `stop`, `restart`, `reload` and `status`, and `pid_file` or `process`."""
    ways = Ways.of(service)
    if verb not in VERBS:
        return refused(f"runtime command cannot {verb} {service.name}: there is no command for that")
    if not ways.commands[verb]:
        return refused(f"{service.name} has no command for that: where.{verb} is not set")
    if verb in (START, RESTART) and service.one_shot:
        return refused(f"{service.name} is a job with an end (one_shot), and would do its work again")
    up = any(one["up"] for one in instances)
    if verb == START and up:
        return refused(f"{service.name} is up already")
    if verb == RELOAD and instances and not up:
        return refused(f"{service.name} is down, so there is nothing to reload")
    return command(ways.commands[verb])
