# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers of certificates to reload."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_reloads
short_description: Which servers of certificates to reload
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Lists the servers that serve something older than what is on the disk, and those whose certificate is renewed or to be.
  - A server is not to load a file about which something is critical that is not so about what is served.
positional: _input
options:
  _input:
    description: What M(oncall.incident.cert_expiry) returned before anything was renewed. Empty when nothing was looked at.
    type: dict
    required: true
  renewed:
    description: What M(oncall.incident.cert_renew) returned. Empty when there was nothing to renew.
    type: dict
    required: true
  lineages:
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
"""

EXAMPLES = r"""
reloads: >-
  {{ served | oncall.incident.certificate_reloads(
       renewed={}, lineages=certificate_lineages, live='/etc/letsencrypt/live', service='nginx') }}
"""

RETURN = r"""
_value:
  description:
    - C(services) to reload, and C(why), a text.
    - C(refused), a list of dictionaries with C(file), C(server), C(service), C(checks) and C(message).
  type: dict
"""

import typing as t

from ..module_utils._certificate.decisions.reloading import reloads


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"certificate_reloads": reloads}
