# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which health URLs did not answer while the cache was gone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_app_silent
short_description: Which health URLs did not answer while the cache was gone
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes one sentence of the answers of an application. It is empty when all its URLs answered.
positional: _input
options:
  _input:
    description: The results of M(ansible.builtin.uri), each with the URL as C(item).
    type: list
    elements: dict
    required: true
  expected:
    description: Status codes that are an answer.
    type: list
    elements: int
    required: true
"""

EXAMPLES = r"""
msg: "{{ [{'item': 'https://shop.example.org/health', 'status': 503}] | oncall.incident.redis_app_silent(expected=[200]) }}"
"""

RETURN = r"""
_value:
  description: The sentence.
  type: str
"""

import typing as t

from ..module_utils._redis.decisions.remedies import app_silent


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"redis_app_silent": app_silent}
