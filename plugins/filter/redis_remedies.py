# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for a recovery code of Redis."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_remedies
short_description: What is done for a recovery code of Redis
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Chooses among the remedies of a recovery code by what the operator allows.
positional: _input
options:
  _input:
    description: The recovery code of M(oncall.incident.redis_health). Empty for none.
    type: str
    required: true
  restart:
    description: V(auto) restarts where that is a remedy, V(always) whatever ails the server, V(never) never does.
    type: str
    required: true
  clear:
    description: As O(restart), for clearing, where O(clear_pattern) or O(clear_flush) says what may be cleared.
    type: str
    required: true
  clear_pattern:
    description: Which keys may be cleared. Empty for none.
    type: str
    required: true
  clear_flush:
    description: Whether all keys may be cleared.
    type: bool
    required: true
  repoint_primary_host:
    description: The primary that a replica without one is given. Empty for none.
    type: str
    required: true
  kill_min_idle:
    description: From when on a client counts as idle, where there is no room for clients.
    type: str
    required: true
"""

EXAMPLES = r"""
do: >-
  {{ 'evicting' | oncall.incident.redis_remedies(restart='auto', clear='auto', clear_pattern='session:*', clear_flush=false,
                                                 repoint_primary_host='', kill_min_idle='5m') }}
"""

RETURN = r"""
_value:
  description: >-
    C(frees_disk), C(ends_clients), C(clears), C(repoints), C(restarts) and C(empties) as booleans,
    C(kill_min_idle), and C(helpless), a sentence.
  type: dict
"""

import typing as t

from ..module_utils._redis.decisions.remedies import chosen


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"redis_remedies": chosen}
