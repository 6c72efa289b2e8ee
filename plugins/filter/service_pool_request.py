# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the size of a connection pool is raised."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_pool_request
short_description: How the size of a connection pool is raised
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Names the module and its arguments, and says why the pool must not be raised.
  - All pools of a run together must fit into what the servers give. A server whose limit is not known gives nothing.
positional: _input
options:
  _input:
    description: Connections that the pool is to have.
    type: raw
    required: true
  total:
    description: What all pools of the run want.
    type: int
    required: true
  capacities:
    description: How many connections each server gives to applications.
    type: list
    elements: raw
    required: true
  limit:
    description: The operator's word on that, which goes before. Empty where there is none; null gives nothing.
    type: raw
    required: true
  write:
    description: The command that sets it, with C({size}) for the size. Empty sets a line of O(file).
    type: list
    elements: str
    required: true
  key:
    description: The key in the file.
    type: str
    required: true
  file:
    description: Path of the file.
    type: str
    required: true
"""

EXAMPLES = r"""
request: >-
  {{ 20 | oncall.incident.service_pool_request(total=40, capacities=[97], limit='', write=[], key='POOL_SIZE', file='/etc/shop.env') }}
"""

RETURN = r"""
_value:
  description: C(setting), C(module), C(args) and C(forbidden), a list of sentences.
  type: dict
"""

import typing as t

from ..module_utils._service.decisions.helping import pool_request


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"service_pool_request": pool_request}
