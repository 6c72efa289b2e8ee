# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller's own query, in a read-only connection of its own, as a login that can do no harm with other people's code.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from .._core.errors import CannotReach, IncidentError
from .connection import NOT_UTF8, Login, Session, StatementFailed
from .decisions.availability import is_sick
from .decisions.facts import NotRun, Probed
from .decisions.probe import REFUSED, TOO_MUCH, Rights, advice, refusal, remedy

#: What the connection begins with. Not our search_path: the query names things as its role does. Until it begins, ours is set.
SETTINGS = {"default_transaction_read_only": "on"}

#: Opens one session by one login, tried once.
Open = t.Callable[[Login], Session]


class ProbeRefused(IncidentError):
    """No login is there that the query may run as, and waiting makes none."""

    kind = "probe_refused"


class Prober:
    """The connection of the caller's query: opened when it is first needed, kept, and opened again when it was lost.

    Attributes:
        refused: why the query will never be run; None as long as it may.
    """

    def __init__(self, logins: t.Sequence[Login], open_session: Open) -> None:
        self._logins = logins
        self._open = open_session
        self._session: t.Optional[Session] = None
        self.refused: t.Optional[ProbeRefused] = None

    @property
    def backend_pid(self) -> t.Optional[int]:
        """The process that serves it, where one does now."""
        return self._session.backend_pid if self._session is not None else None

    def look(self, *, query: str, timeout: float) -> Probed:
        """Run the query once.

        Raises:
            StatementFailed: the server would not say what the login may do.
        """
        try:
            session, rights = self._ready()
        except ProbeRefused as exc:
            return _not_run("refused", exc, hint=f"{exc.message} {exc.hint}")
        except CannotReach as exc:
            attempts = exc.facts.get("attempts") or [{"login": "its login"}]
            hint = f"The probe query was not run: there was no connection for {attempts[0]['login']}. Verify tries again."
            return _not_run(_kind(exc), exc, hint=hint)
        try:
            answer = run_probe(session, query=query, timeout=timeout)
        except CannotReach as exc:
            self.close()
            answer = {"first": None, "row": None, "seconds": timeout, "error": exc.message, "sqlstate": ""}
        return Probed({**answer, "login": session.login.describe()}, advice=advice(rights))

    def close(self) -> None:
        """Give the connection back."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _ready(self) -> tuple[Session, Rights]:
        """A session that may run the query, and what it may do beyond."""
        if self.refused is not None:
            raise self.refused
        if self._session is not None:
            # What a role may do can have changed since, and the session may have been lost.
            with contextlib.suppress(CannotReach):
                rights = read_rights(self._session)
                if not refusal(rights):
                    return self._session, rights
            self.close()
        problems: list[IncidentError] = []
        for login in self._logins:
            try:
                return self._try(login)
            except (CannotReach, ProbeRefused) as exc:
                problems.append(exc)
        passing = [one for one in problems if isinstance(one, CannotReach) and _passes(one)]
        if passing:
            raise passing[0]
        self.refused = next((one for one in problems if isinstance(one, ProbeRefused)), None) or _shut_out(problems[0])
        raise self.refused

    def _try(self, login: Login) -> tuple[Session, Rights]:
        session = self._open(login)
        try:
            rights = read_rights(session)
            why = refusal(rights)
            if why:
                raise ProbeRefused(why, hint=remedy(), login=login.describe())
        except BaseException:
            session.close()
            raise
        self._session = session
        return session, rights


def read_rights(session: Session) -> Rights:
    """What the session's login may do or become: the role that logged in, and those that settings of its own have made of it.

    Raises:
        StatementFailed, CannotReach.
    """
    row = session.rows(
        """
        WITH us AS (
            SELECT oid, rolname::text AS name, rolsuper FROM pg_catalog.pg_roles
            WHERE rolname::text = ANY(ARRAY[%(login)s::text, session_user::text, current_user::text])
        )
        SELECT
            ARRAY(SELECT name FROM us WHERE rolsuper
                UNION SELECT r.rolname::text FROM pg_catalog.pg_roles AS r JOIN us ON NOT us.rolsuper
                    AND pg_catalog.pg_has_role(us.oid, r.oid, 'MEMBER') WHERE r.rolsuper) AS superusers,
            ARRAY(SELECT DISTINCT r.rolname::text FROM pg_catalog.pg_roles AS r JOIN us ON NOT us.rolsuper
                AND pg_catalog.pg_has_role(us.oid, r.oid, 'MEMBER') WHERE r.rolname::text = ANY(%(watched)s::text[]) ORDER BY 1) AS roles,
            EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS r JOIN us ON r.oid = us.oid OR NOT us.rolsuper
                AND pg_catalog.pg_has_role(us.oid, r.oid, 'MEMBER') WHERE r.rolcreaterole) AS createrole
        """,
        {"login": session.login_role, "watched": [*REFUSED, *TOO_MUCH]},
    )[0]
    return Rights(user=session.login_role, superusers=tuple(row["superusers"]), roles=tuple(row["roles"]), createrole=row["createrole"])


def run_probe(session: Session, *, query: str, timeout: float) -> dict[str, t.Any]:
    """Run the caller's query in a read-only transaction and take its first row.

    It runs through a cursor, so that a query with many rows costs one, and only a query is accepted. Its text is sent as one
    statement: with a second one in it the server refuses it, so nothing can end the transaction or SET what outlives it. A row that is
    not UTF-8, as a database in SQL_ASCII can have it, is asked for again as bytes, in a transaction of its own.

    Args:
        query: one SELECT, VALUES or WITH ... SELECT; found with the search_path that RESET gives.
        timeout: seconds for all of it.

    Returns:
        first (first column of the first row), row, seconds; error and sqlstate where it failed.
    """
    answer = _run_once(session, query=query, timeout=timeout)
    if answer["sqlstate"] not in NOT_UTF8:
        return answer
    session.take_bytes()
    return _run_once(session, query=query, timeout=timeout)


def _run_once(session: Session, *, query: str, timeout: float) -> dict[str, t.Any]:
    started = time.monotonic()
    try:
        session.rows("BEGIN READ ONLY")
        session.rows("SELECT pg_catalog.set_config('statement_timeout', %s, true)", [str(max(int(timeout * 1000), 1))])
        session.rows("SET LOCAL search_path TO DEFAULT")
        session.foreign(f"DECLARE oncall_incident_probe NO SCROLL CURSOR FOR {query.strip().rstrip(';')}")
        rows = session.rows("FETCH 1 FROM oncall_incident_probe")
    except StatementFailed as exc:
        seconds = time.monotonic() - started
        _roll_back(session)
        return {"first": None, "row": None, "seconds": seconds, "error": exc.message, "sqlstate": exc.sqlstate}
    seconds = time.monotonic() - started
    _roll_back(session)
    row = rows[0] if rows else None
    return {"first": next(iter(row.values())) if row else None, "row": row, "seconds": seconds, "error": "", "sqlstate": ""}


def _roll_back(session: Session) -> None:
    with contextlib.suppress(StatementFailed):
        session.rows("ROLLBACK")


def _not_run(kind: str, exc: IncidentError, *, hint: str) -> Probed:
    attempts = tuple(exc.facts.get("attempts", []))
    return Probed(not_run=NotRun(kind, exc.message, hint, final=isinstance(exc, ProbeRefused), attempts=attempts))


def _kind(exc: CannotReach) -> str:
    return str(exc.facts.get("error", exc.kind))


def _passes(exc: CannotReach) -> bool:
    """Whether the refusal is the server's state, or a text that is not understood, and not a login that is wrong."""
    return is_sick(_kind(exc)) or _kind(exc) == "cannot_connect"


def _shut_out(exc: IncidentError) -> ProbeRefused:
    return ProbeRefused(
        f"The probe query has no way in. {exc.message}", hint="Check probe_login_user, probe_login_password, probe_login_host and "
        "probe_login_db (postgres_probe_login_... in an inventory).", attempts=exc.facts.get("attempts", []),
    )
