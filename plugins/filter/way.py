# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the modules of a subject run, and as whom."""

from __future__ import annotations

DOCUMENTATION = r"""
name: way
short_description: Where the modules of a subject run, and as whom
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Turns the way to a server into the host that the modules run on, and the user that they become there.
positional: _input
options:
  _input:
    description: The way, V(host), V(container), V(controller), V(ssh_tunnel) or V(kubernetes).
    type: str
    required: true
  host:
    description: Inventory name of the managed host.
    type: str
    required: true
  become_user:
    description: Whom the modules become on the managed host. Empty for nobody.
    type: str
    default: ""
"""

EXAMPLES = r"""
# {at: db1, become: true, become_user: postgres, tunnelled: false}
way: "{{ 'host' | oncall.incident.way(host='db1', become_user='postgres') }}"
"""

RETURN = r"""
_value:
  description: C(at), C(become), C(become_user) and C(tunnelled).
  type: dict
"""

import typing as t

from ..module_utils._core.ways import way


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"way": way}
