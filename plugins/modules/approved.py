#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: approved
short_description: Read an approved plan
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says which actions of this inventory host a plan approves, for O(ignore:approved) of mitigating modules.
  - Refuses a plan that was changed, that has expired, that belongs to another run, or whose file others could have written or read.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  plan:
    description:
      - Path of a regular file that belongs to the user who runs Ansible, with mode 0600; or the plan as a dictionary or as JSON text.
      - Without it nothing is restricted.
    type: raw
  run_id:
    description: Id of this run. Given, the plan of another run is refused.
    type: str
"""

EXAMPLES = r"""
- name: Read the approved plan
  oncall.incident.approved:
    plan: "{{ incident_approved_plan | default(omit) }}"
  register: approved

- name: End the sessions of the plan, or all inside the limits
  oncall.incident.pg_terminate_long_queries:
    login_unix_socket: /var/run/postgresql
    approved: "{{ approved.actions }}"
"""

RETURN = r"""
restricted:
  description: Whether there is a plan.
  returned: success
  type: bool
ids:
  description: Approved action ids of this host; empty for a host that is not in the plan.
  returned: when there is a plan
  type: list
  elements: str
actions:
  description: The same actions with what identifies their targets, for a module that says what became of one that is gone; or null.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Action id.
      type: str
    verb:
      description: What is done; empty, as the following keys, for an action of a plan that an earlier version made.
      type: str
    resource:
      description: What it is done on.
      type: str
    identity:
      description: What identifies the target.
      type: dict
    name:
      description: The target in words.
      type: str
approved:
  description:
    - The same as RV(ids), for the option C(approved) of a mitigating module. Without a plan it is null, which restricts nothing.
    - Use it without C(default), so that a plan that was not read, or could not be, stops the task.
  returned: success
  type: list
  elements: str
hash:
  description: The plan's hash.
  returned: when there is a plan
  type: str
run:
  description: The run that made it.
  returned: when there is a plan
  type: str
baseline:
  description: Status by check of this host as it was when the plan was made.
  returned: when there is a plan
  type: dict
rungs:
  description: The rungs of this host that the plan states, in their order; none without a plan, or where no rung has a condition.
  returned: success
  type: list
  elements: dict
  contains:
    of:
      description: Whose list of remedies it is, a role and its server.
      type: str
    name:
      description: Name of the rung.
      type: str
    actions:
      description: Ids of its actions.
      type: list
      elements: str
    checks:
      description: It is run only while one of these checks fails. Empty for the first rung.
      type: list
      elements: str
    wait:
      description: For how long they may take to become V(ok).
      type: str
    down:
      description: Kinds of error that count as a failing check, since the target is down by these. Left out where there are none.
      type: list
      elements: str
lease:
  description:
    - Whose the leases of the entry point are, see M(oncall.incident.lease). Give it to the modules as the environment variable
      E(ONCALL_INCIDENT_LEASE). Empty in check mode.
  returned: success
  type: str
error:
  description: V(plan_refused) or V(bad_input).
  returned: failure
  type: str
"""
