# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The approval of every mitigating module, stated once: `oncall.incident.approved`."""

from __future__ import annotations


class ModuleDocFragment:
    """The option `approved`; the argument spec beside it is APPROVED_SPEC of module_utils/_core/acting.py."""

    DOCUMENTATION = r"""
options:
  approved:
    description:
      - Actions of an approved plan, or their ids. Only these are carried out, and each of them gets an answer in RV(ignore:actions), also
        one whose target is gone meanwhile.
      - Of an action that is given whole, or with C(id), C(verb), C(resource) and C(identity), the answer says more than of an id alone.
      - Omitted means no restriction but the limits. An empty list allows nothing.
    type: list
    elements: raw
"""
