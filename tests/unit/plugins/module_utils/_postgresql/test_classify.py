# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What refused connections say, of libpq, servers and poolers of several versions."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.connection import classify

HERE = 'connection to server at "192.0.2.1", port 5432 failed: '


@pytest.mark.parametrize(("message", "kind"), [
    ("FATAL:  sorry, too many clients already", "slots_exhausted"),
    ("FATAL:  remaining connection slots are reserved for non-replication superuser connections", "slots_exhausted"),
    ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "slots_exhausted"),
    ("FATAL:  remaining connection slots are reserved for roles with privileges of pg_use_reserved_connections", "slots_exhausted"),
    ('FATAL:  too many connections for role "app"', "slots_exhausted"),
    ('FATAL:  too many connections for database "shop"', "slots_exhausted"),
    ("FATAL:  no more connections allowed (max_client_conn)", "slots_exhausted"),
    ("FATAL:  the database system is starting up", "starting_up"),
    ("FATAL:  the database system is in recovery mode", "starting_up"),
    ("FATAL:  the database system is not yet accepting connections", "starting_up"),
    ('FATAL:  password authentication failed for user "app"', "wrong_password"),
    ("fe_sendauth: no password supplied", "wrong_password"),
    ("FATAL:  SASL authentication failed", "wrong_password"),
    ('FATAL:  role "app" does not exist', "no_such_role"),
    ('FATAL:  database "shop" does not exist', "no_such_database"),
    ('FATAL:  role "app" is not permitted to log in', "login_not_allowed"),
    ('FATAL:  Peer authentication failed for user "app"', "auth_failed"),
    ('FATAL:  no pg_hba.conf entry for host "192.0.2.9", user "app", database "shop", SSL encryption', "no_hba_entry"),
    ('FATAL:  no pg_hba.conf entry for host "192.0.2.9", user "app", database "shop", no encryption', "no_hba_entry"),
    ('FATAL:  pg_hba.conf rejects connection for host "192.0.2.9", user "app", database "shop", no encryption', "no_hba_entry"),
    ("FATAL:  unsupported startup parameter: options", "pooled"),
    ("FATAL:  unsupported startup parameter in options: search_path", "pooled"),
    ("FATAL:  Feature not supported: RDS Proxy currently doesn\u2019t support command-line options.", "pooled"),
    ("FATAL:  SSL required", "tls_required"),
    ("FATAL:  SSL connection is required. Please specify SSL options and retry.", "tls_required"),
    ("server does not support SSL, but SSL was required", "tls_not_offered"),
    ("SSL error: certificate verify failed", "tls_failed"),
    ('root certificate file "/x/root.crt" does not exist', "tls_failed"),
    ("could not translate host name \"db\" to address: Name or service not known", "unknown_host"),
    ("No route to host", "no_route"), ("Network is unreachable", "no_route"),
    ("Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", "refused"),
    ("connection timeout expired", "timeout"), ("Connection timed out", "timeout"),
    ("server closed the connection unexpectedly", "connection_lost"),
    ("received invalid response to SSL negotiation: H", "not_postgresql"),
    ("expected authentication request from server, but received H", "not_postgresql"),
    ("FATAL:  etwas ganz anderes", "cannot_connect"),
])
def test_classify(message: str, kind: str) -> None:
    assert classify(HERE + message) == kind


def test_a_socket_that_is_not_there() -> None:
    text = 'connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory'
    assert classify(text) == "no_socket"


@pytest.mark.parametrize(("mode", "kind"), [("disable", "tls_required"), ("allow", "tls_required"), ("prefer", "no_hba_entry")])
def test_a_missing_line_of_pg_hba_means_tls_where_none_was_offered(mode: str, kind: str) -> None:
    text = 'FATAL:  no pg_hba.conf entry for host "192.0.2.9", user "app", database "shop", no encryption'
    assert classify(text, ssl_mode=mode) == kind
