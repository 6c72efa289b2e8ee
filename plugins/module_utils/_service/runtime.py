# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtimes of services: one file each below runtimes/, with the same functions.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._module.programs import Run
from .decisions.services import Service
from .instances import Instance


class Runtime(t.Protocol):
    """What each file of runtimes/ offers."""

    def look(self, service: Service, *, run: Run) -> list[Instance]:
        """What runs of a service now; an empty list where the runtime answers that there is nothing. Changes nothing.

        Raises:
            Blind: it cannot be looked at.
        """
        ...


def runtime_of(name: str) -> Runtime:
    """The runtime of this name, one of RUNTIMES; only what is needed is loaded."""
    # Spelled out: Ansible ships to a host what the source of a module imports.
    if name == "compose":
        from .runtimes import compose
        return compose
    if name == "kubernetes":
        from .runtimes import kubernetes
        return kubernetes
    if name == "pm2":
        from .runtimes import pm2
        return pm2
    if name == "command":
        from .runtimes import command
        return command
    from .runtimes import systemd
    return systemd
