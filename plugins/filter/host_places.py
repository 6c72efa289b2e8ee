# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file systems are looked at, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_places
short_description: Which file systems are looked at, for people
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes the option C(what) of M(oncall.incident.place).
positional: _input
options:
  _input:
    description: The file systems that were named. Without any all local ones are looked at.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
# All local file systems
what: "{{ [] | oncall.incident.host_places }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import typing as t

from ..module_utils._host.decisions.steps import places


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"host_places": places}
