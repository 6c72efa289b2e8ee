# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""maxclients are put back on the start of the server that they were raised on, and on no other."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import acting, temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import DONE, Action
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.repairing import RestoreMaxclients

PARAMS: dict[str, Any] = {**{name: spec.get("default") for name, spec in connection_spec().items()}, "connect_retry": "0s"}


def raised(start: str) -> Action:
    action = Action(verb="raise_maxclients", resource=start, identity={"maxclients": 60}, target={}, reason="", outcome=DONE)
    return temporary.with_temporary(action, temporary.Temporary(
        way_back="CONFIG SET maxclients 50", undo={"verb": "restore_maxclients", "before": 50, "set": 60}))


class Server:
    """A server that has a number of clients, of which two are connected."""

    def __init__(self, number: int) -> None:
        self.number = number

    def config(self, name: str) -> dict[str, str]:
        return {name: str(self.number)}

    def info(self, section: str) -> dict[str, str]:
        return {"connected_clients": "2"}


class Restore(RestoreMaxclients):
    """What puts it back, at a server that is another object of the test."""

    def __init__(self, change: Action, *, start: str, number: int) -> None:
        super().__init__({**PARAMS, "change": change.as_dict()})
        self.resource, self.server = start, Server(number)

    def entered(self) -> Any:
        return self.server


@pytest.mark.parametrize(("made", "now", "number", "expected"), [
    ("redis:a", "redis:a", 60, ("planned", "", "in_force")), ("redis:a", "redis:b", 60, ("not_needed", "restarted", "gone")),
    ("redis:a", "redis:b", 50, ("not_needed", "restarted", "gone")), ("redis:a", "redis:a", 50, ("not_needed", "already_so", "gone")),
    ("redis:a", "redis:a", 70, ("moved_on", "no_longer_matches", "gone")),
    ("redis:unknown", "redis:unknown", 60, ("unknown", "cannot_look", "unknown")),
    ("redis:a", "redis:unknown", 50, ("unknown", "cannot_look", "unknown")),
])
def test_whose_number_it_is(made: str, now: str, number: int, expected: tuple[str, str, str]) -> None:
    (action,) = acting.act(Restore(raised(made), start=now, number=number), approved=None, check_mode=True).actions
    assert (action.outcome, action.detail.get("why", ""), temporary.looked(action)) == expected
