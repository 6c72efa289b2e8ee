# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One text of all sentences that apply."""

from __future__ import annotations

DOCUMENTATION = r"""
name: reasons
short_description: One text of all sentences that apply
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Joins the sentences of why a subject is not called recovered. The text is empty when none applies.
positional: _input
options:
  _input:
    description:
      - Sentences. An empty one does not apply.
      - An item may also be a dictionary with C(text) and C(there), which says whether it applies.
    type: list
    elements: raw
    required: true
"""

EXAMPLES = r"""
# The disk is full.
msg: "{{ ['The disk is full.', ''] | oncall.incident.reasons }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import typing as t

from ..module_utils._core.recovery import reasons


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"reasons": reasons}
