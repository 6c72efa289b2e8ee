# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why certificates are not called recovered."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_not_recovered
short_description: Why certificates are not called recovered
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Puts the reasons together, and is empty when they are recovered.
positional: _input
options:
  _input:
    description: What M(oncall.incident.cert_expiry) returned with C(wait_for).
    type: dict
    required: true
  checks:
    description: The checks that were waited for.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
not_recovered: "{{ verified | oncall.incident.certificate_not_recovered(checks=['expired', 'stale_in_memory']) }}"
"""

RETURN = r"""
_value:
  description: The reasons as one text.
  type: str
"""

import typing as t

from ..module_utils._certificate.decisions.recovery import not_recovered


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"certificate_not_recovered": not_recovered}
