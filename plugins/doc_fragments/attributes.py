# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of modules, stated once: `oncall.incident.attributes`, `.read_only`, `.traces`, `.mitigates`, `.postgresql` and `.redis`."""

from __future__ import annotations


class ModuleDocFragment:
    """What modules of this collection support."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the prediction of a changed status without modifying the target.
  diff_mode:
    description: Returns details on what has changed or would change in diff mode.
  idempotent:
    description: A second run in an unchanged world changes nothing.
  platform:
    description: The operating systems of the host that runs the module.
    support: full
    platforms: posix
"""

    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - It only reads, in check mode too.
  diff_mode:
    support: N/A
    details:
      - It changes nothing.
  idempotent:
    support: N/A
    details:
      - It changes nothing.
"""

    TRACES = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - It only reads, in check mode too, where O(ignore:trace_for) has no effect.
  diff_mode:
    support: N/A
    details:
      - It changes nothing that stays.
  idempotent:
    support: N/A
    details:
      - It changes nothing that stays.
"""

    MITIGATES = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Touches nothing and returns the same RV(ignore:actions) with the outcome C(planned).
  diff_mode:
    support: none
    details:
      - RV(ignore:actions) says before and after what happens, and to whom.
  idempotent:
    support: full
"""

    POSTGRESQL = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/oncall.incident.postgresql) in C(module_defaults) to set the connection once for all modules.
    support: full
    membership:
      - oncall.incident.postgresql
      - oncall.incident.all
"""

    REDIS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/oncall.incident.redis) in C(module_defaults) to set the connection once for all modules.
    support: full
    membership:
      - oncall.incident.redis
      - oncall.incident.all
"""
