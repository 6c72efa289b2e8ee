# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed mitigation of PostgreSQL comes to."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pg_help_wanted
short_description: What a failed mitigation of PostgreSQL comes to
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says whether somebody else can help after a mitigation failed.
positional: _input
options:
  _input:
    description: The result of the task that failed.
    type: dict
    required: true
  start:
    description: Whether the server's start was asked for.
    type: bool
    required: true
"""

EXAMPLES = r"""
# restart_service
help: "{{ {'error': 'slots_exhausted'} | oncall.incident.pg_help_wanted(start=false) }}"
"""

RETURN = r"""
_value:
  description: V(restart_service), V(restart_database), or V(failure) when nobody else can help.
  type: str
"""

import typing as t

from ..module_utils._postgresql.decisions.recovering import help_wanted


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"pg_help_wanted": help_wanted}
