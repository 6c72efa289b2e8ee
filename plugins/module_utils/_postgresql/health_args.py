# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of pg_health, and the request they describe.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.durations import parse_duration
from .._core.errors import BadInput, IncidentError
from .._core.judging import Question, question_from, question_spec
from .args import connection_spec, probe_logins, probe_session, session_from
from .connection import Session
from .decisions.facts import Request
from .decisions.health import CHECKS
from .decisions.protection import BACKUP_TOOLS
from .decisions.settings import TIMEOUTS
from .decisions.thresholds import limits_from, threshold_spec
from .health_probe import SETTINGS, Prober

_EXPECTED_TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout")


def health_spec() -> dict[str, t.Any]:
    """The argument spec of pg_health, the connection included."""
    names = list(CHECKS)
    return {
        **connection_spec(),
        **threshold_spec(),
        **question_spec(),
        "checks": {"type": "list", "elements": "str", "choices": names},
        "probe_query": {"type": "str", "default": ""},
        "probe_expect": {"type": "str"},
        "probe_timeout": {"type": "str", "default": "5s"},
        "probe_login_user": {"type": "str", "default": ""},
        "probe_login_password": {"type": "str", "default": "", "no_log": True},
        "probe_login_db": {"type": "str", "default": ""},
        "probe_login_host": {"type": "str", "default": ""},
        "standbys_expected": {"type": "int", "default": 0},
        "timeouts_expected": {
            "type": "list", "elements": "str", "choices": list(TIMEOUTS), "default": list(_EXPECTED_TIMEOUTS),
        },
        "vacuum_min_dead_rows": {"type": "int", "default": 10000},
        "statements_min_calls": {"type": "int", "default": 5},
        "unused_indexes_min_age": {"type": "str", "default": "7d"},
        "sequential_scans_min_age": {"type": "str", "default": "1h"},
        "protect_application_names": {"type": "list", "elements": "str", "default": list(BACKUP_TOOLS)},
        "spare_users": {"type": "list", "elements": "str", "default": []},
        "give_up_idle_root": {"type": "str"},
        "server_log": {"type": "path"},
    }


def asked_from(params: t.Mapping[str, t.Any]) -> tuple[Question, Request]:
    """What the arguments want to know, and the look that can tell.

    Raises:
        BadInput: a check, a threshold or a duration is not usable, or the probe is wanted without a query, or its password given without
            its user.
    """
    chosen = _chosen(params)
    question = question_from(params, checks=tuple(CHECKS), default=chosen, what="PostgreSQL")
    return question, _request_from(params, checks=chosen, asked=question.asked or ())


def _chosen(params: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """The checks to look at: what must be answered is looked at too."""
    named = [*(params["asked"] or ()), *((params["wait_for"] or {}).get("checks") or ())]
    query = (params["probe_query"] or "").strip()
    wanted = params["checks"]
    if not query and "probe" in [*(wanted or ()), *named]:
        raise BadInput("The check probe needs a query.", hint="Give probe_query, or leave the check out.", argument="probe_query")
    # An empty list is everything, as no list is: looking at nothing would be called unknown, which helps nobody.
    every = wanted or [name for name in CHECKS if name != "probe" or query]
    return tuple(dict.fromkeys([*every, *named]))


def _request_from(params: t.Mapping[str, t.Any], *, checks: tuple[str, ...], asked: tuple[str, ...]) -> Request:
    if params["probe_login_password"] and not params["probe_login_user"]:
        raise BadInput("probe_login_password is given without probe_login_user.", hint="Say whose it is.", argument="probe_login_user")
    statement_timeout = parse_duration(params["statement_timeout"], name="statement_timeout")
    idle_root = params["give_up_idle_root"]
    return Request(
        checks=checks, asked=asked, limits=limits_from(params),
        probe_query=(params["probe_query"] or "").strip(), probe_expect=params["probe_expect"],
        # The session is cut a little after statement_timeout, so a probe can't have more.
        probe_timeout=min(parse_duration(params["probe_timeout"], name="probe_timeout"), statement_timeout),
        standbys_expected=params["standbys_expected"], timeouts_expected=tuple(params["timeouts_expected"]),
        vacuum_min_dead_rows=params["vacuum_min_dead_rows"], statements_min_calls=params["statements_min_calls"],
        unused_indexes_min_age=parse_duration(params["unused_indexes_min_age"], name="unused_indexes_min_age"),
        sequential_scans_min_age=parse_duration(params["sequential_scans_min_age"], name="sequential_scans_min_age"),
        protect_application_names=tuple(params["protect_application_names"]), spare_users=tuple(params["spare_users"]),
        give_up_idle_root=None if idle_root is None else parse_duration(idle_root, name="give_up_idle_root"),
    )


def open_session(params: t.Mapping[str, t.Any], *, patient: bool) -> Session:
    """A session in which the server itself refuses to write.

    Args:
        patient: whether connect_retry counts; not where the caller polls anyway, so that each refusal is one measurement.

    Raises:
        BadInput, CannotReach: see session_from().
    """
    session = session_from(params if patient else {**params, "connect_retry": "0s"})
    try:
        session.rows("SET default_transaction_read_only TO on")
    except IncidentError:
        session.close()
        raise
    return session


def prober_from(params: t.Mapping[str, t.Any]) -> Prober:
    """The connection of the caller's own query; nothing is opened yet."""
    return Prober(probe_logins(params), lambda login: probe_session(login, params, settings=SETTINGS))
