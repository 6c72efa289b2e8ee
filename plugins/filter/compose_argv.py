# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of a Docker Compose project."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compose_argv
short_description: A command of a Docker Compose project
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Puts the words of a command together.
positional: _input
options:
  _input:
    description: The command of Docker Compose itself.
    type: list
    elements: str
    required: true
  directory:
    description: Directory of the project. Empty takes the current one.
    type: str
    required: true
  files:
    description: Files of the project, where they are not the usual ones.
    type: list
    elements: str
    required: true
  words:
    description: What it is to do.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
# [docker, compose, --project-directory, /opt/shop, restart, web]
argv: "{{ ['docker', 'compose'] | oncall.incident.compose_argv(directory='/opt/shop', files=[], words=['restart', 'web']) }}"
"""

RETURN = r"""
_value:
  description: The words.
  type: list
"""

import typing as t

from ..module_utils._service.decisions.compose import compose_argv


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"compose_argv": compose_argv}
