#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
short_description: Check hosts and variables of a run
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Fails when a host pattern matches no host of this run, when a variable's name is almost one of the roles' documented ones, and when
    a documented variable has a wrong type or value. Ansible itself calls a play without hosts a success, and ignores unknown variables.
  - Wrong values are also numbers and durations out of their range, a URL or a port in a host's place, and a value that is more than
    the one above it, such as the time a check must hold and the time there is for it.
  - Fails as well for names that others use for what the roles call differently, for example C(postgres_host), which is
    C(postgres_login_host) here. Where that one is set too, the other belongs to another role and nothing is said.
  - Looked at are the variables of the subjects' roles and of the roles C(incident) and C(evidence), from the inventory, from facts, extra
    variables and those of the play. Other names are left alone.
  - >-
    Fails as well when a collection, library or program is missing on the controller, or too old, that the head of the playbook says the
    scenario needs, and names the line that installs it. Such a line is a comment, C(# needs: KIND NAME >= VERSION (PLACE, if
    VARIABLE=VALUE)), a colon and how to install it; the kind is collection, library or program, the place controller or host. What a host
    needs is checked where the host is the controller itself; elsewhere its modules tell. Nothing is imported or run.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  subjects:
    description: What the scenario acts on.
    type: list
    elements: dict
    required: true
    suboptions:
      variable:
        description: Name of the variable that holds the pattern, for messages.
        type: str
        required: true
      hosts:
        description: The pattern.
        type: str
        required: true
      role:
        description: Short name of the role of this collection whose variables the hosts carry.
        type: str
        required: true
      required:
        description: Whether a pattern without hosts is an error. Where none is required, it is one if no pattern has a host.
        type: bool
        default: true
      needs:
        description:
          - Names of variables that every host of the pattern must have, and not empty. Of C(one or another) one is enough.
        type: list
        elements: str
        default: []
      addresses:
        description: Names of variables whose values must be IP addresses or networks, where they are set.
        type: list
        elements: str
        default: []
  ignore:
    description: Names of variables that look misspelt, or like ours by another name, and are not.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check hosts and variables of this run
  oncall.incident.guard:
    subjects:
      - variable: incident_db
        hosts: "{{ incident_db | default('db') }}"
        role: postgres
  run_once: true
"""

RETURN = r"""
hosts:
  description: The hosts of each pattern.
  returned: success
  type: dict
problems:
  description: What is wrong.
  returned: failure
  type: list
  elements: str
error:
  description: V(bad_input).
  returned: failure
  type: str
"""
