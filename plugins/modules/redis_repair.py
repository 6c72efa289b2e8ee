#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_repair
short_description: Repair a Redis server at run time and measure the result
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - V(raise_maxclients) raises C(maxclients) at run time and keeps the old value in the result. Refused when the server's process may not
    have so many open files, where that process is one of the module's host; the server tests it again. Never lowered.
    It has no end of its own. V(restore_maxclients) puts the old value back, and so does a restart of the server.
  - V(save) saves to disk in the background when the last save failed, and waits for its end. To be done after the disk was freed. With
    O(after) it is C(refused) where nothing shows that it can succeed.
  - V(kill_script) ends the script or function that blocks the server, by the command that the server names (C(SCRIPT KILL) or
    C(FUNCTION KILL)), and waits until it answers. The server refuses that for a script that has written or that its primary sent. The
    action is then C(refused), and C(SHUTDOWN NOSAVE), which alone would end it, is never sent.
  - V(repoint_replica) gives a replica without its primary another one. Refused when it has its primary, when Sentinel or Cluster manages
    either server or that cannot be seen, when the named server cannot be reached, is a replica itself, or does not continue the history
    that the replica has. A replica without keys may be given any primary. It is done when the link is up and the replica has the history
    of the server that was looked at. Where the replica finds another server under this name, its old primary is put back.
extends_documentation_fragment:
  - oncall.incident.redis
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.attributes.redis
  - oncall.incident.approved
options:
  operation:
    description: What to do.
    type: str
    choices: [raise_maxclients, save, repoint_replica, restore_maxclients, kill_script]
    required: true
  change:
    description: For V(restore_maxclients), the action that raised it, as its record has it.
    type: dict
  maxclients:
    description: For V(raise_maxclients), the new value.
    type: int
  primary_host:
    description: For V(repoint_replica), the host of the primary, as the replica and the module's host both reach it.
    type: str
  primary_port:
    description: For V(repoint_replica), its port.
    type: int
    default: 6379
  after:
    description:
      - For V(save), the results of what was done before it to make room, such as of M(oncall.incident.act).
      - When it is given, and none of their actions was done (in check mode planned), the directory is measured, that is its free space and
        inodes, its rights and what has the place of the dump. The save is C(refused) where it would fail again (C(cannot_help)), and where
        the server's process is not one of the module's host (C(cannot_look)).
      - Without it the save is tried in any case.
    type: list
    elements: dict
  timeout:
    description: How long the end of the save, the replica's link, or the end of the script is waited for.
    type: str
    default: 50s
  connect_retry:
    description:
      - How long to try again while the server takes no more connections, since clients come and go.
      - V(0) tries once.
    type: str
    default: 15s
seealso:
  - module: oncall.incident.redis_client_kill
"""

EXAMPLES = r"""
- name: Let more clients in, until the next restart
  oncall.incident.redis_repair:
    login_host: cache1.example.org
    operation: raise_maxclients
    maxclients: 20000
  register: raised

- name: Take it back, once there is room again
  oncall.incident.redis_repair:
    login_host: cache1.example.org
    operation: restore_maxclients
    change: "{{ raised.actions[0] }}"

- name: Save, now that the disk has room again
  oncall.incident.redis_repair:
    login_host: cache1.example.org
    operation: save
    timeout: 10m
    max_seconds: 11m

- name: End the script that blocks the server, unless it has written
  oncall.incident.redis_repair:
    login_host: cache1.example.org
    operation: kill_script

- name: Give an orphan the server that took over
  oncall.incident.redis_repair:
    login_host: cache3.example.org
    operation: repoint_replica
    primary_host: cache2.example.org
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
changed:
  description: Whether it was really done. In check mode whether it would be.
  returned: always
  type: bool
actions:
  description:
    - One action, and one for each approved change that is not the one that is asked for now. C(detail.before) is what was there, C(done)
      what was measured afterwards. C(not_needed), C(refused) or C(moved_on) left the server as it was. C(failed), C(unknown) and
      C(not_permitted) fail the task.
    - C(detail.why) says why in a word, C(detail.error) in a sentence, or as the server said it.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the action, to be compared with an approved one; never to be taken apart.
      type: str
    resource:
      description: The server or service that it is done on.
      type: str
    identity:
      description: What identifies the target on it. With C(verb) and C(resource) it makes C(id).
      type: dict
    name:
      description: The target in words.
      type: str
      sample: maxclients 20000
    temporary:
      description:
        - Of V(raise_maxclients), how the change ends. C(way_back) says what undoes it, C(ends) who does when nobody asks for it
          (V(nobody)), C(survives) what it ends with anyway, C(undo) what V(restore_maxclients) needs.
      returned: for V(raise_maxclients)
      type: dict
protected:
  description: Always empty.
  returned: success
  type: list
  elements: dict
limits:
  description: The limits that applied.
  returned: success
  type: dict
error:
  description: What kind of failure it is.
  returned: failure
  type: str
hint:
  description: On failure what to do about it.
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

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.repairs import OPERATIONS
from ansible_collections.oncall.incident.plugins.module_utils._redis.repairing import repair, repair_from


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "operation": {"type": "str", "choices": list(OPERATIONS), "required": True},
            "maxclients": {"type": "int"},
            "change": {"type": "dict"},
            "after": {"type": "list", "elements": "dict"},
            "primary_host": {"type": "str"},
            "primary_port": {"type": "int", "default": 6379},
            "timeout": {"type": "str", "default": "50s"},
            "connect_retry": {"type": "str", "default": "15s"},
            "approved": APPROVED_SPEC,
        },
        required_if=[
            ("operation", "raise_maxclients", ["maxclients"]), ("operation", "repoint_replica", ["primary_host"]),
            ("operation", "restore_maxclients", ["change"]),
        ],
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        subject = repair_from(params, timeout=parse_duration(params["timeout"], name="timeout"), check_mode=module.check_mode)
        return repair(subject, approved=read_approved(params["approved"]), check_mode=module.check_mode)

    leave(module, work, verbs=(params["operation"],))


if __name__ == "__main__":
    main()
