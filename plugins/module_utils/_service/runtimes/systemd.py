# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are units of systemd.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import Blind
from ..._module.programs import Run
from .. import looking
from ..decisions.instance import Instance
from ..decisions.services import Service
from ..evidence import LOGS, STATE, Kept
from ..instances import UNIT_PROPERTIES
from ..memory import with_kills

#: What is kept of a unit.
_SHOWN = tuple(name for name in UNIT_PROPERTIES if name not in ("ExecStart", "Environment"))


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime."""
    return with_kills(looking.unit(service.identity, scope=_scope(service), run=run))


def look_many(services: t.Sequence[Service], *, run: Run) -> dict[str, t.Union[list[Instance], Blind]]:
    """See Runtime."""
    found = looking.units([one.identity for one in services], scope=_scope(services[0]), run=run)
    return {
        service.name: with_kills([unit]) if isinstance(unit, Instance) else unit for service, unit in zip(services, found)
    }


def evidence(services: t.Sequence[Service], *, since: str, run: Run) -> list[Kept]:
    """See Runtime. Not the whole of what systemd shows: that has environments and commands."""
    scope, names = _scope(services[0]), [one.identity for one in services]
    state = ("systemctl", f"--{scope}", "show", "--no-pager", f"--property={','.join(_SHOWN)}", "--", *names)
    return [Kept("", STATE, state), *(
        Kept(one.name, LOGS, (
            "journalctl", "--no-pager", "--output=short-iso-precise", "--lines=200",
            f"--{'user-' if scope == 'user' else ''}unit={one.identity}",
        )) for one in services)]


def daemon(service: Service) -> str:
    """See Runtime."""
    return "systemd" if _scope(service) == "system" else f"systemd ({_scope(service)})"


def _scope(service: Service) -> str:
    return str(service.where.get("scope", "system"))
