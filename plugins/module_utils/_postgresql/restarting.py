# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at whom the restart of a PostgreSQL server would harm, and whether the unit that would be restarted is that server.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from .._core.errors import Blind, CannotReach, IncidentError
from .._core.findings import COULD_NOT_LOOK, Skipped
from .._core.judging import answer, question_from, question_spec
from .._host.listening import listening
from .._host.speaking import has_child, now
from .._service.decisions.identity import Judged, answered
from .._service.identity import unit_of_process
from . import activity, health_queries
from .args import connection_spec, logins_from, session_from
from .connection import SOCKET_DIRECTORIES, Login, Session, StatementFailed
from .decisions import health_server
from .decisions.availability import SILENT
from .decisions.facts import Request, Row, Seen
from .decisions.restart import CHECK, Dependants, RestartSeen, decide
from .decisions.restart_cost import Cost, cost_of
from .decisions.sight import unseen_sessions
from .health_probe import Prober
from .health_reader import Reader

#: Host, port, and the path of the local socket in their place.
Place = tuple[str, int, t.Optional[str]]
_PORT = re.compile(r"^\s*port\s*(?:=|\s)\s*'?(\d+)'?", re.MULTILINE | re.IGNORECASE)
#: The unit of a cluster on Debian and Ubuntu, pg_createcluster(1).
_DEBIAN = re.compile(r"postgresql@(\d+)-([\w.]+)\.service")


def restart_spec() -> dict[str, t.Any]:
    """The argument spec of pg_restart_check, the connection included."""
    return {
        **connection_spec(), **question_spec(), "service": {"type": "dict", "required": True},
        "despite_backup": {"type": "bool", "default": False}, "despite_replica": {"type": "bool", "default": False},
    }


def restart_check(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The module's result, and the problem that must fail the task although there is a result: an obstacle is a result.

    Raises:
        BadInput: an argument is not usable.
    """
    question = question_from(params, checks=(CHECK,), default=(CHECK,), what="The restart of PostgreSQL")
    return answer(
        question, lambda: decide(look(params), params["service"], params["despite_backup"], params["despite_replica"]),
    )


def look(params: t.Mapping[str, t.Any]) -> RestartSeen:
    """See who depends on the server, and whether the unit is this server.

    Raises:
        BadInput: an argument is not usable.
    """
    blind: list[Skipped] = []
    silent, seen, before = False, Dependants(), now()
    cost: t.Optional[Cost] = None
    found: t.Optional[tuple[list[Place], Judged]] = None
    try:
        with session_from(params) as session:
            found = _judge_who_answers(session, since=before)
            activity.require_sight(session)
            # Nothing is probed here, so no login is ever opened for it.
            reader = Reader(session, Request(checks=(), limits={}), Prober((), lambda _login: session))
            for check in ("availability", "backups", "prepared_transactions"):
                reader.read(check)
            looked, receivers = reader.seen(), reader.rows("replicas")
            seen, blind = _dependants(looked, receivers=receivers)
            cost = cost_of(looked, receivers=receivers, stored=_stored(session))
    except (CannotReach, Blind, StatementFailed) as exc:
        # Also a wrong password: whoever may not look cannot say that nobody is there.
        silent = exc.facts.get("error") in SILENT
        blind = [Skipped(CHECK, exc.message, exc.hint or "")]
        found = found or _judge_who_should(logins_from(params), error=exc)
    where, host = found
    return RestartSeen(
        seen, host, blind=tuple(blind), silent=silent, ports=tuple(sorted({port for _host, port, _path in where})),
        configured=tuple(sorted(configured_ports(params["service"]))), cost=cost,
    )


def _stored(session: Session) -> dict[str, int]:
    """What of a restart's cost is in the catalog of this database and in the WAL; what the server refuses to tell is left out."""
    found: dict[str, int] = {}
    for read in (health_queries.read_volatile, health_queries.read_replayed):
        try:
            found.update(read(session))
        except StatementFailed:
            continue
    return found


def _dependants(looked: Seen, *, receivers: t.Sequence[Row]) -> tuple[Dependants, list[Skipped]]:
    """Who depends on the server, and what hides some of them."""
    backups = health_server.backups(looked)
    no_backups = [dataclasses.replace(one, check=CHECK) for one in backups.skipped if one.kind == COULD_NOT_LOOK]
    no_waits = unseen_sessions(CHECK, looked.silent_waiters, login=looked.facts.user)
    running, waiting = backups.data["backups"]["running"], [one for one in looked.backends if one.waits_for_standby]
    seen = Dependants(
        replicas=len(receivers),
        # One that is seen is there, whatever else is not seen.
        backups=len(running) or (None if no_backups else 0), commits=len(waiting) or (None if no_waits else 0),
        names=(
            *(f"{one.get('name') or 'a receiver'} from {one.get('client_address') or 'this host'}" for one in receivers),
            *(f"{one['kind']} of {one['application_name']}" if one.get("application_name") else str(one["kind"]) for one in running),
            *(f"pid {one.pid} ({one.application_name or one.user})" for one in waiting),
        ),
    )
    return seen, list(dict.fromkeys([*no_backups, *no_waits]))


def _judge_who_answers(session: Session, *, since: float) -> tuple[list[Place], Judged]:
    """Where an open session leads to, and the server there. While it is open, its backend is there to be seen."""
    where = [_place(*session.place)]
    judged = server_of_this_host(where)
    speaks = has_child(judged.process, session.backend_pid, since=since) if judged.process else None
    return where, dataclasses.replace(judged, answered=True, speaks=speaks)


def _judge_who_should(logins: t.Sequence[Login], *, error: IncidentError) -> tuple[list[Place], Judged]:
    """Where logins that did not work lead to, and the server there."""
    try:
        where = [place for login in logins for place in places(login)]
    except Blind as exc:
        return [], Judged(unclear=exc.message)
    return where, dataclasses.replace(server_of_this_host(where), answered=answered(error))


def server_of_this_host(where: t.Sequence[Place]) -> Judged:
    """Who listens on this host at these places."""
    found = [listening(host=host, port=port, path=path) for host, port, path in where]
    processes = {process for anybody, process in found if anybody}
    if processes:
        process = processes.pop() if len(processes) == 1 else None
        return Judged(listening=True, process=process, unit=unit_of_process(process))
    return Judged(listening=False if found and all(anybody is False for anybody, _process in found) else None)


def places(login: Login) -> list[Place]:
    """Where a login leads to that did not work.

    Raises:
        Blind: that cannot be told.
    """
    words = login.keywords()
    host = str(words.get("hostaddr") or os.environ.get("PGHOSTADDR") or words.get("host") or os.environ.get("PGHOST") or "")
    port = str(words.get("port") or login.port)
    if words.get("service") or os.environ.get("PGSERVICE"):
        raise Blind("where the server is stands in a service file (service or PGSERVICE), and it does not answer")
    if "," in host or not port.isdigit():
        raise Blind(f"the login names several servers (host {host or '-'}, port {port}), and none of them answers")
    return [_place(host, int(port))] if host else [_place(directory, int(port)) for directory in SOCKET_DIRECTORIES]


def _place(host: str, port: int) -> Place:
    return ("", port, f"{host}/.s.PGSQL.{port}") if host.startswith("/") else (host, port, None)


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
