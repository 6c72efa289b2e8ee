# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a printed time is later than another."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_later
short_description: Whether a printed time is later than another
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Compares two times in seconds. One that was not printed is the oldest.
positional: _input
options:
  _input:
    description: Result of the command that printed the time.
    type: dict
    required: true
  before:
    description: Result of the command that printed the other time.
    type: dict
    required: true
"""

EXAMPLES = r"""
# true
later: "{{ {'stdout': '1700000000.5'} | oncall.incident.host_later(before={'stdout': ''}) }}"
"""

RETURN = r"""
_value:
  description: Whether it is.
  type: bool
"""

import typing as t

from ..module_utils._host.decisions.steps import later


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"host_later": later}
