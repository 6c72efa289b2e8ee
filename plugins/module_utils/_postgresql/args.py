# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection arguments of every PostgreSQL module, stated once.

The doc fragment `oncall.incident.postgresql` documents them; a contract test compares the two.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from .._core import hosts, ranges
from .connection import APPLICATION_PREFIX, Login, Session, connect

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_LOGIN: dict[str, t.Any] = {
    "login_host": {"type": "str", "default": ""},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str", "default": "postgres"},
    "login_password": {"type": "str", "default": "", "no_log": True},
    "login_db": {"type": "str", "default": "postgres"},
    "login_unix_socket": {"type": "str", "default": ""},
    "ssl_mode": {"type": "str", "default": "prefer", "choices": list(SSL_MODES)},
    "ca_cert": {"type": "path"},
    "connect_params": {"type": "dict", "default": {}},
}


def connection_spec() -> dict[str, t.Any]:
    """The argument spec of the connection: a fresh copy."""
    # An alternate login states only what differs from the main one, so its options have no defaults.
    alternate = {name: {key: value for key, value in spec.items() if key != "default"} for name, spec in _LOGIN.items()}
    return copy.deepcopy({
        **_LOGIN,
        "alternate_logins": {"type": "list", "elements": "dict", "default": [], "options": alternate},
        "connect_timeout": {"type": "str", "default": "5s"},
        "connect_retry": {"type": "str", "default": "30s"},
        "statement_timeout": {"type": "str", "default": "10s"},
        "lock_timeout": {"type": "str", "default": "2s"},
        "run_id": {"type": "str"},
    })


def logins_from(params: t.Mapping[str, t.Any]) -> list[Login]:
    """The logins to try, in order: the main one, then the alternates, each with what it does not state taken from the main one."""
    main = {name: params[name] for name in _LOGIN}
    return [_login(main)] + [
        _login({**main, **_place(alternate), **{key: value for key, value in alternate.items() if value is not None}})
        for alternate in params.get("alternate_logins") or ()
    ]


def application_name(params: t.Mapping[str, t.Any]) -> str:
    """The application_name of our session: the run's id in it, so that two runs can name each other."""
    return f"{APPLICATION_PREFIX}/{params['run_id']}" if params.get("run_id") else APPLICATION_PREFIX


def session_from(params: t.Mapping[str, t.Any]) -> Session:
    """Open the session the arguments describe.

    Raises:
        BadInput: an argument is not usable.
        CannotReach: no login works.
    """
    return connect(logins_from(params), application_name=application_name(params), **_times(params))


def session_in(session: Session, params: t.Mapping[str, t.Any], *, database: str) -> Session:
    """Open another session by the login that worked, in another database; tried once.

    Raises:
        CannotReach: it does not work there.
    """
    login = dataclasses.replace(session.login, database=database)
    return connect([login], application_name=application_name(params), **{**_times(params), "connect_retry": 0.0})


def probe_logins(params: t.Mapping[str, t.Any]) -> list[Login]:
    """The logins that the caller's own query may be tried by, in order: by the same ways in, with what the probe_login_* state instead.

    A password belongs to its user: with a user of its own, the query never gets the main login's.
    """
    found: list[Login] = []
    for login in logins_from(params):
        own: dict[str, t.Any] = {}
        hidden: set[str] = set()
        if params["probe_login_user"]:
            own.update(user=params["probe_login_user"], password=params["probe_login_password"] or "")
            hidden |= {"user", "password"}
        if params["probe_login_db"]:
            own["database"] = params["probe_login_db"]
            hidden.add("dbname")
        if params["probe_login_host"]:
            own.update(host=hosts.read_host(params["probe_login_host"], name="probe_login_host", several=True), unix_socket="")
            hidden |= {"host", "hostaddr"}
        # What connect_params says of these is about the main login.
        more = {name: value for name, value in login.connect_params.items() if name not in hidden}
        changed = dataclasses.replace(login, **own, connect_params=more)
        found += [] if changed in found else [changed]
    return found


def probe_session(login: Login, params: t.Mapping[str, t.Any], *, settings: t.Mapping[str, str]) -> Session:
    """Open a session by one login, tried once, that begins with these settings.

    Raises:
        BadInput, CannotReach: see session_from().
    """
    return connect([login], application_name=application_name(params), settings=settings, **{**_times(params), "connect_retry": 0.0})


def _times(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    names = ("connect_timeout", "statement_timeout", "lock_timeout", "connect_retry")
    return {name: ranges.read(params[name], name=name) for name in names}


def _place(alternate: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    # An alternate that names a place means that one, not the main login's socket or host beside it.
    return {"login_host": "", "login_unix_socket": ""} if alternate.get("login_host") or alternate.get("login_unix_socket") else {}


def _login(found: t.Mapping[str, t.Any]) -> Login:
    return Login(
        host=hosts.read_host(found["login_host"] or "", name="login_host", several=True),
        port=found["login_port"], user=found["login_user"], password=found["login_password"] or "",
        database=found["login_db"], unix_socket=found["login_unix_socket"] or "", ssl_mode=found["ssl_mode"],
        ca_cert=found["ca_cert"] or "", connect_params=found["connect_params"] or {},
    )
