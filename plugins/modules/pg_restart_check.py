#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restart_check
short_description: Say why a PostgreSQL server must not be restarted now
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Running backups and attached replicas are obstacles to a restart, and so is a unit that is not shown to be this server. What cannot be
    seen counts as there.
  - A commit that waits for its synchronous standby is an obstacle that nothing accepts, since a restart leaves a commit that no standby
    has. Where it cannot be seen because the server answers nobody, O(despite_backup) and O(despite_replica) together accept it.
  - The unit is the server when its main process is the one that listens on this host where the login leads to. That takes a module that
    runs on the server's own host, and the rights to see who listens, which root has, and for a local socket everybody.
  - When nobody listens there and the unit has no process, the server is stopped. Then nobody depends on it, and nothing is in the way of
    its start, unless the unit's configuration can be read and sets another port.
  - It only reads.
extends_documentation_fragment:
  - oncall.incident.postgresql
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.attributes.postgresql
options:
  service:
    description: What M(oncall.incident.service_instances) returned for the systemd unit that would be restarted, its failure too.
    type: dict
    required: true
  despite_backup:
    description: Whether a running backup, and one that cannot be seen, is accepted.
    type: bool
    default: false
  despite_replica:
    description: Whether an attached replica, and one that cannot be seen, is accepted.
    type: bool
    default: false
seealso:
  - module: oncall.incident.service_instances
"""

EXAMPLES = r"""
- name: Look at the unit
  oncall.incident.service_instances:
    name: postgresql@15-main
  register: unit

- name: Ask before a restart
  oncall.incident.pg_restart_check:
    login_unix_socket: /var/run/postgresql
    service: "{{ unit }}"
  register: restart
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: always
  type: str
status:
  description: The worst status of all findings, C(ok), C(warning), C(unknown) or C(critical).
  returned: when it was judged
  type: str
findings:
  description: What was judged.
  returned: when it was judged
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged, and why. Never counts as ok.
  returned: when it was judged
  type: list
  elements: dict
obstacles:
  description: Why the server must not be restarted now. Empty when nothing is in the way.
  returned: when it was judged
  type: list
  elements: str
seen:
  description:
    - How many C(backups) run, how many C(replicas) are attached, and how many C(commits) wait for a synchronous standby. Null where it
      could not be seen.
  returned: when it was judged
  type: dict
listening:
  description: Whether anybody on this host listens where the server should be. Null when that is not this host, or cannot be told.
  returned: when it was judged
  type: bool
process_id:
  description: The process that listens there. Null when nobody does, or it cannot be told.
  returned: when it was judged
  type: int
stopped:
  description: Whether the unit is shown to be stopped, so that a start ends nobody.
  returned: when it was judged
  type: bool
error:
  description: What kind of failure it is.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import require_psycopg
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.restarting import restart_check


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "service": {"type": "dict", "required": True},
            "despite_backup": {"type": "bool", "default": False},
            "despite_replica": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    require_psycopg(module)
    leave(module, lambda: restart_check(module.params))


if __name__ == "__main__":
    main()
