# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One autocommit session with a PostgreSQL server, bounded in time, with errors an operator can act on.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import socket
import threading
import time
import traceback
import typing as t

from .._core.errors import CannotReach, IncidentError
from . import sqlstate
from .decisions.availability import ELSEWHERE
from .decisions.plain import plain

try:
    import psycopg
    from psycopg.rows import dict_row

    PSYCOPG_TRACEBACK: str | None = None
    PSYCOPG_VERSION: tuple[int, ...] = tuple(int(part) for part in re.findall(r"\d+", psycopg.__version__)[:3])
except ImportError:  # also: psycopg is there and finds no libpq
    PSYCOPG_TRACEBACK = traceback.format_exc()
    PSYCOPG_VERSION = ()

#: Begins the application_name of every session of ours.
APPLICATION_PREFIX = "oncall.incident"
#: Where the names in our statements are looked up, whatever the server, the database or the role have set: a database's owner, and
#: whoever may create in `public`, would else give us functions and operators of theirs to call. Left out, pg_temp would be searched
#: first for tables and types.
SAFE_PATH = "pg_catalog,pg_temp"
SAFE_SETTINGS: t.Mapping[str, str] = {"search_path": SAFE_PATH}
#: Older servers lack columns that the collection's statements read.
OLDEST_SERVER = 130000
#: How long a server may be silent beyond statement_timeout before the socket is cut: seconds.
SILENCE = 5.0
#: What the server says of text that it cannot give as UTF-8.
NOT_UTF8 = ("22021", "22P05")
_RETRY_PAUSE = 0.5
_PASSING = ("slots_exhausted", "starting_up")
# A server whose messages are translated may mean just that with a text we do not know.
_WORTH_RETRYING = (*_PASSING, "cannot_connect")
SOCKET_DIRECTORIES = ("/var/run/postgresql", "/tmp")  # nosec: where servers put their socket, nothing is written


class StatementFailed(IncidentError):
    """The server refused a statement; `sqlstate` says why. The session is usable."""

    kind = "statement_failed"

    def __init__(self, message: str, *, sqlstate: str = "", hint: str | None = None, **facts: t.Any) -> None:
        super().__init__(message, hint=hint, sqlstate=sqlstate, **facts)
        self.sqlstate = sqlstate


