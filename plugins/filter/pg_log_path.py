# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a PostgreSQL server writes its log."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pg_log_path
short_description: Where a PostgreSQL server writes its log
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes the path of the log, or of its directory, from the settings of a server. It is empty when that is not known.
positional: _input
options:
  _input:
    description: The settings as M(oncall.incident.pg_health) returns them.
    type: dict
    required: true
  data_directory:
    description: The data directory. A relative directory of the log is below it.
    type: str
    required: true
  configured:
    description: The path that the operator gives, which goes before all.
    type: str
    default: ""
"""

EXAMPLES = r"""
# /var/lib/pgsql/data/log
path: >-
  {{ {'logging_collector': 'on', 'log_directory': 'log'} | oncall.incident.pg_log_path(data_directory='/var/lib/pgsql/data') }}
"""

RETURN = r"""
_value:
  description: The path.
  type: str
"""

import typing as t

from ..module_utils._postgresql.decisions.settings import log_path


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"pg_log_path": log_path}
