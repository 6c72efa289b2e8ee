# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are units of systemd.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from ..._module.programs import Run
from .. import looking
from ..decisions.services import Service
from ..instances import Instance


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime."""
    return looking.unit(service.identity, scope=str(service.where.get("scope", "system")), run=run)