@dataclasses.dataclass(frozen=True)
class Login:
    """One way into the server. `host` empty means a local socket; `connect_params` are further libpq keywords."""

    host: str = ""
    port: int = 5432
    user: str = "postgres"
    password: str = dataclasses.field(default="", repr=False)
    database: str = "postgres"
    unix_socket: str = ""
    ssl_mode: str = "prefer"
    ca_cert: str = ""
    connect_params: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)

    def describe(self) -> str:
        """The login for people, without its password."""
        where = self.unix_socket or self.host or "local socket"
        return f"{self.user}@{where}:{self.port}/{self.database}"

    def keywords(self) -> dict[str, t.Any]:
        """The login as libpq keywords."""
        found: dict[str, t.Any] = {
            "host": self._address(), "port": self.port, "user": self.user, "password": self.password,
            "dbname": self.database, "sslmode": self.ssl_mode, "sslrootcert": self.ca_cert,
        }
        return {**{key: value for key, value in found.items() if value not in ("", None)}, **self.connect_params}

    def _address(self) -> str:
        if self.unix_socket or self.host or os.environ.get("PGHOST"):
            return self.unix_socket or self.host
        # libpq's built-in directory is that of whoever built it, not that of this host's server.
        for directory in SOCKET_DIRECTORIES:
            if os.path.exists(f"{directory}/.s.PGSQL.{self.port}"):
                return directory
        return ""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One try with one login: the kind of error and what was said."""

    login: Login
    error: str
    message: str

    def as_dict(self) -> dict[str, t.Any]:
        """The attempt as it appears in results."""
        return {"login": self.login.describe(), "error": self.error, "message": self.message}


class Session:
    """An open session. Every statement is its own transaction and is bounded in time on both sides."""

    def __init__(self, connection: t.Any, *, login: Login, statement_timeout: float, application_name: str) -> None:
        self._connection = connection
        self._silence = statement_timeout + SILENCE
        self.login = login
        self.application_name = application_name
        self.statements = 0
        self.attempts: tuple[Attempt, ...] = ()
        #: The role that was asked for; what settings of its own, or of the database, have made of it is `user`.
        self.login_role = str(connection.info.user)
        self.backend_pid = int(connection.info.backend_pid)
        self.server_version = int(connection.info.server_version)
        #: The server, whenever it was started; and the server since its start, which is what actions are done on.
        self.instance, self.resource = "", ""
        self.user = ""
        self.database = ""
        self.is_superuser = False
        self.in_recovery = False

    @property
    def place(self) -> tuple[str, int]:
        """Where it leads to, whatever services, the environment or lists of hosts said: address or socket's directory, and port."""
        info = self._connection.info
        return str(info.hostaddr or info.host), int(info.port)

    def rows(self, sql: str, params: t.Sequence[t.Any] | t.Mapping[str, t.Any] | None = None) -> list[dict[str, t.Any]]:
        """Run one statement and return its rows as dictionaries of JSON-like values; none for a statement without rows.

        Raises:
            StatementFailed: the server refused it.
            CannotReach: the session was lost (`connection_lost`) or the server fell silent (`timeout`).
        """
        try:
            return self._run(sql, params)
        except StatementFailed as exc:
            # Inside a transaction its owner begins again: it is aborted, or a cursor has gone on.
            if exc.sqlstate not in NOT_UTF8 or self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                raise
        self.take_bytes()
        return self._run(sql, params)

    def take_bytes(self) -> None:
        """Read text as bytes from now on, and replace what is not UTF-8.

        pg_stat_activity shows other databases' texts in their encodings, unconverted; a database in SQL_ASCII has any.
        """
        self._run("SET client_encoding TO 'SQL_ASCII'", None)

    def foreign(self, sql: str) -> None:
        """Run text that is not ours as one statement, which gives no rows; with a second one in it the server refuses it.

        Raises: as rows().
        """
        self._run(sql, None, single=True)

    def value(self, sql: str, params: t.Sequence[t.Any] | t.Mapping[str, t.Any] | None = None) -> t.Any:
        """The first column of the first row, None without rows."""
        rows = self.rows(sql, params)
        return next(iter(rows[0].values())) if rows else None

    def close(self) -> None:
        """End the session; locks it holds are released by the server."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def _run(self, sql: str, params: t.Any, *, single: bool = False) -> list[dict[str, t.Any]]:
        self.statements += 1
        with _cut_after(self._connection, self._silence) as cut:
            try:
                with self._connection.cursor(row_factory=dict_row) as cursor:
                    # Asked for binary rows, psycopg takes the extended protocol, which knows one statement at a time.
                    cursor.execute(sql, params, binary=single or None)
                    return [{key: plain(value) for key, value in row.items()} for row in cursor.fetchall()] if cursor.description else []
            except UnicodeDecodeError as exc:
                # The server does not look at what it sends in its own encoding.
                raise StatementFailed(f"PostgreSQL at {self.login.describe()} gave text that is not UTF-8.", sqlstate=NOT_UTF8[0]) from exc
            except psycopg.Error as exc:
                raise self._explain(exc, was_cut=cut.is_set()) from exc

    def _explain(self, exc: t.Any, *, was_cut: bool) -> IncidentError:
        where = self.login.describe()
        if was_cut:
            return CannotReach(
                f"PostgreSQL at {where} gave no answer for {self._silence:.0f} s and the session was cut.",
                hint="The server or the way to it is frozen; look at the host.", error="timeout",
            )
        if self._connection.closed or self._connection.broken:
            return CannotReach(
                f"The session with PostgreSQL at {where} was lost: {_first_line(exc)}",
                hint="The server was restarted, crashed, or somebody ended our session; run again.", error="connection_lost",
            )
        sqlstate = str(getattr(exc, "sqlstate", "") or "")
        return StatementFailed(f"PostgreSQL at {where} refused a statement: {_first_line(exc)}", sqlstate=sqlstate)


def connect(
    logins: t.Sequence[Login],
    *,
    application_name: str = APPLICATION_PREFIX,
    connect_timeout: float = 5.0,
    connect_retry: float = 30.0,
    statement_timeout: float = 10.0,
    lock_timeout: float = 2.0,
    settings: t.Mapping[str, str] | None = None,
) -> Session:
    """Open one session by the first login that works. Names in its statements are looked up in SAFE_PATH.

    When a way in is shut because all connection slots are taken (or the server is starting up), it is tried again until
    `connect_retry` seconds are over: at such a time slots come free for moments.

    Args:
        logins: in the order to try.
        application_name: shown in pg_stat_activity.
        connect_timeout: for one attempt, seconds; the drivers know whole seconds, at least 2.
        connect_retry: seconds; 0 tries every login once.
        statement_timeout, lock_timeout: seconds; set in the session.
        settings: what the session begins with, and what RESET goes back to; omitted, SAFE_SETTINGS. Without search_path in them, the
            role's own one counts.

    Raises:
        CannotReach: no login works; facts: `error` (slots_exhausted, wrong_password, no_such_role, no_such_database, no_route,
            refused, timeout, tls_required, tls_not_offered, tls_failed, no_hba_entry, unknown_host, no_socket, starting_up, pooled,
            unsafe_path, ...)
            and `attempts`, the last one of each login.
    """
    deadline = time.monotonic() + connect_retry
    begins_with = SAFE_SETTINGS if settings is None else settings
    hopeless: dict[int, Attempt] = {}
    while True:
        attempts: dict[int, Attempt] = dict(hopeless)
        for index, login in enumerate(logins):
            if index in hopeless:
                continue
            try:
                session = _open(login, application_name, connect_timeout, statement_timeout, lock_timeout, begins_with)
            except CannotReach as exc:
                attempts[index] = Attempt(login, str(exc.facts["error"]), str(exc.facts.get("server_message", exc.message)))
                if attempts[index].error not in _WORTH_RETRYING:
                    hopeless[index] = attempts[index]
                continue
            session.attempts = tuple(attempts[index] for index in sorted(attempts))
            return session
        last = [attempts[index] for index in sorted(attempts)]
        if len(hopeless) == len(logins) or time.monotonic() + _RETRY_PAUSE > deadline:
            raise _no_way_in(last)
        time.sleep(_RETRY_PAUSE)


def _open(
    login: Login, application_name: str, connect_timeout: float, statement_timeout: float, lock_timeout: float,
    settings: t.Mapping[str, str],
) -> Session:
    keywords: dict[str, t.Any] = {
        "connect_timeout": max(2, round(connect_timeout)), "application_name": application_name, "client_encoding": "UTF8",
        **login.keywords(),
    }
    keywords = {**keywords, **_startup(keywords, settings)}
    try:
        connection = psycopg.connect(autocommit=True, prepare_threshold=None, **keywords)
    except psycopg.Error as exc:
        raise _cannot_open(login, exc, keywords, connect_timeout) from exc
    session = Session(connection, login=login, statement_timeout=statement_timeout, application_name=application_name)
    try:
        _refuse_pooler(session, connection)
        _fix_path(session)
        _settle(session, statement_timeout=statement_timeout, lock_timeout=lock_timeout)
    except StatementFailed as refused:
        session.close()
        raise CannotReach(refused.message, hint=refused.hint, error="refused_by_server", server_message=refused.message) from None
    except BaseException:
        session.close()
        raise
    return session


def _startup(keywords: t.Mapping[str, t.Any], settings: t.Mapping[str, str]) -> dict[str, str]:
    """The libpq keyword `options` with our settings behind those of the caller, of the environment or of its service file.

    The server takes them before anything that is set for a role or a database. The last one of a name counts.
    """
    if not settings or ("service" in keywords and "options" not in keywords):
        # Given, it would hide what the service file has; _fix_path() does without it.
        return {}
    defaults = {option.keyword: option.val for option in psycopg.pq.Conninfo.get_defaults()}
    given = str(keywords["options"] or "") if "options" in keywords else os.fsdecode(defaults.get(b"options") or b"")
    return {"options": " ".join([*([given] if given else []), *(f"-c {name}={value}" for name, value in settings.items())])}


def _refuse_pooler(session: Session, connection: t.Any) -> None:
    """Before anything is SET: through a pooler it would stick to a server connection that others use."""
    if "bouncer" in str(connection.info.parameter_status("server_version") or ""):
        raise _pooled(session.login, "this is the pooler's own admin console")
    # Whose path counts here is not known yet: a qualified name, no operator, no cast.
    pid = session.value("SELECT pg_catalog.pg_backend_pid()")
    if pid != session.backend_pid:
        raise _pooled(session.login, f"it says process {session.backend_pid}, the server says {pid}")


def _fix_path(session: Session) -> None:
    """Make sure that names are looked up in SAFE_PATH alone, by statements that look nothing up but what they qualify.

    Raises:
        CannotReach: they are not, and cannot be (`unsafe_path`).
    """
    found = _path(session)
    if found != SAFE_PATH:
        session.rows(f"SELECT pg_catalog.set_config('search_path', '{SAFE_PATH}', false)")
        found = _path(session)
    if found != SAFE_PATH:
        raise CannotReach(
            f"The search_path of {session.login.describe()} cannot be set: it stays {found!r}.",
            hint=_HINTS["unsafe_path"], error="unsafe_path",
        )


def _path(session: Session) -> str:
    return str(session.value("SELECT pg_catalog.current_setting('search_path')")).replace(" ", "")


def _pooled(login: Login, why: str) -> CannotReach:
    return CannotReach(
        f"The connection to {login.describe()} goes through a connection pooler: {why}.",
        hint=_HINTS["pooled"], error="pooled",
    )


def _settle(session: Session, *, statement_timeout: float, lock_timeout: float) -> None:
    """Set what must be set, and learn who and where we are, in one statement."""
    if session.server_version < OLDEST_SERVER:
        raise CannotReach(
            f"PostgreSQL at {session.login.describe()} is of version {session.server_version // 10000}.",
            hint=_HINTS["unsupported_version"], error="unsupported_version",
        )
    row = session.rows(
        """
        SELECT pg_catalog.set_config('statement_timeout', %s, false), pg_catalog.set_config('lock_timeout', %s, false),
            pg_catalog.set_config('TimeZone', 'UTC', false), pg_catalog.set_config('DateStyle', 'ISO', false),
            current_user::text AS "user", current_database()::text AS database,
            (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS is_superuser,
            pg_catalog.pg_is_in_recovery() AS in_recovery,
            (EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint AS started,
            CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
                THEN (SELECT system_identifier FROM pg_catalog.pg_control_system()) END AS system
        """,
        [str(int(statement_timeout * 1000)), str(int(lock_timeout * 1000))],
    )[0]
    session.user, session.database = row["user"], row["database"]
    session.is_superuser, session.in_recovery = bool(row["is_superuser"]), bool(row["in_recovery"])
    session.instance = f"pg:{row['system'] or 'unknown'}"
    session.resource = f"{session.instance}:{row['started']}"


# libpq gives no SQLSTATE for a refused connection, only text; the first pattern that matches decides.
_KINDS: tuple[tuple[str, str], ...] = (
    # Poolers know few start-up parameters: PgBouncer, Neon's; RDS Proxy.
    ("pooled", r"unsupported startup parameter|does ?n.?t support command-line options"),
    ("slots_exhausted", r"too many clients|remaining connection slots|too many connections|no more connections allowed|max_client_conn"),
    ("starting_up", r"database system is (starting up|shutting down|in recovery mode|not (yet )?accepting)|server is not accepting"),
    ("tls_not_offered", r"server does not support SSL|does not support SSL, but SSL was required"),
    ("tls_failed", r"certificate|SSL error|SSL SYSCALL|sslv3|tlsv1|root\.crt|sslmode value|channel binding"),
    ("tls_required", r"SSL (connection )?(is )?required|requires? SSL|requires? TLS|encryption is required|insecure connection"),
    ("no_such_database", r"database \"[^\"]*\" does not exist|no such database"),
    ("no_such_role", r"role \"[^\"]*\" does not exist|no such user"),
    ("login_not_allowed", r"is not permitted to log in|permission denied for database"),
    ("wrong_password", r"password authentication failed|no password supplied|SASL authentication failed|empty password"),
    ("auth_failed", r"(peer|ident|GSSAPI|LDAP|PAM|RADIUS|certificate|SCRAM)[^\n]* authentication failed|authentication method"),
    ("no_hba_entry", r"no pg_hba\.conf entry|pg_hba\.conf rejects"),
    ("no_socket", r"socket [^\n]*(No such file or directory|Permission denied)|Is the server running locally"),
    ("unknown_host", r"could not translate host|Name or service not known|nodename nor servname|failed to resolve|name resolution"),
    ("no_route", r"No route to host|Network is unreachable|Host is unreachable|Host is down"),
    ("refused", r"Connection refused"),
    ("timeout", r"timeout expired|timed out|connection timeout"),
    ("not_postgresql", r"invalid response to (SSL|GSSAPI) negotiation|expected authentication request from server"),
    ("connection_lost", r"server closed the connection|Connection reset|EOF detected"),
)
_HINTS = {
    "slots_exhausted": "Give an alternate login that may use the reserved slots (a superuser, or a member of pg_use_reserved_connections), "
                       "or restart the application so that it gives its connections back.",
    "starting_up": "Wait until the server is up, or look at its log.",
    "wrong_password": "Check login_user and login_password.",
    "no_such_role": "Check login_user.",
    "no_such_database": "Check login_db.",
    "no_route": "Check login_host and the network between here and the server.",
    "refused": f"Nothing listens there: check login_host, login_port and whether the server runs. {ELSEWHERE}",
    "timeout": "Nothing answers there: check login_host, login_port, firewalls, and whether the server is frozen.",
    "unknown_host": "Check login_host and the resolver.",
    "no_socket": f"No server listens on that socket: check login_unix_socket, login_port and whether the server runs. {ELSEWHERE}",
    "tls_required": "The server wants TLS: set ssl_mode to require or stronger.",
    "tls_not_offered": "The server offers no TLS: set ssl_mode to prefer or disable, or switch TLS on in the server.",
    "tls_failed": "Check ca_cert, ssl_mode and the server's certificate.",
    "pooled": "Give the server's own address and port: through a pooler sessions are not whose they seem, and signals hit others.",
    "unsafe_path": "Something between here and the server keeps settings from it: give the server's own address and port.",
    "cannot_connect": "The server's own text says why; it is not known here, as with servers whose lc_messages is not English.",
    "unsupported_version": "Versions 13 and newer are understood.",
    "login_not_allowed": "The role needs LOGIN, and CONNECT on the database; or choose another login_user or login_db.",
    "auth_failed": "The server's pg_hba.conf asks for another way of authentication; choose another login.",
    "not_postgresql": "Something else than a PostgreSQL server listens there: check login_host and login_port.",
    "connection_lost": "Something closed the connection at once: check that a PostgreSQL server listens there, and its log.",
    "no_hba_entry": "Add a line for this user, database and address to the server's pg_hba.conf, or choose another login.",
}


def classify(message: str, *, ssl_mode: str = "prefer") -> str:
    """What kind of refusal a connection error is, from its text.

    A server whose messages are translated is understood where the client library wrote the text; otherwise the kind is
    `cannot_connect`, and the SQLSTATE has to tell.
    """
    if "no pg_hba.conf entry" in message and ssl_mode in ("disable", "allow") and re.search(r"no encryption|SSL off", message):
        return "tls_required"
    for kind, pattern in _KINDS:
        if re.search(pattern, message, re.IGNORECASE):
            return kind
    return "cannot_connect"


def _cannot_open(login: Login, exc: BaseException, keywords: t.Mapping[str, t.Any], timeout: float) -> CannotReach:
    text = " ".join(str(exc).split()).rstrip(".") + "."
    kind = "timeout" if isinstance(exc, getattr(psycopg.errors, "ConnectionTimeout", ())) else classify(text, ssl_mode=login.ssl_mode)
    if kind == "cannot_connect":
        # A text that is not understood, as with servers whose lc_messages is not English.
        kind = sqlstate.KINDS.get(sqlstate.ask(keywords, timeout=timeout), kind)
    return CannotReach(f"No connection as {login.describe()}: {text}", hint=_HINTS.get(kind), error=kind, server_message=text)


def _no_way_in(attempts: t.Sequence[Attempt]) -> CannotReach:
    # Where one login found the slots taken, that is what ails the server, whatever is wrong with the other logins.
    first = next((one for one in attempts if one.error in _PASSING), attempts[0])
    said = "; ".join(f"{one.login.describe()}: {one.message}" for one in attempts)
    return CannotReach(
        f"No connection to PostgreSQL ({first.error}). {said}", hint=_HINTS.get(first.error), error=first.error,
        attempts=[one.as_dict() for one in attempts],
    )


@contextlib.contextmanager
def _cut_after(connection: t.Any, seconds: float) -> t.Iterator[threading.Event]:
    """Shut the socket down when the server stays silent: its own statement_timeout does not help when it is frozen."""
    fired = threading.Event()

    def cut() -> None:
        fired.set()
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield fired
    finally:
        timer.cancel()


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]
