# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the journal takes more than a size."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_journal_over
short_description: Whether the journal takes more than a size
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Adds up the sizes of the journal's files.
positional: _input
options:
  _input:
    description: Result of the command that lists the files, one a line, with bytes and name.
    type: dict
    required: true
  size:
    description: The size in bytes.
    type: float
    required: true
  archived:
    description: Count only archived files, which may be removed.
    type: bool
    default: false
"""

EXAMPLES = r"""
# true
over: "{{ {'stdout_lines': ['4096 system.journal']} | oncall.incident.host_journal_over(size=1024) }}"
"""

RETURN = r"""
_value:
  description: Whether it does.
  type: bool
"""

import typing as t

from ..module_utils._host.decisions.steps import journal_over


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"host_journal_over": journal_over}
