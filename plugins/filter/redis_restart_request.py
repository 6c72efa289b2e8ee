# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the restart of a Redis server is asked for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_restart_request
short_description: How the restart of a Redis server is asked for
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says why the server must not be restarted, whether it would only be started, and what it is done for.
positional: _input
options:
  _input:
    description: What M(oncall.incident.redis_restart_check) returned.
    type: dict
    required: true
  recovery:
    description: The recovery code of M(oncall.incident.redis_health).
    type: str
    required: true
  runtime:
    description: What runs the service, V(systemd) or V(compose).
    type: str
    required: true
  via:
    description: The way to the server.
    type: str
    required: true
  service:
    description: Name of the systemd unit, or of the service of Compose.
    type: str
    required: true
  only_container:
    description: Whether the container that was entered is the service's only one.
    type: bool
    required: true
"""

EXAMPLES = r"""
request: >-
  {{ check | oncall.incident.redis_restart_request(recovery='down', runtime='systemd', via='host', service='redis', only_container=false) }}
"""

RETURN = r"""
_value:
  description: C(forbidden), a list of sentences, C(start_only) and C(reason).
  type: dict
"""

import typing as t

from ..module_utils._redis.decisions.remedies import restart_request


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"redis_restart_request": restart_request}
