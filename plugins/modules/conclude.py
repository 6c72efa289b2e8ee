#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: conclude
short_description: Fail the host if a phase failed on it
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Answers each approved action of the host that no module has answered, since none was called for it.
  - Fails when C(incident_failures) of the host holds something, or when one of its C(incident_requests) is not answered by an action of a
    host that was asked, and where the inventory sets C(service_name) for that host, of that service.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options: {}
"""

EXAMPLES = r"""
- name: Report the result
  oncall.incident.conclude:
"""

RETURN = r"""
failures:
  description: What failed, with phase, message and hint.
  returned: always
  type: list
  elements: dict
actions:
  description:
    - The answers to approved actions that nothing else has answered. C(moved_on) where no step asked for them any more, C(failed) where a
      step before them failed, C(not_needed) where their rung turned out not to be needed, C(refused) where that could not be seen, or where
      nobody was let in to look and another host was asked to help.
  returned: when there are any
  type: list
  elements: dict
contract:
  description: The contract that RV(actions) follow, V(oncall.incident/actions/1).
  returned: when there are RV(actions)
  type: str
error:
  description: V(not_recovered).
  returned: failure
  type: str
"""
