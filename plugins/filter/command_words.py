# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command as a list."""

from __future__ import annotations

DOCUMENTATION = r"""
name: command_words
short_description: A command as a list
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - With C(-e) a command is text with spaces. This makes a list of it.
positional: _input
options:
  _input:
    description: A list, or text with spaces.
    type: raw
    required: true
  default:
    description: The command when that one is empty.
    type: list
    elements: str
  arguments:
    description: Arguments that are added at its end.
    type: list
    elements: str
"""

EXAMPLES = r"""
# [podman, exec, f2b, fail2ban-client, -t]
argv: "{{ 'podman exec f2b fail2ban-client' | oncall.incident.command_words(arguments=['-t']) }}"
"""

RETURN = r"""
_value:
  description: The command.
  type: list
"""

import typing as t

from ..module_utils._core.words import command_words


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"command_words": command_words}
