#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What asks the server is here; what fetches, redacts and keeps the answers is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_snapshot
short_description: Capture the state of a PostgreSQL server during an incident
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Reads sessions, who blocks whom, locks, prepared transactions, replication, statements by their total time, statistics and
    settings, and streams them to the controller as JSON lines, into C(hosts/) of the run's directory. It only reads.
  - Nothing here fails a run. A server that nobody can get into is in the result and in the index.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.attributes.postgresql
  - oncall.incident.postgresql
options:
  once:
    description: Do not take a second snapshot of the same server in a run.
    type: bool
    default: true
  budget:
    description: How long it may take, after which no further statement is begun.
    type: str
    default: 10s
  dest:
    description: Directory on the controller for the outputs. By default that of the run that is being recorded.
    type: path
  spool:
    description: Directory where the module runs for outputs that are waiting. The action plugin sets it.
    type: path
"""

EXAMPLES = r"""
- name: Keep what the server knows now
  oncall.incident.pg_snapshot:
    login_unix_socket: /var/run/postgresql
"""

RETURN = r"""
collected:
  description: Whether anything was taken.
  returned: always
  type: bool
reason:
  description: Why nothing was.
  returned: when nothing was
  type: str
machine:
  description: The machine that answered, as it tells itself; what it does not tell is left out. The server may be another one.
  returned: when the host was asked
  type: dict
  contains:
    hostname:
      description: Its name.
      type: str
    machine_id:
      description: Its machine id.
      type: str
    boot_id:
      description: The id of its kernel's boot. Containers share it with their host.
      type: str
    pid_namespace:
      description: Its process namespace.
      type: str
    controller:
      description: Whether it is the machine that Ansible itself runs on. Left out when it does not tell which it is.
      type: bool
index:
  description: How far C(index.jsonl) of the host's directory had come.
  returned: when there is one
  type: dict
  contains:
    path:
      description: The file, below the run's directory.
      type: str
    bytes:
      description: Its size then.
      type: int
    sha256:
      description: The hash of those bytes.
      type: str
directory:
  description: Where the outputs are, on the controller.
  returned: when a snapshot was taken
  type: str
entries:
  description: What was taken, as the module M(oncall.incident.snapshot) returns it.
  returned: when a snapshot was taken
  type: list
  elements: dict
deferred:
  description: Names of what no time was left for.
  returned: when a snapshot was taken
  type: list
  elements: str
clock_offset:
  description: How far the clock where the module ran is ahead of the controller's, in seconds.
  returned: when a snapshot was taken
  type: float
clock_uncertainty:
  description: By how much that may be wrong, in seconds.
  returned: when a snapshot was taken
  type: float
seconds:
  description: How long it took.
  returned: when a snapshot was taken
  type: float
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._module.results import exit_with, fail_with
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.args import connection_spec, session_from
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import require_psycopg
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.snapshot import take
from ansible_collections.oncall.incident.plugins.module_utils._snapshot.collect import hand_over


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_spec(), "once": {"type": "bool", "default": True}, "budget": {"type": "str", "default": "10s"},
            "dest": {"type": "path"}, "spool": {"type": "path"},
        },
        supports_check_mode=True,
    )
    require_psycopg(module)
    try:
        seconds = ranges.read(module.params["budget"], name="budget")
        spool = module.params["spool"]
        if not spool or not os.access(spool, os.W_OK | os.X_OK):
            spool = tempfile.mkdtemp(prefix="oncall-snapshot-")
        # A full server is tried for as long as a snapshot may take, not for as long as a mitigation would.
        with session_from({**module.params, "connect_retry": "0s"}) as session:
            entries = take(session, spool=spool, seconds=seconds)
        direct = hand_over(spool)
    except IncidentError as exc:
        fail_with(module, **exc.as_result())
    except OSError as exc:
        fail_with(module, error="cannot_spool", msg=f"{exc.filename or 'The temporary directory'}: {exc.strerror}. Free some space there.")
    exit_with(module, changed=False, entries=entries, spool=spool, direct=direct)


if __name__ == "__main__":
    main()
