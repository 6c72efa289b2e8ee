# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of every Redis module: `oncall.incident.redis`."""

from __future__ import annotations


class ModuleDocFragment:
    """Connection options; the argument spec beside them is module_utils/_redis/args.py."""

    DOCUMENTATION = r"""
options:
  login_host:
    description: Host on which the server listens.
    type: str
    default: 127.0.0.1
  login_port:
    description: Port of the server.
    type: int
    default: 6379
  login_user:
    description: ACL user to log in as. Empty means the one called C(default).
    type: str
    default: ""
  login_password:
    description: Password of the user.
    type: str
    default: ""
  login_unix_socket:
    description: Path of the server's local socket. When given, O(login_host) and O(login_port) are not used.
    type: path
  tls:
    description: Whether to speak TLS.
    type: bool
    default: false
  ca_cert:
    description: File with the certificates of the authorities that may have signed the server's; absent means the system's.
    type: path
  client_cert:
    description: File with our certificate, where the server asks for one.
    type: path
  client_key:
    description: File with the key of O(client_cert); absent means that it is in the same file.
    type: path
  validate_certs:
    description: Whether the server's certificate must be signed by an authority of O(ca_cert).
    type: bool
    default: true
  tls_check_hostname:
    description: Whether O(login_host) must be a name in the server's certificate.
    type: bool
    default: true
  connect_timeout:
    description: How long finding the address, connecting and agreeing on TLS may take together, such as V(5s).
    type: str
    default: 5s
  socket_timeout:
    description: How long the answer to one command may take.
    type: str
    default: 5s
  max_seconds:
    description:
      - How long the whole module may take, whatever the server does. A frozen server gives a result within it.
      - Nothing is retried.
    type: str
    default: 60s
  run_id:
    description: Id of the run, shown in the connection's name in C(CLIENT LIST), so that two runs can name each other.
    type: str
requirements:
  - Nothing beside Python. No client library is needed on the host.
notes:
  - Works on Redis 6.2, 7 and 8, Valkey 8 and 9, KeyDB 6 and Dragonfly 1, with RESP2.
"""
