# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where certificates are looked for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_targets
short_description: Where certificates are looked for
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Pairs the files of lineages with the endpoints that serve them, and adds further targets.
positional: _input
options:
  _input:
    description: The certificates that a host renews, as C(certificate_lineages) of the role has them.
    type: list
    elements: dict
    required: true
  live:
    description: Directory of certbot with the present certificates.
    type: str
    required: true
  service:
    description: What serves those that name no service of their own.
    type: str
    required: true
  pairs:
    description: Further servers, each with its file.
    type: list
    elements: dict
    required: true
  files:
    description: Further files, a list or text with commas.
    type: raw
    required: true
  endpoints:
    description: Further servers, a list or text with commas.
    type: raw
    required: true
"""

EXAMPLES = r"""
targets: >-
  {{ [{'name': 'www', 'endpoints': ['192.0.2.10:443']}] | oncall.incident.certificate_targets(
       live='/etc/letsencrypt/live', service='nginx', pairs=[], files=[], endpoints=[]) }}
"""

RETURN = r"""
_value:
  description: C(pairs) and C(files) for M(oncall.incident.cert_expiry), C(places) and C(what) for M(oncall.incident.place).
  type: dict
"""

import typing as t

from ..module_utils._certificate.decisions.lineages import targets


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"certificate_targets": targets}
