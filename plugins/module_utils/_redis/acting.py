# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Redis modules that act share: getting in where it is full, knowing the server, acting alone, refusing.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import time
import typing as t

from .._core import actions
from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import CannotReach, IncidentError
from .args import way_from
from .connection import Client

#: Between two attempts to get in, seconds.
RETRY_PAUSE = 0.2


class Refused(IncidentError):
    """A rule of ours forbids it; nothing was done. `error` in facts says which."""

    kind = "refused"


class ActionsFailed(IncidentError):
    """Something was not done, or the measurement does not show it."""

    kind = "actions_failed"


def patient_connection(params: t.Mapping[str, t.Any]) -> Client:
    """Open the connection; while the server has none left, try again for `connect_retry`: clients come and go.

    Raises:
        BadInput: an argument is not usable.
        CannotReach: the server could not be reached or refused us.
    """
    way = way_from(params)
    deadline = Deadline(way.max_seconds)
    patience = deadline.part(parse_duration(params["connect_retry"], name="connect_retry"))
    while True:
        try:
            client = way.open(deadline)
            # Some servers refuse only with the first reply, so ask for one.
            client.replies([("PING",)])
            return client
        except CannotReach as exc:
            if exc.facts.get("error") != "maxclients" or patience.remaining() <= RETRY_PAUSE:
                raise
            time.sleep(RETRY_PAUSE)


def resource(info: t.Mapping[str, str]) -> str:
    """The server itself, not the name it was reached by: this start of it."""
    return f"redis:{info.get('run_id', 'unknown')}"


def require_primary(info: t.Mapping[str, str]) -> None:
    """Refuse to change data anywhere but on a primary.

    Raises:
        Refused: it is a replica or a Sentinel.
    """
    if info.get("redis_mode") == "sentinel":
        raise Refused("This is a Sentinel, it has no data.", hint="Name the primary that it watches.", error="sentinel")
    if info.get("role") != "master":
        primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        raise Refused(
            f"This server is a replica of {primary}: data are never changed on a replica.", hint=f"Name the primary, {primary}.",
            error="replica",
        )


def failure(done: t.Sequence[actions.Action]) -> t.Optional[IncidentError]:
    """The problem that must fail the task, if an action failed."""
    failed = actions.failed_actions(done)
    if not failed:
        return None
    said = "; ".join(f"{one.verb}: {one.detail.get('why') or one.detail.get('error') or one.outcome}" for one in failed)
    return ActionsFailed(f"Not done: {said}.")
