# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of certificates that must hold."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_verify_checks
short_description: The checks of certificates that must hold
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Leaves out C(stale_in_memory) where no server is looked at together with its file.
positional: _input
options:
  _input:
    description: The checks that were asked for, a list or text with commas.
    type: raw
    required: true
  pairs:
    description: Servers, each with its file.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
# [expired]
checks: "{{ 'expired, stale_in_memory' | oncall.incident.certificate_verify_checks(pairs=[]) }}"
"""

RETURN = r"""
_value:
  description: The checks.
  type: list
"""

import typing as t

from ..module_utils._certificate.decisions.lineages import verify_checks


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"certificate_verify_checks": verify_checks}
