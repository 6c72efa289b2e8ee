# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at what a restart of a Redis server would lose.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach, IncidentError
from .._core.findings import CRITICAL, OK, Finding, verdict
from .._host.listening import listening
from .._host.speaking import is_itself
from .._service.identity import HINT_IDENTITY, Judged, Proof, answered, compare, configured_elsewhere, name_of, not_skipped, unit_of_process
from .args import way_from
from .connection import Client, CommandRefused
from .decisions.info import integer
from .decisions.safety import UNSEEN, RestartView, restart_obstacles, view_from
from .on_disk import configured_ports, on_disk

CHECK = "restart_data_loss"
_HINT_LOSS = "Save first, or accept the loss with accept_data_loss."


def restart_check(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The verdict, and no error: an obstacle is a result.

    Raises:
        BadInput: an argument is not usable.
    """
    way = way_from(params)
    why, pid, spoken_to = "", None, True
    try:
        with way.open(Deadline(way.max_seconds)) as client:
            seen, pid = look(client)
    except (CannotReach, CommandRefused) as exc:
        # Also a wrong password: whoever may not look cannot say that nothing is there.
        seen, why, spoken_to = UNSEEN, exc.message, answered(exc)
    # Not from INFO alone: a server on another machine has a process of some number too.
    anybody, process = listening(host=way.login.host, port=way.login.port, path=way.login.unix_socket or None)
    if process is None and anybody:
        process = pid
    speaks = is_itself(process, pid) if process and pid else None
    judged = Judged(listening=anybody, process=process, unit=unit_of_process(process), answered=spoken_to, speaks=speaks)
    service = not_skipped(params["service"])
    # Without a service only the loss is judged.
    proof = Proof(same=True)
    if service is not None:
        proof = compare(judged, service)
        if not way.login.unix_socket:
            proof = configured_elsewhere(proof, name=name_of(service), configured=configured_ports(service), wanted={way.login.port})
    loss = [] if proof.stopped else restart_obstacles(seen, accept_data_loss=params["accept_data_loss"])
    obstacles = [*loss, *([proof.why] if proof.why else [])]
    kept = on_disk(params["data_directory"], service or {}) if proof.stopped else None
    finding = Finding(
        CHECK, CRITICAL if obstacles else OK, observed="; ".join(obstacles) or (kept.describe() if kept else "nothing is in the way"),
        hint=" ".join([*([_HINT_LOSS] if loss else []), *([HINT_IDENTITY] if proof.why else [])]),
        detail={"cannot_see": why} if why else {},
    )
    return {
        **verdict([finding]), "obstacles": obstacles, "seen": seen.as_dict(), "listening": anybody, "process_id": process,
        "stopped": proof.stopped, "on_disk": kept.as_dict() if kept else None, "changed": False,
    }, None


def look(client: Client) -> tuple[RestartView, t.Optional[int]]:
    """What can be seen of the server, and the process that it says it is.

    Raises:
        CannotReach: it stopped answering.
        CommandRefused: INFO is not allowed.
    """
    info = client.info()
    try:
        save = client.config("save").get("save")
    except CommandRefused:
        save = None
    return view_from(info, save=save), integer(info, "process_id")
