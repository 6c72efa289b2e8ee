# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of a connection pool as a program or a file says it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_pool_read
short_description: The size of a connection pool as a program or a file says it
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Takes the digits of a text as a number.
positional: _input
options:
  _input:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
# 20
size: "{{ '20;' | oncall.incident.service_pool_read }}"
"""

RETURN = r"""
_value:
  description: The number, 0 where there is none.
  type: int
"""

import typing as t

from ..module_utils._service.decisions.helping import pool_read


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"service_pool_read": pool_read}
