# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of every PostgreSQL module: `oncall.incident.postgresql`."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection options; the argument spec beside them is module_utils/_postgresql/args.py."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host on which the server listens.
      - Empty means the server's local socket.
    type: str
    default: ""
  login_port:
    description: Port of the server; for a local socket it is part of the socket's name.
    type: int
    default: 5432
  login_user:
    description: Role to connect as.
    type: str
    default: postgres
  login_password:
    description: Password of the role.
    type: str
    default: ""
  login_db:
    description: Database to connect to. Sessions of all databases are seen from any of them.
    type: str
    default: postgres
  login_unix_socket:
    description: Directory of the server's local socket. When given, O(login_host) is not used.
    type: str
    default: ""
  ssl_mode:
    description: Whether the connection is encrypted and the server's certificate checked, as libpq's C(sslmode).
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: File with the certificates of the authorities that may have signed the server's certificate.
    type: path
  connect_params:
    description:
      - Further connection keywords of libpq, such as C(target_session_attrs). They win over the other options.
      - A C(search_path) in its C(options), or in C(PGOPTIONS), has no effect on the module's own statements.
    type: dict
    default: {}
  alternate_logins:
    description:
      - Other ways in, tried in this order when the main one fails, for example a socket beside TCP, or a role that may use
        the reserved connection slots.
      - An alternate takes what it does not state from the main login. One that states O(alternate_logins[].login_host) or
        O(alternate_logins[].login_unix_socket) takes neither of the two from it.
    type: list
    elements: dict
    default: []
    suboptions:
      login_host:
        description: As O(login_host).
        type: str
      login_port:
        description: As O(login_port).
        type: int
      login_user:
        description: As O(login_user).
        type: str
      login_password:
        description: As O(login_password).
        type: str
      login_db:
        description: As O(login_db).
        type: str
      login_unix_socket:
        description: As O(login_unix_socket).
        type: str
      ssl_mode:
        description: As O(ssl_mode).
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
      ca_cert:
        description: As O(ca_cert).
        type: path
      connect_params:
        description: As O(connect_params).
        type: dict
  connect_timeout:
    description: How long one attempt to connect may take, such as V(5s). At least two seconds.
    type: str
    default: 5s
  connect_retry:
    description:
      - How long all logins are tried again when the server has no connection slot left or is starting up.
      - Other refusals (a wrong password, no route) are final at once. V(0) tries every login once.
    type: str
    default: 30s
  statement_timeout:
    description: How long one statement of the module itself may take.
    type: str
    default: 10s
  lock_timeout:
    description: How long a statement of the module itself may wait for a lock.
    type: str
    default: 2s
  run_id:
    description: Id of the run, shown in the session's C(application_name), so that two runs can name each other.
    type: str
requirements:
  - psycopg >= 3.1 for the Python that runs the module (C(pip install 'psycopg[binary]'); on Debian and Ubuntu C(python3-psycopg))
notes:
  - Connects directly, never through a connection pooler such as PgBouncer. It is noticed and refused, because settings would stick to
    a server connection that others use, and process ids seen through it are not the server's.
  - The module's own statements look names up in C(pg_catalog) alone, whatever search_path the role, the database or the server have,
    so that no function or operator of a database's owner runs with the rights of O(login_user).
  - Works on PostgreSQL 13 to 18.
"""
