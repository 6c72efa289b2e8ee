# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a renewal takes of a host's certificates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_renewable
short_description: What a renewal takes of a host's certificates
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Leaves out what the renewing module does not take, and says how each server is asked.
positional: _input
options:
  _input:
    description: The certificates that a host renews, as C(certificate_lineages) of the role has them.
    type: list
    elements: dict
    required: true
  service:
    description: What serves those that name no service of their own.
    type: str
    required: true
  validate:
    description: Command that asks this service whether it would start with its files.
    type: list
    elements: str
    required: true
  inside:
    description: How a command is run where this service lives, its name last. Empty on the host.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
renewable: "{{ certificate_lineages | oncall.incident.certificate_renewable(service='nginx', validate=['nginx', '-t'], inside=[]) }}"
"""

RETURN = r"""
_value:
  description: C(lineages) and C(validate) for M(oncall.incident.cert_renew).
  type: dict
"""

import typing as t

from ..module_utils._certificate.decisions.lineages import renewable


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"certificate_renewable": renewable}
