#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: recording
short_description: Refuse changes that are not recorded
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Looks for the mark that the callback plugin C(oncall.incident.evidence) leaves in the process of C(ansible-playbook), and fails
    without it. A collection cannot switch its own callback on.
  - In check mode nothing is changed, so it does not fail.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  record:
    description: With V(false) a run that is not recorded is accepted.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Refuse to go on unrecorded
  oncall.incident.recording:
"""

RETURN = r"""
recorded:
  description: Whether the run is recorded.
  returned: success
  type: bool
run:
  description: Id of the run.
  returned: success
  type: str
segment:
  description: File that the events go to.
  returned: success
  type: str
error:
  description: V(not_recorded).
  returned: failure
  type: str
"""
