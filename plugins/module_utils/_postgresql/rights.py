# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module about PostgreSQL needs: grants of a role. docs/rights.md shows them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CHANGE, FILE, LOOK, ROOT, SQL, Chapter, Needs, Right
from .decisions.maintenance import OPERATIONS
from .decisions.restart import CHECK as RESTART
from .decisions.sessions import CANCEL, TERMINATE
from .health import CHECKS, OPEN_TO_ALL
from .prepared import ROLLBACK_PREPARED

_VERBS = (CANCEL, TERMINATE, ROLLBACK_PREPARED)
_NO_LOGIN = "The module fails with `login_not_allowed`."


def _connect(*answers: str) -> Right:
    return Right(SQL, "CONNECT ON DATABASE <database>", answers, _NO_LOGIN, named="CONNECT")


#: Without it nobody gets in while the application holds every other slot.
_RESERVED = Right(SQL, "pg_use_reserved_connections", (), "Where every other slot is taken, the server does not let the role in.",
                  when="reserved_connections is set; from PostgreSQL 16 on")

_NEEDS = (
    Needs("pg_health", LOOK, tuple(CHECKS), (
        _connect(*CHECKS),
        Right(SQL, "pg_read_all_stats", tuple(name for name in CHECKS if name not in OPEN_TO_ALL), "The module fails with `blind`."),
        Right(SQL, "pg_read_all_settings", (), "`settings` lacks what only superusers see, such as `data_directory`."),
        _RESERVED,
        Right(SQL, "USAGE ON SCHEMA <schema of pg_stat_statements>", ("statements",), "The check is `unknown`, `could_not_look`.",
              named="USAGE ON SCHEMA", when="the extension is not in a schema that is open to all"),
        Right(SQL, "SELECT ON TABLE <tables of the probe>", ("probe",), "The check is `critical`, with what the server said.",
              named="permission denied for table", when="a probe query is set; give it a role of its own"),
        Right(FILE, "<server_log>: read", (), "The finding about a server that is down says what to grant, and not why it is down.",
              when="`server_log` is given"),
    )),
    Needs("pg_restart_check", LOOK, (RESTART,), (
        _connect(RESTART),
        Right(SQL, "pg_read_all_stats", (RESTART,), "The check is `unknown`."),
        Right(ROOT, "root, or the server's own user, to see who listens", (RESTART,), "It is not shown that the service is the server.",
              named="takes root"),
    )),
    Needs("pg_snapshot", LOOK, ("items",), (
        _connect("items"),
        Right(SQL, "pg_read_all_stats", ("items",), "What others do is hidden in the items that are kept."),
        Right(SQL, "pg_read_all_settings", ("items",), "Settings that only superusers see are missing."),
    )),
    Needs("pg_terminate_long_queries", CHANGE, _VERBS, (
        _connect(*_VERBS),
        Right(SQL, "pg_read_all_stats", _VERBS, "The module fails with `blind`."),
        Right(SQL, "pg_signal_backend", (CANCEL, TERMINATE),
              "The sessions are left alone as `not_permitted`, and `signal_privilege` is a finding."),
        _RESERVED,
        Right(ROOT, "a superuser, or the role that prepared the transaction", (ROLLBACK_PREPARED,), "The action is `not_permitted`.",
              when="rollback_prepared is set"),
    )),
    Needs("pg_maintain", CHANGE, OPERATIONS, (
        _connect(*OPERATIONS),
        Right(SQL, "MAINTAIN ON TABLE <tables>", OPERATIONS, "The action is `failed`, `not_measured`.", named="MAINTAIN",
              when="the role does not own them; before PostgreSQL 17 it must"),
    )),
)

CHAPTER = Chapter(1, "PostgreSQL", _NEEDS, text="""
A role to look, and one to look and change. `pg_monitor` includes `pg_read_all_stats` and `pg_read_all_settings`.
`MAINTAIN` is known from PostgreSQL 17 on, `pg_use_reserved_connections` from 16 on. Over a local
socket the user who runs the module needs to enter its directory.
""")
