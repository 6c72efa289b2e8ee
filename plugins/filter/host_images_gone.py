# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the images that were removed are gone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_images_gone
short_description: Whether the images that were removed are gone
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Compares what an engine lists with what it named as removed.
positional: _input
options:
  _input:
    description: Result of the command that lists the ids of images.
    type: dict
    required: true
  pruned:
    description: Result of the command that removed the images.
    type: dict
    required: true
"""

EXAMPLES = r"""
gone: "{{ measured | oncall.incident.host_images_gone(pruned=answer) }}"
"""

RETURN = r"""
_value:
  description: Whether none of them is there.
  type: bool
"""

import typing as t

from ..module_utils._host.decisions.steps import images_gone


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"host_images_gone": images_gone}
