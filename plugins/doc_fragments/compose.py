# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that asks Docker Compose."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by `service_exec` and `service_instances`."""

    DOCUMENTATION = r"""
options:
  compose_command:
    description: The command of Docker Compose.
    type: list
    elements: str
    default: [docker, compose]
  compose_directory:
    description: Directory of the Compose project. Empty takes the current one.
    type: str
    default: ""
  compose_files:
    description: Paths of the project's files, where they are not the usual ones.
    type: list
    elements: str
    default: []
  container_command:
    description: The container runtime's own command.
    type: list
    elements: str
    default: [docker]
"""
