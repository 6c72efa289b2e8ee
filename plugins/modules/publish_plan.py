#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: publish_plan
short_description: Publish the plan of a check
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes one plan of what the mitigate entry points of all hosts of the play kept in C(incident_actions), C(incident_limits),
    C(incident_baseline) and C(incident_rungs), and publishes it as a result and as the artifact C(incident_plan) (C(set_stats)).
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  run_id:
    description: Id of the run. Without it the recorder's.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Publish the plan
  oncall.incident.publish_plan:
  run_once: true
  when: ansible_check_mode
"""

RETURN = r"""
error:
  description: V(bad_input) when a kept action lacks what the contract demands.
  returned: failure
  type: str
contract:
  description: The contract of RV(plan), V(oncall.incident/plan/1).
  returned: success
  type: str
plan:
  description: The plan with its actions, limits, baseline and rungs by inventory host, hash, and times as seconds since the epoch.
  returned: success
  type: dict
empty:
  description: Whether there is nothing to do.
  returned: success
  type: bool
failures:
  description: What failed while the plan was made, by inventory host. Such a host's part of the plan may be missing.
  returned: success
  type: dict
"""
