# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many connections the pools of a host want together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_pool_share
short_description: How many connections the pools of a host want together
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Multiplies the size of a pool by the number of instances.
positional: _input
options:
  _input:
    description: Size of one pool.
    type: raw
    required: true
  instances:
    description: How many instances of the service run on the host.
    type: raw
    required: true
"""

EXAMPLES = r"""
# 40
share: "{{ 20 | oncall.incident.service_pool_share(instances=2) }}"
"""

RETURN = r"""
_value:
  description: The number.
  type: int
"""

import typing as t

from ..module_utils._service.decisions.helping import pool_share


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"service_pool_share": pool_share}
