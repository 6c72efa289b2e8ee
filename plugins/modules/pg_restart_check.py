#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restart_check
short_description: Report why a PostgreSQL server must not be restarted now
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Running backups and attached replicas are obstacles to a restart, and so is a unit that is not shown to be this server. What cannot be
    seen counts as there. The status is then C(unknown), and RV(skipped_checks) says what to grant.
  - A commit that waits for its synchronous standby is an obstacle that nothing accepts, since a restart leaves a commit that no standby
    has. Where it cannot be seen because the server answers nobody, O(despite_backup) and O(despite_replica) together accept it.
  - The unit is the server when its main process is the one that listens on this host where the login leads to. That takes a module that
    runs on the server's own host, and the rights to see who listens, which root has, and for a local socket everybody.
  - When nobody listens there and the unit has no process, the server is stopped. Then nobody depends on it, and nothing is in the way of
    its start, unless the unit's configuration can be read and sets another port.
  - What a restart would end and lose is told in RV(loses), also where nothing is in the way.
  - It only reads.
extends_documentation_fragment:
  - oncall.incident.postgresql
  - oncall.incident.verdict
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.attributes.postgresql
options:
  fail_on:
    default: never
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
  returned: when it was judged
  type: str
status:
  description: The worst status of all findings, C(ok), C(unknown) or C(critical).
  returned: when it was judged
  type: str
findings:
  description: What was judged, by the check C(restart).
  returned: when it was judged
  type: list
  elements: dict
skipped_checks:
  description: What could not be seen, why, and what to grant.
  returned: when it was judged
  type: list
  elements: dict
checks:
  description: The status of the check C(restart). Usable as O(baseline) later.
  returned: when it was judged
  type: dict
asked:
  description: The checks that had to be answered.
  returned: when it was judged
  type: list
  elements: str
healthy:
  description: Whether nothing is in the way. Null when that cannot be seen.
  returned: when it was judged
  type: bool
held:
  description: Whether nothing was in the way for long enough.
  returned: with O(wait_for)
  type: bool
waited:
  description: How long it was waited, seconds.
  returned: with O(wait_for)
  type: float
polls:
  description: How many looks were made.
  returned: with O(wait_for)
  type: int
history:
  description: The status whenever it changed, with the seconds since the start.
  returned: with O(wait_for)
  type: list
  elements: dict
not_recovered:
  description: Why it does not hold, in one text. Empty when it does.
  returned: with O(wait_for)
  type: str
remaining:
  description: Status of the check where it is not ok, is not waited for, and is not worse than in O(baseline).
  returned: with O(baseline)
  type: dict
new:
  description: Status of the check where it is worse than in O(baseline).
  returned: with O(baseline)
  type: dict
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
cost:
  description:
    - What a restart would end. C(connections) and open C(transactions) of clients with the C(oldest) of these, and C(untold) sessions of
      which that cannot be seen. C(prepared) transactions stay. C(standbys), C(logical) receivers and C(archives) of WAL reconnect.
      C(temporary) tables of C(database) are lost, C(unlogged) ones only in a crash. C(replayed) are the bytes of WAL since the last
      checkpoint, which a start after an unclean stop replays. Null for what could not be read.
    - Null where the server could not be looked at.
  returned: when it was judged
  type: dict
loses:
  description: The same in sentences, as the plan of a restart tells it. Empty for a server that is stopped.
  returned: when it was judged
  type: str
  sample: It cuts 42 connections and rolls back 1 open transaction (oldest pid 4711 app@shop (checkout), idle in transaction 15m).
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
reading:
  description:
    - What was decided from, of the target and of the call, so that the decision can be made again from a record. In C(invocation) where the
      module fails, since Ansible prints the rest.
    - At most 64 KiB. What is left out is named in C(left_out), and C(complete) is false then.
  returned: where it looked
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import require_psycopg
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.restarting import restart_check, restart_spec


def main() -> None:
    module = AnsibleModule(argument_spec=restart_spec(), supports_check_mode=True)
    require_psycopg(module)
    leave(module, lambda: restart_check(module.params))


if __name__ == "__main__":
    main()
