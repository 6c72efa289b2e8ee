# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at whom the restart of a PostgreSQL server would harm, and whether the unit that would be restarted is that server.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import re
import typing as t

from .._core.errors import Blind, CannotReach, IncidentError
from .._core.findings import CRITICAL, OK, Finding, verdict
from .._core.pg_availability import SILENT
from .._core.pg_restart import COMMITS, Dependants, restart_obstacles
from .._core.protection import COMMIT_WAITS
from .._host.listening import listening
from .._service.identity import Judged, compare, configured_elsewhere, name_of, unit_of_process
from . import activity, health_replication, health_server
from .args import logins_from, session_from
from .connection import SOCKET_DIRECTORIES, Login, StatementFailed
from .health_probe import Prober
from .health_reader import Reader, Request

CHECK = "restart"
_PORT = re.compile(r"^\s*port\s*(?:=|\s)\s*'?(\d+)'?", re.MULTILINE | re.IGNORECASE)
#: The unit of a cluster on Debian and Ubuntu, pg_createcluster(1).
_DEBIAN = re.compile(r"postgresql@(\d+)-([\w.]+)\.service")


def restart_check(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The verdict, and no error: an obstacle is a result.

    Raises:
        BadInput: an argument is not usable.
    """
    why, silent, logins, seen = "", False, logins_from(params), Dependants()
    try:
        with session_from(params) as session:
            logins = [session.login]
            activity.require_sight(session)
            # Nothing is probed here, so no login is ever opened for it.
            reader = Reader(session, Request(checks=(), limits={}), Prober((), lambda _login: session))
            seen = Dependants(
                replicas=len(health_replication.read_replicas(session)),
                backups=len(health_server.backups(reader).data["backups"]["running"]),
                commits=sum(one.waits_for_standby for one in reader.backends),
            )
    except (CannotReach, Blind, StatementFailed) as exc:
        # Also a wrong password: whoever may not look cannot say that nobody is there.
        why, silent = exc.message, exc.facts.get("error") in SILENT
    judged = server_of_this_host(logins)
    proof = configured_elsewhere(
        compare(judged, params["service"]), name=name_of(params["service"]), configured=configured_ports(params["service"]),
        wanted={port for login in logins for _host, port, _path in places(login)},
    )
    obstacles = restart_obstacles(
        seen, stopped=proof.stopped, not_shown=proof.why, despite_backup=params["despite_backup"],
        despite_replica=params["despite_replica"], silent=silent,
    )
    hint = COMMIT_WAITS if COMMITS in obstacles else "Correct the name of the service, or wait until nobody depends on the server."
    finding = Finding(
        CHECK, CRITICAL if obstacles else OK, observed="; ".join(obstacles) or "nothing is in the way",
        hint=hint if obstacles else "",
        detail={"cannot_see": why} if why else {},
    )
    return {
        **verdict([finding]), "obstacles": obstacles, "seen": seen.as_dict(), "listening": judged.listening,
        "process_id": judged.process, "stopped": proof.stopped, "changed": False,
    }, None


def server_of_this_host(logins: t.Sequence[Login]) -> Judged:
    """Who listens on this host where these logins lead to."""
    found = [listening(host=host, port=port, path=path) for login in logins for host, port, path in places(login)]
    processes = {process for anybody, process in found if anybody}
    if processes:
        process = processes.pop() if len(processes) == 1 else None
        return Judged(listening=True, process=process, unit=unit_of_process(process))
    return Judged(listening=False if found and all(anybody is False for anybody, _process in found) else None)


def places(login: Login) -> list[tuple[str, int, t.Optional[str]]]:
    """Where a login leads to: host, port, and the path of the local socket in their place."""
    words = login.keywords()
    port = int(words.get("port") or login.port)
    host = str(words.get("hostaddr") or words.get("host") or os.environ.get("PGHOST") or "")
    directories = [host] if host.startswith("/") else ([] if host else list(SOCKET_DIRECTORIES))
    return [("", port, f"{directory}/.s.PGSQL.{port}") for directory in directories] or [(host, port, None)]


def configured_ports(service: t.Mapping[str, t.Any]) -> set[int]:
    """The port that the unit's configuration sets; empty when it sets none, or is not found or not ours to read.

    Args:
        service: the result of the module service_instances for the unit.
    """
    found: set[int] = set()
    for unit in service.get("instances") or ():
        directories = list(unit.get("paths") or ())
        cluster = _DEBIAN.fullmatch(str(unit.get("id") or ""))
        if cluster:
            directories.append(f"/etc/postgresql/{cluster.group(1)}/{cluster.group(2)}")
        for directory in directories:
            # What ALTER SYSTEM wrote comes last and counts.
            said = [port for name in ("postgresql.conf", "postgresql.auto.conf") for port in _ports(f"{directory}/{name}")]
            found |= {int(said[-1])} if said else set()
    return found


def _ports(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return _PORT.findall(file.read())
    except OSError:
        return []
