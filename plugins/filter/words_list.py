# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list from a list or from text with commas."""

from __future__ import annotations

DOCUMENTATION = r"""
name: words_list
short_description: A list from a list or from text with commas
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - With C(-e) a variable is text. This makes a list of it.
  - Words of a text are trimmed, and empty ones are left out. A list is returned as it is.
positional: _input
options:
  _input:
    description: A list, or text with commas.
    type: raw
    required: true
"""

EXAMPLES = r"""
# [blocking, connections]
checks: "{{ 'blocking, connections' | oncall.incident.words_list }}"
"""

RETURN = r"""
_value:
  description: The list.
  type: list
"""

import typing as t

from ..module_utils._core.words import words_list


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"words_list": words_list}
