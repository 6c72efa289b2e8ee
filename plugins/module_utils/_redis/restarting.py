# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at what a restart of a Redis server would lose.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach, IncidentError
from .._core.findings import Skipped
from .._core.judging import answer, question_from, question_spec
from .._host.listening import listening
from .._host.speaking import is_itself
from .._module.files import text_of
from .._service.decisions.identity import Judged, answered, essence, not_skipped
from .._service.identity import unit_of_process
from .args import Way, connection_spec, way_from
from .clearing import evidence
from .connection import Client, CommandRefused
from .decisions.cache import not_a_cache
from .decisions.info import integer, keyspace
from .decisions.restart import CHECK, RestartSeen, decide
from .decisions.safety import UNSEEN, RestartView, view_from
from .gather import reason
from .on_disk import configured_ports, on_disk


def restart_spec() -> dict[str, t.Any]:
    """The argument spec of redis_restart_check, the connection included."""
    return {
        **connection_spec(), **question_spec(), "accept_data_loss": {"type": "bool", "default": False},
        "service": {"type": "dict"}, "data_directory": {"type": "str", "default": ""},
    }


def restart_check(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The module's result, and the problem that must fail the task although there is a result: an obstacle is a result.

    Raises:
        BadInput: an argument is not usable.
    """
    way, question = way_from(params), question_from(params, checks=(CHECK,), default=(CHECK,), what="The restart of Redis")
    return answer(question, lambda: decide(look_once(way, params), params["accept_data_loss"]))


def look_once(way: Way, params: t.Mapping[str, t.Any]) -> RestartSeen:
    """See what a restart would lose, and whether the service is this server.

    Raises:
        BadInput: a certificate file is not usable.
    """
    view, pid, spoken_to = UNSEEN, None, True
    hidden: t.Optional[IncidentError] = None
    refused: t.Optional[Skipped] = None
    try:
        with way.open(Deadline(way.max_seconds)) as client:
            view, pid, hidden = look(client)
    except (CannotReach, CommandRefused) as exc:
        # Also a wrong password: whoever may not look cannot say that nothing is there.
        view, spoken_to = UNSEEN, answered(exc)
        forbidden = isinstance(exc, CommandRefused)
        refused = Skipped(CHECK, exc.message, "Allow +info to this user." if forbidden else exc.hint or "")
    # Not from INFO alone: a server on another machine has a process of some number too.
    anybody, process = listening(host=way.login.host, port=way.login.port, path=way.login.unix_socket or None)
    if process is None and anybody:
        process = pid
    speaks = is_itself(process, pid) if process and pid else None
    service = not_skipped(params["service"])
    seen = RestartSeen(
        view, Judged(listening=anybody, process=process, unit=unit_of_process(process), answered=spoken_to, speaks=speaks),
        refused=refused, hidden=Skipped(CHECK, hidden.message, hidden.hint or "") if hidden else None, service=essence(service),
        port=None if way.login.unix_socket else way.login.port, configured=tuple(sorted(configured_ports(service or {}))),
    )
    if seen.proof.stopped or view == UNSEEN:
        seen = dataclasses.replace(seen, kept=on_disk(params["data_directory"], service or {}))
    return dataclasses.replace(seen, memory=_memory_of(process)) if view == UNSEEN else seen


def _memory_of(process: t.Optional[int]) -> t.Optional[int]:
    """Bytes of memory that a process holds; None where it is not ours to see."""
    found = re.search(r"(?m)^VmRSS:\s+(\d+) kB", text_of(f"/proc/{process}/status")) if process else None
    return int(found.group(1)) * 1024 if found else None


def look(client: Client) -> tuple[RestartView, t.Optional[int], t.Optional[IncidentError]]:
    """What can be seen of the server, the process that it says it is, and what hides whether its keys are a cache.

    Raises:
        CannotReach: it stopped answering.
        CommandRefused: INFO is not allowed.
    """
    info = client.info()
    try:
        save = client.config("save").get("save")
    except CommandRefused:
        save = None
    seen = view_from(info, save=save)
    hidden: t.Optional[IncidentError] = None
    why = ""
    if seen.only_in_memory:
        try:
            seen = dataclasses.replace(seen, no_cache=tuple(_no_cache(client, info)))
        except CommandRefused as exc:
            hidden, why = exc, f"its keys may not be looked at ({reason(exc)})"
        except CannotReach as exc:
            hidden, why = exc, "there was no time to look at its keys"
        if hidden is not None:
            seen = dataclasses.replace(seen, no_cache=(why,), hidden=True)
    return seen, integer(info, "process_id"), hidden


def _no_cache(client: Client, info: t.Mapping[str, str]) -> list[str]:
    """Why the keys of any database are not shown to be a cache: the rule of redis_cache_clear.

    Raises:
        CommandRefused, CannotReach: its keys could not be looked at.
    """
    against, selected = [], "db0"
    for database in (name for name, counts in keyspace(info).items() if counts["keys"]):
        if database != selected:
            client.call("SELECT", database[2:])
            selected = database
        against += [f"{database}: {why}" for why in not_a_cache(evidence(client))]
    return against
