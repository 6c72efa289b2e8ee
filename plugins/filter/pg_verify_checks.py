# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checks a PostgreSQL server's recovery is verified by."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pg_verify_checks
short_description: Which checks a PostgreSQL server's recovery is verified by
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Completes the checks that the operator names.
positional: _input
options:
  _input:
    description: The checks that the operator names, as a list or as text with commas.
    type: raw
    required: true
  probe_query:
    description: The operator's own query. With one the check C(probe) must hold too.
    type: str
    required: true
"""

EXAMPLES = r"""
# [blocking, probe]
checks: "{{ ('blocking' | oncall.incident.pg_verify_checks(probe_query='SELECT 1')).awaited }}"
"""

RETURN = r"""
_value:
  description: C(awaited), the checks that must hold, and C(measured), all that are compared with the start.
  type: dict
"""

import typing as t

from ..module_utils._postgresql.decisions.recovering import verify_checks


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"pg_verify_checks": verify_checks}
