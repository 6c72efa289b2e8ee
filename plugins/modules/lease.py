#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: lease
short_description: Take the lease on what an entry point acts on
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - An entry point of several changing tasks takes a lease on its subject before the first of them and gives it back after the last, so that
    two runs never interleave. It is a file of the machine that the task is run on, next to the locks of the modules.
  - A run that finds another run's lease fails with C(locked). So do the mitigating modules and M(oncall.incident.act).
  - All hosts of the same execution of a run share a lease, since an inventory may have several names for one server. It ends when the last
    of them has given it back.
  - A lease ends by itself 5 minutes after the last task of the run that began to act. The lease of a run that was killed, or that lost its
    host, keeps others out no longer than that. On the machine that Ansible itself ran on it counts for nothing as soon as the process of
    that run is gone.
  - Where the file system has no room for the file, there is a warning and no lease, since what follows may be what makes room.
  - In check mode nothing is taken, and where an approved plan allows nothing on the host neither.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  subjects:
    description: What the entry point acts on, by all of its names. Empty ones are ignored. All are taken or none.
    type: list
    elements: str
    default: []
  approved:
    description: The approved actions of the host, RV(oncall.incident.approved#module:actions). Where there are none, no lease is taken.
    type: list
    elements: raw
  state:
    description:
      - V(present) takes the lease.
      - V(absent) gives back all leases that this run has taken for the host on the machine, also those of its modules. It never fails. What
        other hosts of the run have too stays theirs.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Change a service in two steps, and keep others off it
  environment:
    ONCALL_INCIDENT_LEASE: "{{ __incident_permit.lease }}"
  block:
    - name: Keep other runs off the service
      oncall.incident.lease:
        subjects: [service checkout]
        approved: "{{ __incident_permit.actions }}"
  always:
    - name: Release the lease
      oncall.incident.lease:
        state: absent
"""

RETURN = r"""
subjects:
  description: What was asked for.
  returned: success
  type: list
  elements: str
held:
  description: Whether the lease was taken.
  returned: success
  type: bool
taken_over:
  description: Which run had it before and did not give it back.
  returned: when there was one
  type: str
held_by:
  description: Who has it.
  returned: when another run has it
  type: dict
  contains:
    run:
      description: Id of the run.
      type: str
    holder:
      description: User, machine and process.
      type: str
    until:
      description: When the lease ends by itself.
      type: str
    seconds:
      description: For how long that is from now.
      type: float
    path:
      description: The file.
      type: str
error:
  description: V(locked).
  returned: failure
  type: str
"""
